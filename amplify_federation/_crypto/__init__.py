"""The door to the disk: sealing, keys, safe files and locks."""
