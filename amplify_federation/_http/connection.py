"""One HTTP/1.1 connection: a request over it, and the answer as it arrives.

This file owns the order of an exchange and how its failures are told. The bytes are moved by the
subclasses: `asyncio_connection` on asyncio and uvloop, `anyio_connection` on every other loop.
"""

import errno
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator

import anyio
from anyio.lowlevel import checkpoint

from amplify_federation._http.parser import H11Parser, Head, ParseError, Parser, parser_class

READ_SIZE = 65_536  # bytes read at once
_PROTOCOL_ERROR = "RemoteProtocolError"  # httpx's class
_OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.EAGAIN})  # the last: `threaded`


class TransportFailure(Exception):  # noqa: N818  # the transport raises httpx's error for it
    """A request failed; `kind` names httpx's class for it.

    `detail` says why without the request. `stale`: a connection that was used before ended before
    the first byte of an answer. `cause`: the system's error, if there is one.
    """

    def __init__(
        self, kind: str, detail: str, *, stale: bool = False, cause: BaseException | None = None
    ) -> None:
        super().__init__(kind, detail)
        self.kind = kind
        self.detail = detail
        self.stale = stale
        self.cause = cause

    @property
    def out_of_resources(self) -> bool:
        """Whether this process has no file descriptor left, or no thread for a look-up."""
        return getattr(self.cause, "errno", None) in _OUT_OF_RESOURCES


class SerializedRequest:
    """A request as it is sent; its bytes are not shown, since they may hold a token.

    `body` is the part that comes in pieces; `last`: its connection serves no other after it.
    """

    __slots__ = ("body", "data", "last", "method")

    def __init__(
        self,
        method: str,
        data: bytes,
        body: AsyncGenerator[bytes] | None = None,
        *,
        last: bool = False,
    ) -> None:
        self.method = method
        self.data = data
        self.body = body
        self.last = last

    def __repr__(self) -> str:
        return f"<SerializedRequest {self.method}>"


class HttpConnection(ABC):
    """One open connection, which carries one exchange at a time."""

    def __init__(self) -> None:
        self.closed = False
        self.idle_since = 0.0  # on the monotonic clock; the pool's
        self._own_parser = parser_class()()
        self._parser: Parser = self._own_parser
        self._used = self._heard = False

    async def request(
        self,
        request: SerializedRequest,
        *,
        read_timeout: float | None,
        write_timeout: float | None,
    ) -> Head:
        """Send a request; return the head of the answer.

        Raises `TransportFailure`. The connection is closed then, and when this is cancelled.
        """
        self._parser = H11Parser() if request.method == "HEAD" else self._own_parser
        self._parser.begin(request.method)
        self._heard = False
        try:
            sent = await self._send(request.data, write_timeout)
            if request.body is not None and sent:
                sent = await self._send_body(request.body, write_timeout)
            if not sent or request.last:
                self._parser.reusable = False  # else the next would count as the part not sent
            while self._parser.head is None:
                await self._receive(read_timeout)
        except BaseException:
            self.close()
            raise
        return self._parser.head

    async def more(self, read_timeout: float | None) -> list[bytes]:
        """Return the part of the body that has arrived since, an empty list at its end.

        Raises `TransportFailure`. The connection is closed then, and when this is cancelled.
        """
        parser = self._parser
        try:
            while not parser.chunks and not parser.complete:
                await self._receive(read_timeout)
        except BaseException:
            self.close()
            raise
        chunks, parser.chunks = parser.chunks, []
        return chunks

    @property
    def complete(self) -> bool:
        """Whether the answer is whole."""
        return self._parser.complete

    def finish(self) -> list[bytes]:
        """End an exchange whose answer is whole; return the unread part of the body."""
        self._used = True
        parser = self._parser
        chunks, parser.chunks = parser.chunks, []
        if not parser.reusable:
            self.close()
        return chunks

    async def _send_body(self, body: AsyncGenerator[bytes], seconds: float | None) -> bool:
        try:
            async for piece in body:
                if not await self._send(piece, seconds):
                    return False
                await checkpoint()  # a body that never waits would keep the loop from reading
        finally:
            with anyio.CancelScope(shield=True):
                await body.aclose()
        return True

    @abstractmethod
    def usable(self) -> bool:
        """Tell whether nothing has arrived since the last answer, and the server has not closed."""

    @abstractmethod
    def close(self) -> None:
        """Close at once, without a TLS close-notify, which a dead peer would never answer."""

    @abstractmethod
    async def _send(self, data: bytes, seconds: float | None) -> bool:
        """Send bytes; `False` if that is of no use any more, which reading explains."""

    @abstractmethod
    async def _receive(self, seconds: float | None) -> None:
        """Wait until something has arrived and been parsed, for so many seconds at most."""

    def _feed(self, data: memoryview) -> None:
        """Parse what arrived; raises `TransportFailure`."""
        self._heard = True
        try:
            self._parser.feed(data)
        except ParseError as error:
            raise TransportFailure(_PROTOCOL_ERROR, str(error)) from None

    def _feed_end(self) -> None:
        """Take the end of the stream; raises `TransportFailure` unless that ends the answer."""
        try:
            self._parser.end()
        except ParseError as error:
            raise self._broken(_PROTOCOL_ERROR, str(error)) from None

    def _broken(self, kind: str, detail: str) -> TransportFailure:
        """Return the failure of a connection that was open."""
        return TransportFailure(kind, detail, stale=self._used and not self._heard)


def dialling_failure(error: BaseException) -> TransportFailure:
    """Return the failure of a connection that could not be made; it says no more than the cause."""
    several: tuple[BaseException, ...] = getattr(error, "exceptions", ())  # one for each address
    error = several[0] if several else error
    detail = (
        getattr(error, "verify_message", None)  # of a certificate
        or getattr(error, "strerror", None)
        or (str(error) if isinstance(error, OSError) else "the host name is not one")
        or type(error).__name__
    )
    return TransportFailure("ConnectError", detail, cause=error.with_traceback(None))
