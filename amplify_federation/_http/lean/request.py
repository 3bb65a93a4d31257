"""One POST as bytes: the endpoint's part of the head is built once, the rest per request.

This file owns what stands in the head of a request. It must not know connections or answers.
"""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from amplify_federation._http.reading.answer import NoAnswer

_OWN = frozenset({"host", "content-length", "accept-encoding", "connection", "transfer-encoding"})
_PORTS = {"http": 80, "https": 443}


class Endpoint(NamedTuple):
    """Where requests go: `head` is the part of each head that never changes."""

    host: str
    port: int
    tls: bool
    head: str

    def request(self, headers: Mapping[str, str], body: bytes) -> bytes:
        """Return a whole request. The headers that frame it are set here, not by the caller.

        Raises `NoAnswer` for a header that would break out of its line.
        """
        lines = [
            f"{name}: {value}\r\n" for name, value in headers.items() if name.lower() not in _OWN
        ]
        text = "".join(lines)
        if text.count("\n") != len(lines) or text.count("\r") != len(lines) or not text.isascii():
            reason = "a header has characters that no header has"
            raise _unsendable(reason)
        return f"{self.head}{text}Content-Length: {len(body)}\r\n\r\n".encode("ascii") + body


def _unsendable(detail: str) -> NoAnswer:
    return NoAnswer("LocalProtocolError", detail)


def endpoint_of(url: str) -> Endpoint:
    """Return the endpoint of an http or https URL; calls go to its path plus `/`."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or _PORTS[parts.scheme]
    shown = f"[{host}]" if ":" in host else host
    if port != _PORTS[parts.scheme]:
        shown = f"{shown}:{port}"
    path = quote(parts.path.rstrip("/") + "/", safe="/%:@!$&'()*+,;=~-._")
    head = f"POST {path} HTTP/1.1\r\nHost: {shown}\r\nAccept-Encoding: identity\r\n"
    return Endpoint(host, port, parts.scheme == "https", head)
