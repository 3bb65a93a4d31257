"""What the public calls return. These rooms must not know how any of it came about."""
