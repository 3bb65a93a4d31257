"""Many users in one process: cached sessions, bearer tokens, rejected tokens."""
