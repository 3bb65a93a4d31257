"""HTTP/1.1 answers: what a parser says of bytes, and the limits that each keeps.

This file owns the limits of a head and which framing is believed. It must not know connections: a
parser takes bytes and says what has come.
"""

from typing import NamedTuple, Protocol

MAX_HEAD = 64 * 1024  # bytes, informational answers included; httpx has 100 KiB, Tomcat 8 KiB
MAX_FRAMING = 8  # bytes around each byte of a body; chunks of one byte have six
MAX_HEADERS = 100  # as in Python's http.client
FINAL = 200  # the first status that is not informational

Pairs = list[tuple[bytes, bytes]]


class ParseError(Exception):
    """The bytes are no answer; the text says why and holds nothing of them."""


class Head(NamedTuple):
    """The head of an answer; header names are lower-case."""

    status: int
    headers: Pairs
    version: bytes
    reason: bytes


class Parser(Protocol):
    """Parses one answer after another from the bytes of one connection.

    After each `feed`: `head` once it is whole; `chunks`, the body so far, which the caller takes
    away; `complete` at the end of the body; `reusable` unless the connection must be closed then.
    """

    head: Head | None
    chunks: list[bytes]
    complete: bool
    reusable: bool

    def begin(self, method: str) -> None:
        """Forget the last answer; the next one is to a request with this method."""
        ...

    def feed(self, data: memoryview) -> None:
        """Take bytes; raises `ParseError`."""
        ...

    def end(self) -> None:
        """Take the end of the stream; raises `ParseError` if that does not end the answer."""
        ...


def check_framing(pairs: Pairs) -> None:
    """Raise `ParseError` for too many headers, and for a length that can be read two ways."""
    if len(pairs) > MAX_HEADERS:
        message = "the answer has too many headers"
        raise ParseError(message)
    codings = [value for name, value in pairs if name == b"transfer-encoding"]
    if codings and (
        len(codings) > 1
        or codings[0].lower() != b"chunked"
        or any(name == b"content-length" for name, _ in pairs)
    ):
        message = "the length of the answer is ambiguous"
        raise ParseError(message)


def check_framing_size(received: int, body: int) -> None:
    """Raise `ParseError` if a head, chunk sizes or trailers are too long for what they frame."""
    if received - body > MAX_HEAD + MAX_FRAMING * body:
        message = "the head of the answer, or its framing, is too long"
        raise ParseError(message)


def ends_with_stream(pairs: Pairs) -> bool:
    """Tell whether nothing but the end of the stream ends this answer's body."""
    return not any(name in {b"content-length", b"transfer-encoding"} for name, _ in pairs)


def no_answer() -> ParseError:
    """Return the error for bytes that are no answer."""
    return ParseError("what came is no HTTP answer")


def cut_short() -> ParseError:
    """Return the error for an answer whose end did not come."""
    return ParseError("the server closed the connection before the answer was whole")
