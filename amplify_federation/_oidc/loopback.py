"""The loopback redirect of a native application (RFC 8252, 7.3): one request, and one page.

This file owns the HTTP server on 127.0.0.1 during a sign-in.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from html import escape

import anyio
import anyio.abc
import h11
from anyio.abc import SocketAttribute

from amplify_federation._model.values import Secret
from amplify_federation.errors import ConfigurationError

_ADDRESS = "127.0.0.1"
_PATH = "/"
_MAX_HEAD = 65_536  # bytes: a provider's codes may have thousands
_REQUEST_TIME = 10.0  # seconds for a request to arrive, and for its page to be sent
_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:4rem auto;padding:0 1rem;"
    "color:#1b1b1b;background:#fafafa}"
)
_HEADERS = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("Connection", "close"),
)


class LoopbackRedirect:
    """Waits for the redirect, and answers it when the outcome of the sign-in is known."""

    def __init__(self, host: str, port: int, group: anyio.abc.TaskGroup) -> None:
        self._group = group
        self._failure: Exception | None = None
        self.uri = f"http://{host}:{port}{_PATH}"
        self._authority = f"{host}:{port}"
        self._answer: Secret | None = None
        self._came, self._decided, self._sent = anyio.Event(), anyio.Event(), anyio.Event()
        self._page = (404, b"")

    def start(self, work: Callable[[], Awaitable[None]]) -> None:
        """Start what opens the provider's page; it is cancelled when the sign-in ends."""

        async def run() -> None:
            try:
                await work()
            except Exception as error:  # noqa: BLE001  # raised by `answer`
                self._failure = error
                self._came.set()

        self._group.start_soon(run)

    async def answer(self) -> Secret:
        """Wait for the redirect; return its whole URL. Raises what the started work raised."""
        await self._came.wait()
        if self._failure is not None:
            raise self._failure
        if self._answer is None:  # pragma: no cover  # set before the event
            raise AssertionError
        return self._answer

    async def show(self, title: str, text: str, *, success: bool) -> None:
        """Answer the redirect with a page; wait until it was sent, or the connection ended."""
        self._page = (200 if success else 400, page(title, text))
        self._decided.set()
        with anyio.move_on_after(_REQUEST_TIME):
            await self._sent.wait()

    async def handle(self, stream: anyio.abc.ByteStream) -> None:
        """Serve one connection: one request, one page."""
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)
        redirect = False
        try:
            async with stream:
                with anyio.move_on_after(_REQUEST_TIME):
                    request = await _request(connection, stream)
                    if request is None:
                        return  # browsers open connections ahead of need
                    redirect = self._take(request)
                    if not redirect:
                        nothing = page("Nothing here", "Close this page.")
                        shown = b"" if request.method == b"HEAD" else nothing
                        await _send(connection, stream, 404, shown)
                if redirect:
                    await self._decided.wait()
                    await _send(connection, stream, *self._page)
        except (h11.ProtocolError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass  # the connection ended, or carried no HTTP
        finally:
            if redirect:
                self._sent.set()

    def _take(self, request: h11.Request) -> bool:
        """Tell whether this is the redirect: the first GET of the URI, with parameters."""
        target = request.target.decode("ascii", errors="replace")
        hosts = [value for name, value in request.headers if name == b"host"]
        path, _, query = target.partition("?")
        if (
            self._came.is_set()
            or request.method != b"GET"
            or path != _PATH
            or not query
            or hosts != [self._authority.encode()]  # DNS rebinding: another name for this address
        ):
            return False
        self._answer = Secret(f"{self.uri}?{query}")
        self._came.set()
        return True


@asynccontextmanager
async def loopback_redirect(host: str, port: int) -> AsyncGenerator[LoopbackRedirect]:
    """Listen on 127.0.0.1, on a free port if `port` is 0; `host` is its name in the redirect URI.

    Nothing raised by the body is wrapped in a group. Raises `ConfigurationError` if the port is
    taken.
    """
    try:
        listener = await anyio.create_tcp_listener(local_host=_ADDRESS, local_port=port)
    except OSError as error:
        raise _taken(port, error) from None
    bound: int = listener.extra(SocketAttribute.local_port)  # noqa: S610  # anyio's, not Django's
    failures: list[BaseException] = []
    try:
        async with listener, anyio.create_task_group() as group:
            redirect = LoopbackRedirect(host, bound, group)
            group.start_soon(listener.serve, redirect.handle)
            try:
                yield redirect
            except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # raised below, unwrapped
                failures.append(error)
            group.cancel_scope.cancel()
    except BaseExceptionGroup as several:
        if several.subgroup(KeyboardInterrupt) is None:
            raise
        failures.append(KeyboardInterrupt())  # trio raises it in whichever task runs
    if failures:
        del failures[1:]
        raise failures.pop()  # a frame that binds it would keep it alive


def _taken(port: int, error: OSError) -> ConfigurationError:
    message = f"Nothing can listen on {_ADDRESS}, port {port}: {error.strerror or 'refused'}."
    advice = (
        "End the other sign-in that waits on this port, or pass another `redirect_port` that is "
        "registered at the provider (0 for any free one)."
    )
    return ConfigurationError(message, recovery_suggestion=advice)


async def _request(connection: h11.Connection, stream: anyio.abc.ByteStream) -> h11.Request | None:
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Request):
            return event
        if event is not h11.NEED_DATA:
            return None
        try:
            connection.receive_data(await stream.receive())
        except anyio.EndOfStream:
            return None


async def _send(
    connection: h11.Connection, stream: anyio.abc.ByteStream, status: int, body: bytes
) -> None:
    headers = [*_HEADERS, ("Content-Length", str(len(body)))]
    response = h11.Response(status_code=status, headers=headers, reason=b"")
    events = (response, h11.Data(data=body), h11.EndOfMessage())
    await stream.send(b"".join(connection.send(event) or b"" for event in events))


def page(title: str, text: str) -> bytes:
    """Return a page that says one thing; nothing in it is taken for HTML."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><main><h1>{escape(title)}</h1>"
        f'<p role="status">{escape(text)}</p></main></body></html>\n'
    ).encode()
