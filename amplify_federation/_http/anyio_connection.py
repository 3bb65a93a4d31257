"""A connection over anyio's streams: trio, and any loop that anyio will learn.

This file owns how such a stream is asked, checked and closed. It must not know asyncio, nor how
many connections there are.
"""

import socket
import ssl
from collections.abc import AsyncIterable

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSAttribute

from amplify_federation._http.parser import H11Parser, Head, ParseError, Parser, parser_class
from amplify_federation._http.pool import ConnectionFailure, dialling_failure

READ_SIZE = 65_536  # bytes


class AnyioConnection:
    """One connection; `Connection` for the pool, with the calls of `AsyncioConnection`."""

    def __init__(self, stream: ByteStream) -> None:
        self.closed = False
        self.idle_since = 0.0
        self._stream = stream
        self._socket: socket.socket = stream.extra(  # noqa: S610  # anyio's, not Django's
            SocketAttribute.raw_socket
        )
        self._tls: ssl.SSLObject | None = stream.extra(  # noqa: S610  # the same
            TLSAttribute.ssl_object, None
        )
        self._own_parser = parser_class()()
        self._parser: Parser = self._own_parser
        self._used = self._heard = False

    async def request(
        self,
        method: str,
        data: bytes,
        body: AsyncIterable[bytes] | None,
        *,
        read_timeout: float | None,
        write_timeout: float | None,
    ) -> Head:
        """Send a request and return the head of the answer; see `AsyncioConnection`."""
        self._parser = H11Parser() if method == "HEAD" else self._own_parser
        self._parser.begin(method)
        self._heard = False
        try:
            sent = await self._send(data, write_timeout)
            del data  # this frame may stand in a traceback
            if body is not None and sent:
                async for piece in body:
                    if not await self._send(piece, write_timeout):
                        break
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
        self._used = True
        self._heard = False
        parser = self._parser
        chunks, parser.chunks = parser.chunks, []
        if not parser.reusable:
            self.close()
        return chunks

    def usable(self) -> bool:
        """Tell whether nothing has come, and the server still holds its end open."""
        if self.closed:
            return False
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return self._nothing_decrypted()
        except OSError:
            pass
        return False

    def close(self) -> None:
        """Close at once, without a TLS close-notify, which a dead peer would never answer."""
        if not self.closed:
            self.closed = True
            anyio.notify_closing(self._socket)
            self._socket.close()

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
        failure = ConnectionFailure("WriteTimeout", "the server does not read the request")
        try:
            with anyio.move_on_after(seconds):
                await self._stream.send(data)
                return True
        except anyio.BrokenResourceError:
            return False  # the server may have answered before it hung up; reading tells
        except ssl.SSLError:
            failure = ConnectionFailure("WriteError", "TLS broke")
        del data
        raise failure

    async def _progress(self, seconds: float | None) -> None:
        """Wait until something has come, for so many seconds at most."""
        failure: ConnectionFailure | None = ConnectionFailure("ReadTimeout", "the server is silent")
        try:
            with anyio.move_on_after(seconds):
                data = await self._stream.receive(READ_SIZE)
                self._heard = True
                failure = None
                self._parser.feed(memoryview(data))
        except ParseError as error:
            failure = ConnectionFailure("RemoteProtocolError", str(error))
        except anyio.EndOfStream:
            failure = self._ended()
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, ssl.SSLError):
            failure = self._broken("ReadError", "the connection broke")
        if failure is not None:
            raise failure

    def _ended(self) -> ConnectionFailure | None:
        self._parser.reusable = False
        try:
            self._parser.end()
        except ParseError:
            detail = "the server closed the connection before the answer was whole"
            return self._broken("RemoteProtocolError", detail)
        return None

    def _broken(self, kind: str, detail: str) -> ConnectionFailure:
        return ConnectionFailure(kind, detail, stale=self._used and not self._heard)


async def dial(host: str, port: int, context: ssl.SSLContext | None, name: str) -> AnyioConnection:
    """Open a connection; raises `ConnectionFailure`. `name` is that of the server in TLS."""
    try:
        if context is None:
            return AnyioConnection(await anyio.connect_tcp(host, port))
        stream = await anyio.connect_tcp(
            host,
            port,
            ssl_context=context,
            tls_hostname=name,
            tls_standard_compatible=False,  # HTTP says itself where an answer ends
        )
        return AnyioConnection(stream)
    except (anyio.BrokenResourceError, anyio.EndOfStream):
        failure = ConnectionFailure("ConnectError", "the server closed the connection")
    except (OSError, UnicodeError) as error:
        failure = dialling_failure(error.__cause__ or error)
    raise failure
