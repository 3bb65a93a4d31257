"""What keeps a session: bytes by name, with a version."""
