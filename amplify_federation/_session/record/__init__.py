"""What is kept of a session, and what is shown of it. Pure."""
