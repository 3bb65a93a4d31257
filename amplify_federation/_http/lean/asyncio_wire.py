"""A connection on asyncio: a protocol that parses in the very callback that reads the socket.

This room imports asyncio, because that is what it is for: through anyio's streams each answer
takes two more trips around the loop, an event and a copy, which halves the throughput. Other loops
use `anyio_wire`. It must not know how many connections there are.
"""

import asyncio
import ssl
import threading
from typing import Any, cast

from amplify_federation._cognito.exchange import HttpAnswer
from amplify_federation._http.lean.request import Endpoint
from amplify_federation._http.reading.answer import AnswerReader, NoAnswer, no_connection

READ_SIZE = 65_536  # bytes read at once
HEAD_START = 0.25  # seconds that one address has before the next is tried too (RFC 8305)


class _Buffers(threading.local):
    """One buffer per thread, so per running loop: it is filled and parsed within one callback."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(READ_SIZE))


_buffers = _Buffers()


class AsyncioWire(asyncio.BufferedProtocol):
    """One connection; a `Wire`."""

    def __init__(self, reader: AnswerReader) -> None:
        self.closed = False
        self.idle_since = 0.0
        self._reader = reader
        self._buffer = _buffers.view
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[HttpAnswer] | None = None
        self._used = self._heard = False

    async def ask(self, request: bytes) -> HttpAnswer:
        """Send a request and return its answer; see `Wire`."""
        if self._transport is None or self.closed:
            raise self._gone()
        self._reader.begin()
        self._heard = False
        waiter: asyncio.Future[HttpAnswer] = self._loop.create_future()
        self._waiter = waiter
        self._transport.write(request)
        del request  # this frame may stand in a traceback
        try:
            answer = await waiter
        except BaseException:
            self.close()
            raise
        finally:
            self._waiter = None
        self._used = True
        if not self._reader.reusable or self._transport.get_write_buffer_size():
            self.close()
        return answer

    def usable(self) -> bool:
        """Tell whether the server still holds its end open; the loop has told us if not."""
        return not self.closed

    def close(self) -> None:
        """Close at once, without a TLS farewell that a dead peer would never answer."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hear from the loop that the connection stands."""
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # asyncio's signature
        """Lend the loop the buffer to read into."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Hear from the loop that bytes came."""
        waiter = self._waiter
        if waiter is None or waiter.done():
            self.close()  # nobody asked for these
            return
        self._heard = True
        try:
            answer = self._reader.feed(self._buffer[:nbytes])
        except NoAnswer as error:
            waiter.set_exception(error)
            return
        if answer is not None:
            waiter.set_result(answer)

    def eof_received(self) -> None:
        """Hear from the loop that the server sends no more; the transport closes itself."""
        self.closed = True
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        try:
            answer = self._reader.end()
        except NoAnswer as error:
            waiter.set_exception(error)
            return
        if answer is not None:
            waiter.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Hear from the loop that the connection is over."""
        self.closed = True
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_exception(self._gone(exc))

    def _gone(self, exc: Exception | None = None) -> NoAnswer:
        stale = self._used and not self._heard
        if exc is None:
            detail = "the server closed the connection before the answer was whole"
            return NoAnswer("RemoteProtocolError", detail, stale=stale)
        return NoAnswer("ReadError", "the connection broke", stale=stale)


async def dial(
    endpoint: Endpoint, context: ssl.SSLContext | None, reader: AnswerReader
) -> AsyncioWire:
    """Open a connection; raises `NoAnswer`."""
    tls: dict[str, Any] = {"ssl": context, "server_hostname": endpoint.host} if context else {}
    try:
        _, wire = await asyncio.get_running_loop().create_connection(
            lambda: AsyncioWire(reader),
            endpoint.host,
            endpoint.port,
            happy_eyeballs_delay=HEAD_START,
            **tls,
        )
    except (OSError, UnicodeError) as error:
        failure = no_connection(error)
    else:
        return wire
    raise failure
