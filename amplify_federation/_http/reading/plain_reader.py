"""Answers read by h11, which httpx brings: the same as `fast_reader`, in Python.

This file owns what h11's events mean here. It must not know limits beyond `answer`'s.
"""

import h11

from amplify_federation._cognito.exchange import MAX_BODY, HttpAnswer
from amplify_federation._http.reading.answer import (
    MAX_HEAD,
    MAX_WIRE,
    answer_of,
    ends_with_stream,
    malformed,
    read_headers,
    too_long,
)

# h11 wants to see a request before it reads an answer; only its method matters to the framing.
_REQUEST = h11.Request(method="POST", target="/", headers=[("Host", "_"), ("Content-Length", "0")])


class PlainReader:
    """An `AnswerReader` over an h11 connection, a new one for each answer."""

    def __init__(self) -> None:
        self.reusable = True
        self.begin()

    def begin(self) -> None:
        """Forget the last answer."""
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        self._h11.send(_REQUEST)
        self._h11.send(h11.EndOfMessage())
        self._status = 0
        self._headers: dict[str, str] | None = None
        self._body = bytearray()
        self._received = 0

    def feed(self, data: memoryview) -> HttpAnswer | None:
        """Return the answer once it is whole; see `AnswerReader`."""
        self._received += len(data)
        self._h11.receive_data(bytes(data))
        answer = self._read()
        if answer is None and self._received > MAX_HEAD:
            return self._within_limits()
        return answer

    def end(self) -> HttpAnswer | None:
        """Return the answer if the end of the stream is what ends it."""
        if self._headers is None or not ends_with_stream(self._headers):
            return None
        self._h11.receive_data(b"")
        return self._read()

    def _read(self) -> HttpAnswer | None:
        while True:
            event = self._next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return None
            if isinstance(event, h11.Response):
                self._status = event.status_code
                self._headers = read_headers(list(event.headers))
            elif isinstance(event, h11.Data):
                self._body += event.data
            elif isinstance(event, h11.EndOfMessage) and self._headers is not None:
                more, closed = self._h11.trailing_data
                self.reusable = self._h11.their_state is h11.DONE and not more and not closed
                return answer_of(self._status, self._headers, bytes(self._body))
            elif not isinstance(event, h11.InformationalResponse):
                return None

    def _next_event(self) -> object:
        try:
            return self._h11.next_event()
        except h11.RemoteProtocolError:
            self.reusable = False
        reason = "what came is no HTTP answer"
        raise malformed(reason)

    def _within_limits(self) -> HttpAnswer | None:
        if self._headers is None:
            raise too_long()
        if self._received > MAX_WIRE or len(self._body) > MAX_BODY:
            self.reusable = False
            return HttpAnswer(self._status, self._headers, None)
        return None
