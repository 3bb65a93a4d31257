"""HTTP/1.1 answers: bytes in; heads, chunks of bodies and their ends out.

This file owns the limits of a head and which framing is accepted. There are two parsers: httptools
(llhttp, in C), which the extra `fast` installs, else h11, which httpx depends on.
"""

from contextlib import suppress
from typing import Any, NamedTuple, Protocol, cast

import h11

try:
    import httptools  # pyright: ignore[reportMissingTypeStubs]  # typed since 0.7
except ImportError:  # the extra `fast` is not installed
    httptools = cast("Any", None)  # a module otherwise

MAX_HEAD = 64 * 1024  # bytes, informational answers included; httpx has 100 KiB, Tomcat 8 KiB
MAX_FRAMING = 8  # bytes of framing for each byte of a body; chunks of one byte have six
MAX_HEADERS = 100  # as in Python's http.client
FINAL = 200  # the first status that is not informational

Pairs = list[tuple[bytes, bytes]]


class ParseError(Exception):
    """The bytes are no answer; the text says why without them."""


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


class H11Parser:
    """A `Parser` over h11: a connection of it for each answer."""

    def __init__(self) -> None:
        self.reusable = True
        self.begin("GET")

    def begin(self, method: str) -> None:
        """Forget the last answer; see `Parser`."""
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        # h11 wants a request before it reads an answer; only its method matters to the framing.
        self._h11.send(h11.Request(method=method, target="/", headers=[("Host", "_")]))
        self._h11.send(h11.EndOfMessage())
        self.head: Head | None = None
        self.chunks: list[bytes] = []
        self.complete = False
        self._received = self._body = 0

    def feed(self, data: memoryview) -> None:
        """Take bytes; see `Parser`."""
        self._received += len(data)
        self._h11.receive_data(bytes(data))
        self._read()
        check_framing_size(self._received, self._body)

    def end(self) -> None:
        """Take the end of the stream; see `Parser`."""
        self.reusable = False
        self._h11.receive_data(b"")
        with suppress(ParseError):
            self._read()
        if not self.complete:
            raise cut_short()

    def _read(self) -> None:
        while not self.complete:
            event = self._next_event()
            if isinstance(event, h11.Response):
                pairs = list(event.headers)
                check_framing(pairs)
                self.head = Head(event.status_code, pairs, event.http_version, event.reason)
            elif isinstance(event, h11.Data):
                self.chunks.append(bytes(event.data))
                self._body += len(event.data)
            elif isinstance(event, h11.EndOfMessage):
                more, closed = self._h11.trailing_data
                self.complete = True
                if self._h11.their_state is not h11.DONE or more or closed:
                    self.reusable = False
            elif not isinstance(event, h11.InformationalResponse):
                return

    def _next_event(self) -> object:
        try:
            return self._h11.next_event()
        except h11.RemoteProtocolError:
            self.reusable = False
        raise no_answer()


class HttptoolsParser:
    """A `Parser` over one llhttp parser, which stays for the whole connection."""

    def __init__(self) -> None:
        self.reusable = True
        self.head: Head | None = None
        self.chunks: list[bytes] = []
        self.complete = False
        self._pairs: Pairs = []
        self._reason = b""
        self._received = self._body = 0
        self._refusal: ParseError | None = None
        self._parser = httptools.HttpResponseParser(self)

    def begin(self, method: str) -> None:  # noqa: ARG002  # HEAD is left to h11
        """Forget the last answer; see `Parser`."""
        self.head = None
        self.chunks = []
        self.complete = False
        self._pairs = []
        self._reason = b""
        self._received = self._body = 0

    def feed(self, data: memoryview) -> None:
        """Take bytes; see `Parser`."""
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.reusable = False
            if not self.complete:
                failure = self._refusal or no_answer()
                raise failure from None
        check_framing_size(self._received, self._body)

    def end(self) -> None:
        """Take the end of the stream; see `Parser`."""
        self.reusable = False
        if self.head is None or not ends_with_stream(self.head.headers):
            raise cut_short()
        self.complete = True

    def on_message_begin(self) -> None:
        """Note that an answer begins; one to no request makes the connection unusable."""
        if self.complete:
            self.reusable = False

    def on_status(self, reason: bytes) -> None:
        """Keep the reason phrase."""
        if not self.complete:
            self._reason = reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; a trailer is read over."""
        if self.head is None:
            self._pairs.append((name.lower(), value.strip()))

    def on_headers_complete(self) -> None:
        """Check the head; informational ones (1xx) are read over."""
        status = self._parser.get_status_code()
        if self.complete or status < FINAL:
            return
        try:
            check_framing(self._pairs)
        except ParseError as refusal:
            self._refusal = refusal
            raise
        version = self._parser.get_http_version().encode()
        self.head = Head(status, self._pairs, version, self._reason)

    def on_body(self, data: bytes) -> None:
        """Keep a piece of the body."""
        if not self.complete:
            self.chunks.append(data)
            self._body += len(data)

    def on_message_complete(self) -> None:
        """Note the end of the answer."""
        if self.complete:
            return
        if self.head is None:
            self._pairs = []
            return
        self.complete = True
        if not self._parser.should_keep_alive():
            self.reusable = False


def parser_class() -> type[Parser]:
    """Return the faster parser that is installed."""
    return H11Parser if httptools is None else HttptoolsParser
