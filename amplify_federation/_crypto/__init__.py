"""Sealed records, and the keys that seal them."""
