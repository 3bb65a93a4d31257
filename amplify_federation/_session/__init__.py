"""One session at work: what it holds, how it federates, renews and is cleared."""
