"""A connection over anyio's streams: trio, and any loop that anyio will learn.

This file owns how such a stream is asked, checked and closed. It must not know asyncio, nor how
many connections there are.
"""

import socket
import ssl

import anyio
from anyio.abc import ByteStream, SocketAttribute

from amplify_federation._cognito.exchange import HttpAnswer
from amplify_federation._http.lean.request import Endpoint
from amplify_federation._http.reading.answer import AnswerReader, NoAnswer, no_connection

READ_SIZE = 65_536  # bytes


class AnyioWire:
    """One connection; a `Wire`."""

    def __init__(self, stream: ByteStream, reader: AnswerReader) -> None:
        self.closed = False
        self.idle_since = 0.0
        self._stream = stream
        self._socket: socket.socket = stream.extra(  # noqa: S610  # anyio's, not Django's
            SocketAttribute.raw_socket
        )
        self._reader = reader
        self._used = self._heard = False

    async def ask(self, request: bytes) -> HttpAnswer:
        """Send a request and return its answer; see `Wire`."""
        self._reader.begin()
        self._heard = False
        try:
            await self._send(request)
            del request  # this frame may stand in a traceback
            answer = await self._answer()
        except BaseException:
            self.close()
            raise
        self._used = True
        if not self._reader.reusable:
            self.close()
        return answer

    def usable(self) -> bool:
        """Tell whether the server still holds its end open: its farewell could be read now."""
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return not self.closed
        except OSError:
            pass
        return False

    def close(self) -> None:
        """Close at once, without a TLS farewell that a dead peer would never answer."""
        if not self.closed:
            self.closed = True
            anyio.notify_closing(self._socket)
            self._socket.close()

    async def _send(self, request: bytes) -> None:
        try:
            await self._stream.send(request)
        except anyio.BrokenResourceError:
            return  # the server may have answered before it hung up; reading tells
        except ssl.SSLError:
            failure = NoAnswer("WriteError", "TLS broke")
        else:
            return
        del request
        raise failure

    async def _answer(self) -> HttpAnswer:
        try:
            while True:
                data = await self._stream.receive(READ_SIZE)
                self._heard = True
                answer = self._reader.feed(memoryview(data))
                if answer is not None:
                    return answer
        except anyio.EndOfStream:
            answer = self._reader.end()
            failure = self._gone("RemoteProtocolError", "the server closed the connection")
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, ssl.SSLError):
            answer, failure = None, self._gone("ReadError", "the connection broke")
        if answer is not None:
            self._reader.reusable = False
            return answer
        raise failure

    def _gone(self, kind: str, detail: str) -> NoAnswer:
        stale = self._used and not self._heard
        return NoAnswer(kind, f"{detail} before the answer was whole", stale=stale)


async def dial(
    endpoint: Endpoint, context: ssl.SSLContext | None, reader: AnswerReader
) -> AnyioWire:
    """Open a connection; raises `NoAnswer`."""
    try:
        if context is None:
            return AnyioWire(await anyio.connect_tcp(endpoint.host, endpoint.port), reader)
        stream = await anyio.connect_tcp(
            endpoint.host,
            endpoint.port,
            ssl_context=context,
            tls_hostname=endpoint.host,
            tls_standard_compatible=False,  # HTTP says itself where an answer ends
        )
        return AnyioWire(stream, reader)
    except (anyio.BrokenResourceError, anyio.EndOfStream):
        failure = NoAnswer("ConnectError", "the server closed the connection")
    except (OSError, UnicodeError) as error:
        failure = no_connection(error.__cause__ or error)
    raise failure
