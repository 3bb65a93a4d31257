"""The endpoint on a loopback port, for as long as a block lasts, and the token in a private file.

This file owns the socket, the token and its file. It must not know what is answered.
"""

import os
import secrets
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import anyio
from attrs import field, frozen

from amplify_federation import AWSCredentials, ConfigurationError
from amplify_federation.cli.handover.endpoint import PATH, Endpoint

if TYPE_CHECKING:
    import uvicorn

_HOST = "127.0.0.1"
_TOKEN_BYTES = 32


@frozen
class Offer:
    """Where credentials are served, and the file with the token for it."""

    url: str
    token_file: Path
    token: str = field(repr=False)

    def variables(self) -> dict[str, str]:
        """Return the variables that every AWS SDK reads. The token itself is not among them."""
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": self.url,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(self.token_file),
        }


@asynccontextmanager
async def serving(
    fetch: Callable[[], Awaitable[AWSCredentials]], *, port: int = 0
) -> AsyncGenerator[Offer]:
    """Serve what `fetch` gives while the block lasts; a free port unless one is given."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    listener = _listen(port)
    with listener, TemporaryDirectory(prefix="amplify-federation-") as folder:  # 0700
        bound = listener.getsockname()[1]
        hosts = frozenset(f"{name}:{bound}" for name in (_HOST, "localhost"))
        server = _server(Endpoint(fetch, token, hosts))
        file = Path(folder) / "token"
        _write_private(file, token)
        failure: BaseException | None = None
        async with anyio.create_task_group() as group:
            group.start_soon(partial(server.serve, sockets=[listener]))
            try:
                yield Offer(f"http://{_HOST}:{bound}{PATH}", file, token)
            except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # raised below, as it is
                failure = error  # out of this group, which would wrap it in one of its own
            finally:
                server.should_exit = True
        if failure is not None:
            raise failure


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((_HOST, port))
    except OSError as error:
        fault = f"Port {port} of {_HOST} cannot be used: {error.strerror}."
    raise ConfigurationError(fault, recovery_suggestion="Give another --port, or none.")


def _write_private(file: Path, token: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(token)


def _server(endpoint: Endpoint) -> "uvicorn.Server":
    import uvicorn  # noqa: PLC0415  # an extra, and heavy

    config = uvicorn.Config(
        endpoint,  # type: ignore[arg-type,unused-ignore]  # an ASGI application
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )

    class Quiet(uvicorn.Server):
        """Leaves the signals to the command, which has something to clean up."""

        @contextmanager
        def capture_signals(self) -> Generator[None]:
            yield

    return Quiet(config)
