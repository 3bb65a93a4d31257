"""What a reader at a terminal sees, and how the process ends."""
