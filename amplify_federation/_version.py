"""The version, for the `User-Agent`; `pyproject.toml` reads it here."""

VERSION = "0.1.0"
__version__ = VERSION  # as the package shows it
