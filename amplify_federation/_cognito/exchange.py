"""What one HTTP exchange is to this package: bytes out, bytes in. Nothing here does one."""

from collections.abc import Mapping
from typing import Protocol

from attrs import field, frozen


@frozen
class HttpAnswer:
    """A whole HTTP answer. Header names are lower-case; `body` is None if it was over the cap."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None = field(repr=False)


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
