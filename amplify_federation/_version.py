"""The version, for the `User-Agent`; `pyproject.toml` reads it here."""

VERSION = "0.2.0"
__version__ = VERSION  # as the package shows it
