"""The fake on loopback HTTP, in a thread of its own.

A thread, so that blocking clients (boto3) and trio programs can call it as well. This file must
not know which HTTP server it is.
"""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from amplify_federation.testing._wire.messages import WireAnswer, WireRequest

if TYPE_CHECKING:
    from amplify_federation.testing._wire.http_server import HttpServer

Answerer = Callable[[WireRequest], WireAnswer]
_BACKLOG = 2048  # uvicorn's own default


class LoopbackServer:
    """A server that lives as long as its `with` or `async with` block, which gives its URL."""

    def __init__(self, answer: Answerer, *, host: str, port: int) -> None:
        self._answer = answer
        self._address = (host, port)
        self._running: tuple[HttpServer, threading.Thread] | None = None

    def __enter__(self) -> str:
        server = _http_server(self._answer)
        listener = socket.create_server(self._address, backlog=_BACKLOG)
        # The socket listens already, so nobody has to wait for the thread.
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


def serve_forever(
    answer: Answerer, *, host: str, port: int, on_ready: Callable[[str], None]
) -> None:
    """Serve in this thread until the process is told to stop."""
    server = _http_server(answer)
    with socket.create_server((host, port), backlog=_BACKLOG) as listener:
        on_ready(_url(listener))
        # uvicorn shuts down on the signal and then raises it again.
        with suppress(KeyboardInterrupt):
            server.run([listener])


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}"


def _http_server(answer: Answerer) -> "HttpServer":
    try:
        from amplify_federation.testing._wire.http_server import (  # noqa: PLC0415  # an extra
            HttpServer,
        )
    except ModuleNotFoundError as missing:
        # Whatever else is missing is no matter of the extra.
        if missing.name is None or missing.name.partition(".")[0] != "uvicorn":
            raise
    else:
        return HttpServer(answer)
    message = "Serving needs uvicorn: pip install 'amplify-federation[testing]'"
    raise ModuleNotFoundError(message)
