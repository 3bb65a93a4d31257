"""A lean HTTP/1.1 client for one endpoint: what a default client uses where httpx adds nothing."""
