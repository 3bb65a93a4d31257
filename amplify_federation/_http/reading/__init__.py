"""How an answer is read: the parsers, the limits, the content coding."""
