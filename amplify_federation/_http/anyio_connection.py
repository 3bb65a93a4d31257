"""A connection over anyio's streams, for trio.

This file owns how such a stream is written, read, checked and closed.
"""

import socket
import ssl

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSAttribute

from amplify_federation._async.worker_thread import threaded
from amplify_federation._http.connection import (
    READ_SIZE,
    HttpConnection,
    TransportFailure,
    dialling_failure,
)


class AnyioConnection(HttpConnection):
    """One connection over a stream of anyio's."""

    def __init__(self, stream: ByteStream) -> None:
        super().__init__()
        self._stream = stream
        self._socket: socket.socket = stream.extra(  # noqa: S610  # anyio's, not Django's
            SocketAttribute.raw_socket
        )
        self._tls: ssl.SSLObject | None = stream.extra(  # noqa: S610  # the same
            TLSAttribute.ssl_object, None
        )

    def usable(self) -> bool:
        """Tell whether nothing has arrived since the last answer, and the server has not closed."""
        return not self.closed and self._nothing_arrived() and self._nothing_decrypted()

    def close(self) -> None:
        """Close at once; see `HttpConnection`."""
        if not self.closed:
            self.closed = True
            anyio.notify_closing(self._socket)
            self._socket.close()

    def _nothing_arrived(self) -> bool:
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def _nothing_decrypted(self) -> bool:
        """Tell whether TLS holds no byte back: what came in one segment with the last answer."""
        if self._tls is None:
            return True
        try:
            self._tls.read(1)
        except ssl.SSLWantReadError:
            return True
        except (ssl.SSLError, OSError):
            pass
        return False

    async def _send(self, data: bytes, seconds: float | None) -> bool:
        if self._parser.head is not None:
            return False  # it was read while the piece before was sent
        try:
            with anyio.move_on_after(seconds):
                if len(data) > READ_SIZE or not self._nothing_arrived():
                    return await self._send_while_reading(data)
                await self._stream.send(data)
                return True
        except anyio.BrokenResourceError:
            return False  # the server may have answered before it closed
        except ssl.SSLError:
            kind, detail = "WriteError", "TLS broke"
        else:
            kind, detail = "WriteTimeout", "the server does not read the request"
        raise TransportFailure(kind, detail)

    async def _send_while_reading(self, data: bytes) -> bool:
        """Send until the answer has begun: the server may answer early, and read no further."""
        sent = False
        failures: list[Exception] = []

        async def read() -> None:
            try:
                while self._parser.head is None:
                    await self._receive(None)
            except TransportFailure as failure:
                failures.append(failure)
            group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(read)
            try:
                await self._stream.send(data)
                sent = True
            except Exception as error:  # noqa: BLE001  # raised below, without a group
                failures[:] = [error]
            group.cancel_scope.cancel()
        if failures:
            raise failures.pop()  # a frame that binds it would keep it alive
        return sent

    async def _receive(self, seconds: float | None) -> None:
        try:
            with anyio.move_on_after(seconds):
                data = await self._stream.receive(READ_SIZE)
                self._feed(memoryview(data))
                return
        except anyio.EndOfStream:
            self._feed_end()
            return
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, ssl.SSLError):
            kind, detail = "ReadError", "the connection broke"
            raise self._broken(kind, detail) from None
        kind, detail = "ReadTimeout", "the server is silent"
        raise TransportFailure(kind, detail)


async def dial(host: str, port: int, context: ssl.SSLContext | None, name: str) -> AnyioConnection:
    """Open a connection; raises `TransportFailure`. `name` is that of the server in TLS."""
    try:
        if context is None:
            return AnyioConnection(await threaded(anyio.connect_tcp(host, port)))
        connecting = anyio.connect_tcp(
            host,
            port,
            ssl_context=context,
            tls_hostname=name,
            tls_standard_compatible=False,  # HTTP says itself where an answer ends
        )
        stream = await threaded(connecting)
        return AnyioConnection(stream)
    except (anyio.BrokenResourceError, anyio.EndOfStream):
        kind, detail = "ConnectError", "the server closed the connection"
    except (OSError, UnicodeError) as error:
        raise dialling_failure(error.__cause__ or error) from None
    raise TransportFailure(kind, detail)
