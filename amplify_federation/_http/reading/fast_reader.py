"""Answers read by httptools (llhttp, in C); the extra `fast` brings it.

This file owns what llhttp's callbacks mean here. It must not know limits beyond `answer`'s.
"""

from httptools import (  # pyright: ignore[reportMissingTypeStubs]  # typed since 0.7, an extra
    HttpParserError,
    HttpParserUpgrade,
    HttpResponseParser,
)

from amplify_federation._cognito.exchange import MAX_BODY, HttpAnswer
from amplify_federation._http.reading.answer import (
    FINAL,
    MAX_HEAD,
    MAX_WIRE,
    NoAnswer,
    Pairs,
    answer_of,
    ends_with_stream,
    malformed,
    read_headers,
    too_long,
)


class FastReader:
    """An `AnswerReader` over one llhttp parser, which stays for the whole connection."""

    def __init__(self) -> None:
        self.reusable = True
        self._pairs: Pairs = []
        self._chunks: list[bytes] = []
        self._headers: dict[str, str] | None = None
        self._answer: HttpAnswer | None = None
        self._refusal: NoAnswer | None = None
        self._received = 0
        self.on_body = self._chunks.append  # the parser calls it without a Python frame
        self._parser = HttpResponseParser(self)

    def begin(self) -> None:
        """Forget the last answer."""
        self._pairs.clear()
        self._chunks.clear()
        self._headers = self._answer = None
        self._received = 0

    def feed(self, data: memoryview) -> HttpAnswer | None:
        """Return the answer once it is whole; see `AnswerReader`."""
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self.reusable = False
        if self._answer is not None:
            return self._answer
        if not self.reusable:
            raise self._refusal or malformed("what came is no HTTP answer")
        return self._within_limits() if self._received > MAX_HEAD else None

    def end(self) -> HttpAnswer | None:
        """Return the answer if the end of the stream is what ends it."""
        if self._headers is None or not ends_with_stream(self._headers):
            return None
        self.reusable = False
        return self._whole(self._headers)

    def on_message_begin(self) -> None:
        """Hear that an answer begins; one that nobody asked for spoils the connection."""
        if self._answer is not None:
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header line; a trailer, which is never read, is not kept."""
        if self._headers is None:
            self._pairs.append((name, value))

    def on_headers_complete(self) -> None:
        """Check the head; the informational ones (1xx) are passed over."""
        if self._answer is None and self._parser.get_status_code() >= FINAL:
            try:
                self._headers = read_headers(self._pairs)
            except NoAnswer as refusal:
                self._refusal = refusal
                raise

    def on_message_complete(self) -> None:
        """Build the answer."""
        if self._answer is not None:
            return
        if self._headers is None:
            self._pairs.clear()
            return
        try:
            self._answer = self._whole(self._headers)
        except NoAnswer as refusal:
            self._refusal = refusal
            raise
        self.reusable = self._parser.should_keep_alive()

    def _whole(self, headers: dict[str, str]) -> HttpAnswer:
        chunks = self._chunks
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        return answer_of(self._parser.get_status_code(), headers, body)

    def _within_limits(self) -> HttpAnswer | None:
        if self._headers is None:
            raise too_long()
        if self._received > MAX_WIRE or sum(map(len, self._chunks)) > MAX_BODY:
            self.reusable = False
            return HttpAnswer(self._parser.get_status_code(), self._headers, None)
        return None
