"""The door to the network: nobody else knows httpx or a socket."""
