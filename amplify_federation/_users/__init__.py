"""Many users in one process: cached sessions, bearer tokens, refused tokens."""
