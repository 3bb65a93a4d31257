"""Pure rooms: no async, no clock, no randomness, no path, no environment; attrs alone."""
