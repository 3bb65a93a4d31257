"""The container credentials endpoint: an ASGI application on a loopback port.

A process of this machine sends the random token. A page in a browser gets nothing, even if it knows
the port: it has no token, its requests carry `Origin`, a host name that resolves to this address
(DNS rebinding) is refused by `Host`, and no response allows another origin.
"""

import hmac
import json
import os
import secrets
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, MutableMapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import anyio
from attrs import field, frozen

from amplify_federation import (
    AuthError,
    AWSCredentials,
    ConfigurationError,
    NetworkError,
    StoreError,
)
from amplify_federation.cli.credentials import for_container
from amplify_federation.cli.exit_codes import advice_for

if TYPE_CHECKING:
    import uvicorn


Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
PATH = "/credentials"
_NEEDS_TOKEN = (
    "Send the token as Authorization. AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names the file with "
    "it. For an SDK that does not read that: amplify-federation serve --token-variable"
)


@frozen
class CredentialEndpoint:
    """Responds with the credentials that `fetch` returns to requests with the token.

    `hosts`: the values of `Host` under which this server is reached.
    """

    fetch: Callable[[], Awaitable[AWSCredentials]]
    token: str = field(repr=False)
    hosts: frozenset[str]

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        del receive  # a GET has no body that matters
        status, body = await self._answer(scope)
        head = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
        ]
        await send({"type": "http.response.start", "status": status.value, "headers": head})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: MutableMapping[str, Any]) -> tuple[HTTPStatus, bytes]:
        refusal = self._refusal(scope)
        if refusal is not None:
            return refusal, _fault(refusal.phrase, _NEEDS_TOKEN)
        try:
            credentials = await self.fetch()
        except AuthError as error:
            text = f"{error.message} {advice_for(error)}"
            return _status_of(error), _fault(type(error).__name__, text)
        return HTTPStatus.OK, for_container(credentials).encode()

    def _refusal(self, scope: MutableMapping[str, Any]) -> HTTPStatus | None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if headers.get(b"host", b"").decode("latin-1").lower() not in self.hosts:
            return HTTPStatus.MISDIRECTED_REQUEST
        if b"origin" in headers:
            return HTTPStatus.FORBIDDEN
        given = headers.get(b"authorization", b"")
        # In constant time, so that the time tells nothing about the token.
        if not hmac.compare_digest(given, self.token.encode()):
            return HTTPStatus.UNAUTHORIZED
        if scope["path"] != PATH:
            return HTTPStatus.NOT_FOUND
        return None if scope["method"] == "GET" else HTTPStatus.METHOD_NOT_ALLOWED


def _status_of(error: AuthError) -> HTTPStatus:
    """Return 503 for an error that may pass by itself, else 403."""
    if isinstance(error, NetworkError | StoreError) or error.retryable:
        return HTTPStatus.SERVICE_UNAVAILABLE
    return HTTPStatus.FORBIDDEN


def _fault(code: str, message: str) -> bytes:
    return json.dumps({"code": code, "message": message}).encode()


_HOST = "127.0.0.1"
_TOKEN_BYTES = 32


@frozen
class CredentialServer:
    """The URL of the credentials, and the file with the token for it."""

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
async def serve_credentials(
    fetch: Callable[[], Awaitable[AWSCredentials]], *, port: int = 0
) -> AsyncGenerator[CredentialServer]:
    """Serve what `fetch` returns during the block; `port` 0 is a free one."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    listener = _listen(port)
    with listener, TemporaryDirectory(prefix="amplify-federation-") as folder:  # 0700
        bound = listener.getsockname()[1]
        hosts = frozenset(f"{name}:{bound}" for name in (_HOST, "localhost"))
        server = _server(CredentialEndpoint(fetch, token, hosts))
        file = Path(folder) / "token"
        write_private(file, token)
        failure: BaseException | None = None
        async with anyio.create_task_group() as group:
            group.start_soon(partial(server.serve, sockets=[listener]))
            try:
                yield CredentialServer(f"http://{_HOST}:{bound}{PATH}", file, token)
            except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # raised below, as it is
                failure = error  # out of this group, which would wrap it in one of its own
            finally:
                server.should_exit = True
        if failure is not None:
            raise failure


def _listen(port: int) -> socket.socket:
    try:
        listener = socket.create_server((_HOST, port))
    except OSError as error:
        # `create_server` adds the address to `strerror`.
        fault = f"Port {port} of {_HOST} cannot be used: {os.strerror(error.errno or 0)}."
    else:
        # Connections inherit it. asyncio sets it for sockets that name their protocol alone; else
        # a body waits for the client's delayed ACK of its head, 40 ms a request.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    raise ConfigurationError(fault, recovery_suggestion="Give another --port, or none.")


def write_private(file: Path, text: str) -> None:
    """Write a new file that this user alone can read."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as opened:
        opened.write(text)


def _server(endpoint: CredentialEndpoint) -> "uvicorn.Server":
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
        """Leaves signals to the command, which deletes the token's file."""

        @contextmanager
        def capture_signals(self) -> Generator[None]:
            yield

    return Quiet(config)
