"""The fake on loopback HTTP: in a thread of its own, or until the process ends.

A thread, so that blocking clients (boto3) and trio programs can call it as well. The server is
uvicorn's, changed to stop at once and to cut connections on demand; it runs on asyncio, so this
file imports asyncio. It is imported when something is served, since uvicorn is an extra.
"""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from types import FrameType
from typing import Any

import anyio
import anyio.to_thread

from amplify_federation.testing._http.messages import Request, Response

try:
    import uvicorn
    from uvicorn.protocols.http.auto import AutoHTTPProtocol
except ModuleNotFoundError as missing:
    # Another module that is missing is not the extra's.
    if missing.name is None or missing.name.partition(".")[0] != "uvicorn":
        raise
    message = "Serving needs uvicorn: pip install 'amplify-federation[testing]'"
    raise ModuleNotFoundError(message) from None

Handler = Callable[[Request], Response]
_BACKLOG = 2048  # uvicorn's own default
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class _Connection(AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # h11's or httptools' class
    """An HTTP connection that the application can cut."""

    by_peer: dict[Any, asyncio.Transport]

    def connection_made(  # pyright: ignore[reportIncompatibleMethodOverride]  # as its bases do
        self, transport: asyncio.Transport
    ) -> None:
        self.peer = transport.get_extra_info("peername")[:2]  # IPv6 has more than ASGI gives
        self.by_peer[self.peer] = transport
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.by_peer.pop(self.peer, None)
        super().connection_lost(exc)


class HttpServer(uvicorn.Server):
    """Serves until `stop`, which any thread may call; uvicorn itself polls a flag."""

    def __init__(self, answer: Handler) -> None:
        self._answer = answer
        self._connections: dict[Any, asyncio.Transport] = {}
        self._lock = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        config = uvicorn.Config(
            self._app,
            http=type("Connection", (_Connection,), {"by_peer": self._connections}),
            interface="asgi3",  # a bound method is mistaken for ASGI 2
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            date_header=False,  # `Date` comes from the clock of the fake
            server_header=False,
            proxy_headers=False,
        )
        super().__init__(config)

    async def main_loop(self) -> None:
        """Wait until `stop`."""
        with self._lock:
            self._loop = asyncio.get_running_loop()
        if not self.should_exit:
            await self._stopping.wait()
        # A response that is delayed would delay the end.
        for connection in list(self._connections.values()):
            connection.close()
        for task in self.server_state.tasks:
            task.cancel()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop on a signal of the process."""
        super().handle_exit(sig, frame)
        self.stop()

    def stop(self) -> None:
        """Have the server stop at once."""
        with self._lock:
            self.should_exit = True
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._stopping.set)

    async def _app(self, scope: dict[str, Any], receive: _Receive, send: _Send) -> None:
        answer = self._answer(await _read(scope, receive))
        if answer.delay:
            await asyncio.sleep(answer.delay)
        if answer.cut:
            self._connections[tuple(scope["client"])].close()
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        head = [(name.encode(), value.encode("latin-1")) for name, value in answer.headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": head})
        await send({"type": "http.response.body", "body": answer.body})


async def _read(scope: dict[str, Any], receive: _Receive) -> Request:
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    query = scope["query_string"].decode("latin-1")
    host = headers.get("host", "")
    return Request(scope["method"], host, scope["path"], headers, body, query, served=True)


class LoopbackServer:
    """A server that lives as long as its `with` or `async with` block, which gives its URL."""

    def __init__(self, answer: Handler, *, host: str, port: int) -> None:
        self._answer = answer
        self._address = (host, port)
        self._running: tuple[HttpServer, threading.Thread] | None = None

    def __enter__(self) -> str:
        server = HttpServer(self._answer)
        listener = self._listen()
        # The socket listens already: a client need not wait for the thread.
        thread = threading.Thread(
            target=server.run, args=([listener],), name="fake-cognito", daemon=True
        )
        self._running = server, thread
        thread.start()
        return _url(listener)

    def __exit__(self, *exc_info: object) -> None:
        if self._running is not None:
            server, thread = self._running
            server.stop()
            thread.join()

    async def __aenter__(self) -> str:
        return await anyio.to_thread.run_sync(self.__enter__)

    async def __aexit__(self, *exc_info: object) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self.__exit__)

    def serve_forever(self, on_ready: Callable[[str], None]) -> None:
        """Serve in this thread until a signal stops the process."""
        with self._listen() as listener:
            on_ready(_url(listener))
            # uvicorn shuts down on the signal and then raises it again.
            with suppress(KeyboardInterrupt):
                HttpServer(self._answer).run([listener])

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        listener = socket.create_server(self._address, family=family, backlog=_BACKLOG)
        # Connections inherit it. asyncio sets it for sockets that name their protocol, and these do
        # not: a body after its head waited for the client's delayed ACK, 40 ms a call.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
