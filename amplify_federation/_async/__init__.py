"""How concurrent callers wait for one another. Knows anyio, and nothing of sessions."""
