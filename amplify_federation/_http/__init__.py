"""Access to the network: httpx and sockets."""
