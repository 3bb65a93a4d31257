"""HTTP/1.1 answers parsed by httptools (llhttp, in C), which the extra `fast` brings.

This file owns what llhttp's callbacks mean here. It must not know limits beyond `parser`'s.
"""

import httptools  # pyright: ignore[reportMissingTypeStubs]  # typed since 0.7, an extra

from amplify_federation._http.parser import (
    FINAL,
    Head,
    Pairs,
    ParseError,
    check_framing,
    check_framing_size,
    cut_short,
    ends_with_stream,
    no_answer,
)


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
        """Note that an answer begins; one that nobody asked for spoils the connection."""
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
