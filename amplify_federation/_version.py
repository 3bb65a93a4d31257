"""The version, for the `User-Agent`; `pyproject.toml` reads it here."""

__version__ = "0.2.0"
