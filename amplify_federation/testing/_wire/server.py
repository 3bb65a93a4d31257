"""The fake on loopback HTTP: uvicorn in a thread of its own.

A thread, so that blocking clients (boto3) and trio programs can call it as well. The thread's
loop is uvicorn's, which is asyncio's; that is why this file imports asyncio.
"""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from amplify_federation.testing._wire.messages import WireAnswer, WireRequest

if TYPE_CHECKING:
    import uvicorn

Answerer = Callable[[WireRequest], WireAnswer]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_BACKLOG = 2048  # uvicorn's own default


class LoopbackServer:
    """A server that lives as long as its `with` or `async with` block, which gives its URL."""

    def __init__(self, answer: Answerer, *, host: str, port: int) -> None:
        self._answer = answer
        self._address = (host, port)
        self._thread: threading.Thread | None = None
        self._stop: Callable[[], None] = lambda: None

    def __enter__(self) -> str:
        listener = socket.create_server(self._address, backlog=_BACKLOG)
        host, port = listener.getsockname()[:2]
        try:
            server, self._stop = _stoppable(self._answer)
        except BaseException:
            listener.close()
            raise
        # The socket listens already, so nobody has to wait for the thread.
        self._thread = threading.Thread(
            target=server.run, args=([listener],), name="fake-cognito", daemon=True
        )
        self._thread.start()
        return f"http://{host}:{port}"

    def __exit__(self, *exc_info: object) -> None:
        self._stop()
        if self._thread is not None:
            self._thread.join()

    async def __aenter__(self) -> str:
        return await anyio.to_thread.run_sync(self.__enter__)

    async def __aexit__(self, *exc_info: object) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self.__exit__)


def serve_forever(
    answer: Answerer, *, host: str, port: int, on_ready: Callable[[str], None]
) -> None:
    """Serve in this thread until the process is told to stop."""
    listener = socket.create_server((host, port), backlog=_BACKLOG)
    with listener:
        bound_host, bound_port = listener.getsockname()[:2]
        server, _ = _stoppable(answer)
        on_ready(f"http://{bound_host}:{bound_port}")
        server.run([listener])


def _stoppable(answer: Answerer) -> "tuple[uvicorn.Server, Callable[[], None]]":
    """Return a server, and the function that stops it from another thread at once."""
    try:
        import uvicorn  # noqa: PLC0415  # an extra, and 60 ms
    except ModuleNotFoundError:
        uvicorn = None  # type: ignore[assignment]  # told below, without a chain of imports
    if uvicorn is None:
        message = "Serving needs uvicorn: pip install 'amplify-federation[testing]'"
        raise ModuleNotFoundError(message)

    config = uvicorn.Config(
        _asgi(answer),
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        date_header=False,  # `Date` comes from the clock of the fake
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )

    class Stoppable(uvicorn.Server):
        """Stops when told, where uvicorn looks ten times a second."""

        def __init__(self) -> None:
            super().__init__(config)
            self._lock = threading.RLock()
            self._loop: asyncio.AbstractEventLoop | None = None
            self._told = asyncio.Event()

        async def main_loop(self) -> None:
            with self._lock:
                self._loop = asyncio.get_running_loop()
            if not self.should_exit:
                await self._told.wait()

        def handle_exit(self, sig: int, frame: object) -> None:
            super().handle_exit(sig, frame)  # type: ignore[arg-type]  # a frame
            self.stop()

        def stop(self) -> None:
            with self._lock:
                self.should_exit = True
                if self._loop is not None:
                    self._loop.call_soon_threadsafe(self._told.set)

    server = Stoppable()
    return server, server.stop


def _asgi(answer: Answerer) -> Callable[[dict[str, Any], _Receive, _Send], Awaitable[None]]:
    async def app(scope: dict[str, Any], receive: _Receive, send: _Send) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        request = WireRequest(
            scope["method"], headers.get("host", ""), scope["path"], headers, body
        )
        given = answer(request)
        if given.delay:
            await asyncio.sleep(given.delay)
        head = [(name.encode(), value.encode("latin-1")) for name, value in given.headers.items()]
        await send({"type": "http.response.start", "status": given.status, "headers": head})
        # Cut: the promised body never comes, and uvicorn closes the connection.
        if not given.cut:
            await send({"type": "http.response.body", "body": given.body})

    return app
