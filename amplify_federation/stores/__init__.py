"""Stores of sessions: bytes by name, with a version."""
