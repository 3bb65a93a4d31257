"""Pure modules: no async, clock, randomness, path or environment; no third party but attrs."""
