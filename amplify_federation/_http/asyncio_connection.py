"""A connection on asyncio or uvloop: a protocol that parses in the callback that reads the socket.

It imports asyncio for speed: through anyio's streams each answer takes two more trips around the
loop, an event and a copy, which halves the throughput.
"""

import asyncio
import select
import socket
import ssl
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import anyio

from amplify_federation._async.worker_thread import threaded
from amplify_federation._http.connection import (
    READ_SIZE,
    HttpConnection,
    TransportFailure,
    dialling_failure,
)

MAX_BUFFERED = 4 * READ_SIZE  # unread bytes of a body, before reading pauses
HEAD_START = 0.25  # seconds that one address has before the next is tried too (RFC 8305)
_CUT_SHORT = "the server closed the connection before the answer was whole"


class _Buffers(threading.local):
    """One buffer per thread, so per running loop: it is filled and parsed within one callback."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(READ_SIZE))


_buffers = _Buffers()


class AsyncioConnection(HttpConnection, asyncio.BufferedProtocol):
    """One connection; a protocol of asyncio's."""

    _transport: asyncio.Transport  # given before anything else happens
    _is_readable: Callable[[], object]

    def __init__(self) -> None:
        super().__init__()
        self._parser.complete = True  # no request awaits an answer
        self._loop = asyncio.get_running_loop()
        self._buffer = _buffers.view
        self._waiter: asyncio.Future[None] | None = None
        self._writable: asyncio.Event | None = None
        self._paused = False
        self._lost = False

    def finish(self) -> list[bytes]:
        """End an exchange whose answer is whole; return the unread part of the body."""
        if self._transport.get_write_buffer_size():
            self.close()  # the server answered before it had read the request
        return super().finish()

    def usable(self) -> bool:
        """Tell whether nothing has arrived since the last answer, and the server has not closed."""
        # What the loop has not read yet counts: an end of the stream, or an unasked answer.
        return not self.closed and not self._is_readable()

    def close(self) -> None:
        """Close at once; see `HttpConnection`."""
        self.closed = True
        if not self._lost:  # asyncio cannot abort a transport that closed after a last flush
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport; asyncio calls it."""
        self._transport = cast("asyncio.Transport", transport)
        self._is_readable = _readability_probe(transport.get_extra_info("socket").fileno())

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # asyncio's signature
        """Return the buffer to read into; asyncio calls it."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Parse what arrived; asyncio calls it."""
        if self._parser.complete:
            self.close()  # these bytes answer no request
            return
        try:
            self._feed(self._buffer[:nbytes])
        except TransportFailure as failure:
            self._fail(failure)
            return
        if self._parser.head is None:
            return
        if self._writable is not None:
            self._writable.set()  # answered early: the rest of the request is of no use
        if self._waiter is not None:
            self._wake()
        elif not self._paused and sum(map(len, self._parser.chunks)) > MAX_BUFFERED:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> None:
        """Take the end of the stream; the transport closes itself. asyncio calls it."""
        self.closed = True
        if self._parser.complete:
            return
        try:
            self._feed_end()
        except TransportFailure as failure:
            self._fail(failure)
        else:
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is over; asyncio calls it."""
        self._lost = True
        if self._writable is not None:
            self._writable.set()
        if exc is None:
            self._fail(self._cut_short())
        else:
            self._fail(self._broken("ReadError", "the connection broke"))

    def pause_writing(self) -> None:
        """Note that the write buffer is full; asyncio calls it."""
        self._writable = asyncio.Event()

    def resume_writing(self) -> None:
        """Note that the write buffer has room; asyncio calls it."""
        if self._writable is not None:
            self._writable.set()
        self._writable = None

    async def _send(self, data: bytes, seconds: float | None) -> bool:
        if self.closed or self._parser.head is not None:
            return False
        self._transport.write(data)
        if self._writable is not None:
            await self._written(self._writable, seconds)
        return True

    async def _written(self, writable: asyncio.Event, seconds: float | None) -> None:
        """Wait until the write buffer has room, or the server has answered or is gone."""
        with anyio.move_on_after(seconds):
            await writable.wait()
            return
        kind, detail = "WriteTimeout", "the server does not read the request"
        raise TransportFailure(kind, detail)

    async def _receive(self, seconds: float | None) -> None:
        if self.closed:
            raise self._cut_short()
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        self._waiter = self._loop.create_future()
        timer = None if seconds is None else self._loop.call_later(seconds, self._time_out)
        try:
            await self._waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def _time_out(self) -> None:
        self._fail(TransportFailure("ReadTimeout", "the server is silent"))

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, failure: TransportFailure) -> None:
        self.closed = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(failure)

    def _cut_short(self) -> TransportFailure:
        return self._broken("RemoteProtocolError", _CUT_SHORT)


async def dial(
    host: str, port: int, context: ssl.SSLContext | None, name: str
) -> AsyncioConnection:
    """Open a connection; raises `TransportFailure`. `name` is that of the server in TLS."""
    tls: dict[str, Any] = {"ssl": context, "server_hostname": name} if context else {}
    try:
        connected = await _connected(host, port)
        _, connection = await asyncio.get_running_loop().create_connection(
            AsyncioConnection, sock=connected, **tls
        )
    except (OSError, UnicodeError) as error:
        raise dialling_failure(error) from None
    return connection


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
        del errors[1:]
        raise errors.pop()  # the first; a frame that binds it would keep it alive
    return won[0]


async def _addresses(host: str, port: int) -> list[tuple[Any, ...]]:
    """Return a host's addresses, families in turn."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        loop = asyncio.get_running_loop()
        found = await threaded(loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))
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


def _readability_probe(descriptor: int) -> Callable[[], object]:
    """Return a function whose result is true if there is something to read; it reads nothing."""
    if not hasattr(select, "poll"):  # Windows
        return lambda: select.select([descriptor], (), (), 0)[0]
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return partial(poll.poll, 0)
