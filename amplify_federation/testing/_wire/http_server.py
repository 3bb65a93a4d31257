"""The uvicorn server of the fake: stops at once, and cuts connections when told.

Imported when somebody serves, because uvicorn is an extra. Its loop is asyncio's whatever loop the
program runs, so this file imports asyncio.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from amplify_federation.testing._wire.messages import WireAnswer, WireRequest

Answerer = Callable[[WireRequest], WireAnswer]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class _Connection(AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # h11's or httptools' class
    """An HTTP connection that the application can cut."""

    by_peer: dict[Any, asyncio.Transport]

    def connection_made(  # pyright: ignore[reportIncompatibleMethodOverride]  # as its bases do
        self, transport: asyncio.Transport
    ) -> None:
        self.peer = transport.get_extra_info("peername")
        self.by_peer[self.peer] = transport
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.by_peer.pop(self.peer, None)
        super().connection_lost(exc)


class HttpServer(uvicorn.Server):
    """Serves until `stop`, which any thread may call; uvicorn itself would look now and then."""

    def __init__(self, answer: Answerer) -> None:
        self._answer = answer
        self._connections: dict[Any, asyncio.Transport] = {}
        self._lock = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = asyncio.Event()
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
        """Wait until told to stop."""
        with self._lock:
            self._loop = asyncio.get_running_loop()
        if not self.should_exit:
            await self._told.wait()
        # Nobody waits any more: answers that are held back would only hold up the end.
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
                self._loop.call_soon_threadsafe(self._told.set)

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


async def _read(scope: dict[str, Any], receive: _Receive) -> WireRequest:
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    query = scope["query_string"].decode("latin-1")
    host = headers.get("host", "")
    return WireRequest(scope["method"], host, scope["path"], headers, body, query)
