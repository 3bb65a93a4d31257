"""HTTP/1.1 answers parsed by h11, which httpx brings; and which parser serves.

This file owns what h11's events mean here. It must not know limits beyond `parser`'s.
"""

from contextlib import suppress

import h11

from amplify_federation._http.parser import (
    MAX_HEAD,
    Head,
    ParseError,
    Parser,
    check_framing,
    check_framing_size,
    cut_short,
    no_answer,
)


def parser_class() -> type[Parser]:
    """Return the faster parser that is installed."""
    try:
        from amplify_federation._http.httptools_parser import (  # noqa: PLC0415  # an extra
            HttptoolsParser,
        )
    except ImportError:
        return H11Parser
    return HttptoolsParser


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
