"""One exchange through an `httpx.AsyncClient`, a caller's own or one made here.

This room alone knows httpx, by shape rather than by class: a client of httpx2 serves as well. The
request is built here and not by the client, so that a caller's client lends its transport, proxy,
timeouts and hooks, but none of its default headers, cookies, auth, params or base URL.
"""

import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import anyio

from amplify_federation._cognito.exchange import MAX_BODY, HttpAnswer
from amplify_federation._http.reading.coding import UndecodableError, plain
from amplify_federation.errors import ConfigurationError, NetworkError

# Names in the classes of httpx and httpx2 alike; their exceptions share no ancestor.
_NETWORK_NAMES = frozenset({"RequestError", "StreamError", "InvalidURL", "HTTPError"})
_FINAL_NAMES = frozenset({"UnsupportedProtocol", "InvalidURL", "LocalProtocolError"})


class HttpxExchange:
    """POSTs to one URL through a client; closes the client only if told that it is ours."""

    def __init__(self, client: Any, url: str, *, owned: bool) -> None:  # noqa: ANN401  # duck-typed
        self._client = client
        self._url = url
        self._owned = owned
        self._request_class = _request_class_of(client)
        self._host = urlsplit(url).hostname or url

    async def post(self, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """Send a request and read the whole answer, up to the cap; see `Exchange`."""
        watch = _HandshakeWatch()
        request = self._request_class(
            "POST", self._url, headers=dict(headers), content=body, extensions={"trace": watch}
        )
        del body  # this frame stands in the traceback of what is not ours
        try:
            response = await self._client.send(
                request, stream=True, auth=None, follow_redirects=False
            )
            try:
                content = await _read_capped(response)
            finally:
                await response.aclose()
        except Exception as error:
            failure = self._closed() or _network_error(error, self._host)
            if failure is None:
                raise  # not a fault of the network: a mock's complaint, a hook's bug
        except BaseException:
            await watch.close()
            raise
        else:
            names = {name.lower(): value for name, value in response.headers.items()}
            return HttpAnswer(response.status_code, names, content)
        # Outside the handler: the caught error holds the request, and that holds the token.
        raise failure

    def _closed(self) -> ConfigurationError | None:
        if not getattr(self._client, "is_closed", False):
            return None
        message = "The `http_client` of this session is closed."
        return ConfigurationError(
            message, recovery_suggestion="Keep the client open for as long as the session is used."
        )

    async def aclose(self) -> None:
        """Close the client if it is ours."""
        if self._owned:
            await self._client.aclose()


class _HandshakeWatch:
    """Closes the socket of a TLS handshake that was cancelled, which httpcore forgets to do.

    It is httpcore's trace extension, told of each step of a request. On asyncio a forgotten socket
    stays open for as long as its server likes: one for each call to a server that hangs.
    """

    def __init__(self) -> None:
        self._socket: Any = None

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            self._socket = info["return_value"]
        elif event.endswith(".start_tls.complete"):
            self._socket = None  # the connection is httpcore's, and may serve others too

    async def close(self) -> None:
        """Close what was opened and is not known to stand."""
        if self._socket is not None:
            with anyio.CancelScope(shield=True):
                await self._socket.aclose()


async def _read_capped(response: Any) -> bytes | None:  # noqa: ANN401  # duck-typed
    if response.is_stream_consumed:  # a hook read it, or a mock brought it whole
        content: bytes = await response.aread()
        return content if len(content) <= MAX_BODY else None
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in response.aiter_raw(65_536):  # raw: httpx would inflate without a bound
            size += len(chunk)
            if size <= MAX_BODY:
                chunks.append(chunk)
            else:
                # Then the iterators, which httpx nests, run dry at once; trio complains of those
                # that are left in the middle.
                await response.aclose()
    except Exception:
        if size <= MAX_BODY:
            raise
    if size > MAX_BODY:
        return None
    return plain(response.headers.get("content-encoding"), b"".join(chunks))


def _network_error(error: Exception, host: str) -> NetworkError | None:
    if isinstance(error, UndecodableError):
        return NetworkError(f"DecodingError from {host}: {error}.")
    names = {ancestor.__name__ for ancestor in type(error).__mro__}
    # trio raises a bare UnicodeError for a host that cannot be a name.
    if not isinstance(error, OSError | UnicodeError) and not names & _NETWORK_NAMES:
        return None
    failure = NetworkError(f"{type(error).__name__} from {host}.")
    failure.retryable = not names & _FINAL_NAMES
    return failure


def _request_class_of(client: Any) -> Any:  # noqa: ANN401  # duck-typed
    for ancestor in type(client).__mro__:
        package = sys.modules.get(ancestor.__module__.partition(".")[0])
        if ancestor.__name__ == "AsyncClient" and hasattr(package, "Request"):
            return getattr(package, "Request")  # noqa: B009  # pyright: a module's attribute
    message = (
        f"`http_client` must be an httpx.AsyncClient (or httpx2's), not {type(client).__name__}."
    )
    raise ConfigurationError(message)


def default_client() -> Any:  # noqa: ANN401  # httpx is loaded here and not before
    """Return a client of our own: proxies and CA files from the environment, no pool limits."""
    import httpx  # noqa: PLC0415  # 100 ms; loaded at the first call that needs it

    # No read timeout: the deadline of the whole call ends what hangs, dripping servers included.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
    return httpx.AsyncClient(timeout=httpx.Timeout(None), limits=limits)
