"""A connection on asyncio or uvloop: a protocol that parses in the callback that reads the socket.

This room imports asyncio, because that is what it is for: through anyio's streams each answer takes
two more trips around the loop, an event and a copy, which halves the throughput. Other loops use
`anyio_connection`. It must not know how many connections there are.
"""

import asyncio
import select
import socket
import ssl
import threading
from collections.abc import AsyncIterable, Callable
from typing import Any, cast

import anyio

from amplify_federation._http.parser import H11Parser, Head, ParseError, Parser, parser_class
from amplify_federation._http.pool import ConnectionFailure, dialling_failure

READ_SIZE = 65_536  # bytes read at once
MAX_BUFFERED = 4 * READ_SIZE  # unread bytes of a body, before reading pauses
HEAD_START = 0.25  # seconds that one address has before the next is tried too (RFC 8305)


class _Buffers(threading.local):
    """One buffer per thread, so per running loop: it is filled and parsed within one callback."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(READ_SIZE))


_buffers = _Buffers()


class AsyncioConnection(asyncio.BufferedProtocol):
    """One connection; `Connection` for the pool."""

    def __init__(self) -> None:
        self.closed = False
        self.idle_since = 0.0
        self._loop = asyncio.get_running_loop()
        self._own_parser = parser_class()()
        self._parser: Parser = self._own_parser
        self._transport: asyncio.Transport | None = None
        self._buffer = _buffers.view
        self._waiter: asyncio.Future[None] | None = None
        self._writable: asyncio.Event | None = None
        self._is_readable: Callable[[], bool] = _nothing
        self._used = self._heard = self._asked = self._paused = False

    async def request(
        self,
        method: str,
        data: bytes,
        body: AsyncIterable[bytes] | None,
        *,
        read_timeout: float | None,
        write_timeout: float | None,
    ) -> Head:
        """Send a request, whose body may come in pieces; return the head of the answer.

        Raises `ConnectionFailure`, and then the connection is closed; so it is when cancelled.
        """
        if self._transport is None or self.closed:
            raise self._broken()
        self._parser = H11Parser() if method == "HEAD" else self._own_parser
        self._parser.begin(method)
        self._heard = False
        self._asked = True
        self._transport.write(data)
        del data  # this frame may stand in a traceback
        try:
            if self._writable is not None:
                await self._written(write_timeout)
            if body is not None:
                await self._send(body, write_timeout)
            while self._parser.head is None:
                await self._progress(read_timeout)
        except BaseException:
            self.close()
            raise
        return self._parser.head

    async def more(self, read_timeout: float | None) -> list[bytes]:
        """Return what has come of the body since, an empty list once it is whole."""
        parser = self._parser
        try:
            while not parser.chunks and not parser.complete:
                if self._paused and self._transport is not None:
                    self._paused = False
                    self._transport.resume_reading()
                await self._progress(read_timeout)
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
        """End an exchange whose answer is whole; return what was not read of the body."""
        self._asked = False
        self._used = True
        self._heard = False
        parser = self._parser
        chunks, parser.chunks = parser.chunks, []
        if (
            not parser.reusable
            or self._transport is None
            or self._transport.get_write_buffer_size()
        ):
            self.close()
        return chunks

    def usable(self) -> bool:
        """Tell whether the server is silent and holds its end open."""
        # What the loop has not read yet counts: an end of the stream, or an unasked answer.
        return not self.closed and not self._is_readable()

    def close(self) -> None:
        """Close at once, without a TLS close-notify, which a dead peer would never answer."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport; asyncio calls it."""
        self._transport = cast("asyncio.Transport", transport)
        self._is_readable = _readability_probe(transport.get_extra_info("socket").fileno())

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # asyncio's signature
        """Return the buffer to read into; asyncio calls it."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Parse what came; asyncio calls it."""
        if not self._asked or self._parser.complete:
            self.close()  # these bytes answer no request
            return
        self._heard = True
        try:
            self._parser.feed(self._buffer[:nbytes])
        except ParseError as error:
            self._fail(ConnectionFailure("RemoteProtocolError", str(error)))
            return
        if self._parser.head is None:
            return
        if self._writable is not None:
            self._writable.set()  # answered early: the rest of the request is of no use
        if self._waiter is not None:
            self._wake()
        elif not self._paused and sum(map(len, self._parser.chunks)) > MAX_BUFFERED:
            self._paused = True
            cast("asyncio.Transport", self._transport).pause_reading()

    def eof_received(self) -> None:
        """Take the end of the stream; the transport closes itself. asyncio calls it."""
        self.closed = True
        if not self._asked or self._parser.complete:
            return
        try:
            self._parser.end()
        except ParseError:
            self._fail(self._broken())
        else:
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is over; asyncio calls it."""
        self.closed = True
        if self._writable is not None:
            self._writable.set()
        self._fail(self._broken(exc))

    def pause_writing(self) -> None:
        """Note that the write buffer is full; asyncio calls it."""
        self._writable = asyncio.Event()

    def resume_writing(self) -> None:
        """Note that the write buffer has room; asyncio calls it."""
        if self._writable is not None:
            self._writable.set()
        self._writable = None

    async def _send(self, body: AsyncIterable[bytes], seconds: float | None) -> None:
        async for piece in body:
            if self.closed or self._parser.head is not None:
                return  # the server has answered, or is gone; reading tells
            cast("asyncio.Transport", self._transport).write(piece)
            await self._written(seconds)

    async def _written(self, seconds: float | None) -> None:
        """Wait until the write buffer has room, or the server has answered or is gone."""
        if self._writable is None:
            return
        with anyio.move_on_after(seconds):
            await self._writable.wait()
            return
        kind, detail = "WriteTimeout", "the server does not read the request"
        raise ConnectionFailure(kind, detail)

    async def _progress(self, seconds: float | None) -> None:
        """Wait until something has come, for so many seconds at most."""
        if self.closed:
            raise self._broken()
        waiter = self._waiter = self._loop.create_future()
        timer = None if seconds is None else self._loop.call_later(seconds, self._time_out, waiter)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def _time_out(self, waiter: "asyncio.Future[None]") -> None:
        if not waiter.done():
            waiter.set_exception(ConnectionFailure("ReadTimeout", "the server is silent"))

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, failure: ConnectionFailure) -> None:
        self.closed = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(failure)

    def _broken(self, exc: Exception | None = None) -> ConnectionFailure:
        stale = self._used and not self._heard
        if exc is None:
            detail = "the server closed the connection before the answer was whole"
            return ConnectionFailure("RemoteProtocolError", detail, stale=stale)
        return ConnectionFailure("ReadError", "the connection broke", stale=stale)


async def dial(
    host: str, port: int, context: ssl.SSLContext | None, name: str
) -> AsyncioConnection:
    """Open a connection; raises `ConnectionFailure`. `name` is that of the server in TLS."""
    tls: dict[str, Any] = {"ssl": context, "server_hostname": name} if context else {}
    try:
        connected = await _connected(host, port)
        _, connection = await asyncio.get_running_loop().create_connection(
            AsyncioConnection, sock=connected, **tls
        )
    except (OSError, UnicodeError) as error:
        failure = dialling_failure(error)
    else:
        return connection
    raise failure


async def _connected(host: str, port: int) -> socket.socket:
    """Return a connected socket: the first of the host's addresses that answers (RFC 8305).

    asyncio's own `happy_eyeballs_delay` is unknown to uvloop, breaks under eager tasks (CPython
    3.13.0), and leaves a socket open when it is cancelled.
    """
    addresses = await _addresses(host, port)
    if len(addresses) == 1:
        return await _connect(addresses[0])
    won: list[socket.socket] = []
    errors: list[OSError] = []

    async def attempt(address: tuple[Any, ...], failed: anyio.Event) -> None:
        try:
            connected = await _connect(address)
        except OSError as error:
            errors.append(error)
            failed.set()
            return
        if won:
            connected.close()
        won.append(connected)
        group.cancel_scope.cancel()

    try:
        async with anyio.create_task_group() as group:
            for address in addresses:
                failed = anyio.Event()
                group.start_soon(attempt, address, failed)
                with anyio.move_on_after(HEAD_START):
                    await failed.wait()
    except BaseException:
        for connected in won:
            connected.close()
        raise
    if not won:
        raise errors[0]
    return won[0]


async def _addresses(host: str, port: int) -> list[tuple[Any, ...]]:
    """Return a host's addresses, families in turn."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    first = [each for each in found if each[0] == found[0][0]]
    others = [each for each in found if each[0] != found[0][0]]
    pairs = zip(first, others, strict=False)
    mixed = [address for pair in pairs for address in pair]
    return mixed + first[len(others) :] + others[len(first) :]


async def _connect(address: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol, _, where = address
    connecting = socket.socket(family, kind, protocol)
    try:
        connecting.setblocking(False)  # noqa: FBT003  # its only argument
        await asyncio.get_running_loop().sock_connect(connecting, where)
    except BaseException:
        connecting.close()
        raise
    return connecting


def _readability_probe(descriptor: int) -> Callable[[], bool]:
    """Return a function that tells whether there is something to read, without reading it."""
    if not hasattr(select, "poll"):  # Windows
        return lambda: bool(select.select([descriptor], (), (), 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return lambda: bool(poll.poll(0))


def _nothing() -> bool:
    return False
