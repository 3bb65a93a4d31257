"""Many users in one process: who is kept in memory, and whose bearer token was accepted."""
