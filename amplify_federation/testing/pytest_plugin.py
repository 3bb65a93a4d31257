"""Fixtures for applications that federate."""
