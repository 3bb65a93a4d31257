"""What one HTTP exchange is to this package: bytes out, bytes in. Nothing here does one."""

from collections.abc import Mapping
from typing import Protocol

MAX_BODY = 262_144  # bytes after decoding; a real answer has about 2,000


class HttpAnswer:
    """A whole HTTP answer. Header names are lower-case; `body` is None if it was over the cap."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes | None) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def __repr__(self) -> str:
        return f"<HttpAnswer {self.status}>"  # the body may hold credentials


class Exchange(Protocol):
    """Sends one POST to the endpoint it was made for; no retry, no redirect, no deadline."""

    async def post(self, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """Send a request and return the whole answer; raises `NetworkError` if there is none.

        The error carries neither request nor cause, because both hold the token.
        """
        ...

    async def aclose(self) -> None:
        """Close what this exchange opened, and nothing that a caller lent."""
        ...
