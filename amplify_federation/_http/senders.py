"""A call as an `httpx.Request`, sent over a transport or through a client.

The request is built here and not by a client, so that a caller's client gives its transport, proxy,
timeouts and hooks, but none of its default headers, cookies, auth, params or base URL. A client is
known by its class's name and package, so that one of httpx2 serves as well.
"""

import logging
import ssl
import sys
from collections.abc import Mapping
from typing import Any, Final
from weakref import WeakKeyDictionary, WeakValueDictionary

import anyio
import httpx
from anyio.lowlevel import current_token

from amplify_federation._cognito.decoding import Reply
from amplify_federation._cognito.requests import TARGET_PREFIX, Call
from amplify_federation._http.responses import (
    exchange,
    leaf,
    network_error,
    network_thread,
    read_capped,
    reply_of_hook,
    without_causes,
)
from amplify_federation._http.transport import REPEATABLE, LeanTransport
from amplify_federation._http.trust import (
    authorities,
    endpoint_variable,
    present_tls_context,
    proxy_for,
    tls_context,
    transport_for,
    wants_httpx,
)
from amplify_federation._version import __version__
from amplify_federation.errors import ConfigurationError, NetworkError

logger = logging.getLogger("amplify_federation")

# Calls at once over one client. httpx goes through all waiting requests for each that ends, and
# lets them time out: of 600 at once 429 failed; behind this limit none of 2,000.
MAX_AT_ONCE = 32
_limiters: Final[WeakKeyDictionary[object, anyio.CapacityLimiter]] = WeakKeyDictionary()


class _Requests:
    """The requests to one endpoint, prepared as far as they are alike."""

    def __init__(self, endpoint_url: str) -> None:
        self.url = httpx.URL(f"{endpoint_url}/")
        self._prepared: dict[str, list[tuple[bytes, bytes]]] = {}

    def url_of(self, call: Call) -> httpx.URL:
        """Return where a call goes."""
        return self.url if call.url is None else httpx.URL(f"{call.url}/")

    def headers(self, call: Call, sdk_headers: tuple[str, str]) -> list[tuple[bytes, bytes]]:
        """Return a call's headers, complete for LeanTransport."""
        name = call.operation if call.url is None else call.url
        prepared = self._prepared.get(name)
        if prepared is None:
            prepared = self._prepared[name] = [
                (b"Host", self.url_of(call).netloc),
                (b"Accept", b"*/*"),
                (b"Accept-Encoding", b"identity"),
                (b"Cache-Control", b"no-store"),
                (b"User-Agent", f"amplify_federation/{__version__}".encode("ascii")),
            ]
            if call.url is None:
                target = f"{TARGET_PREFIX}{call.operation}".encode("ascii")
                prepared.append((b"Content-Type", b"application/x-amz-json-1.1"))
                prepared.append((b"X-Amz-Target", target))
            else:
                prepared.append((b"Content-Type", b"application/x-www-form-urlencoded"))
        invocation, attempt = sdk_headers
        return [
            *prepared,
            (b"amz-sdk-invocation-id", invocation.encode("ascii")),
            (b"amz-sdk-request", attempt.encode("ascii")),
            (b"Content-Length", b"%d" % len(call.body)),
        ]


class _LastingTransport(LeanTransport):
    """Determines the trusted authorities for each new connection: their file may be replaced."""

    async def _tls(self) -> ssl.SSLContext:
        return await _tls_context()


class _SharedTransport:
    """The transport of all sessions of a loop that trust the same authorities.

    So a thousand sessions use a few warm connections instead of one each. That is safe because a
    connection carries nothing of a session: no cookie, no signature, no lasting header.
    """

    def __init__(self, transport: LeanTransport) -> None:
        self.transport = transport
        self.users = 1
        self._requests: dict[str, _Requests] = {}

    def requests_to(self, endpoint_url: str) -> _Requests:
        """Return the prepared requests to an endpoint, one object for all sessions."""
        found = self._requests.get(endpoint_url)
        if found is None:
            found = self._requests[endpoint_url] = _Requests(endpoint_url)
        return found

    async def aclose(self) -> None:
        self.users -= 1
        if not self.users:
            await self.transport.aclose()


# By loop and authorities. Weak: only the senders of open sessions keep a transport alive.
_shared: WeakKeyDictionary[object, WeakValueDictionary[tuple[str, str], _SharedTransport]] = (
    WeakKeyDictionary()
)


class TransportSender:
    """Sends over a transport directly: an `httpx.AsyncClient` would double the cost of a call."""

    def __init__(self, endpoint_url: str, shared: _SharedTransport) -> None:
        self._requests = shared.requests_to(endpoint_url)
        self.shared = shared
        self._transport = shared.transport

    def __repr__(self) -> str:
        return f"<TransportSender to {self._requests.url.host}: {self._transport!r}>"

    async def send(self, call: Call, sdk_headers: tuple[str, str], bound: float | None) -> Reply:
        """Send a call and return the whole answer; see `Sender`."""
        timeouts = {"connect": bound, "read": bound, "write": bound, "pool": None}
        request = httpx.Request(
            "POST",
            self._requests.url_of(call),
            headers=self._requests.headers(call, sdk_headers),
            stream=httpx.ByteStream(call.body),
            extensions={"timeout": timeouts, REPEATABLE: True},
        )
        try:
            response = await self._transport.handle_async_request(request)
            # The names are lower-case already; httpx would look through the list for each name.
            headers = {
                name.decode("latin-1"): value.decode("latin-1")
                for name, value in response.headers.raw
            }
            return Reply(response.status_code, headers, await read_capped(response, headers))
        except Exception as error:  # noqa: BLE001  # each is told apart
            # LeanTransport says why itself, and nothing of the request.
            place, variable = _place_of(request)
            raise (
                network_error(error, place, None, str(error), variable=variable) or error
            ) from None

    async def aclose(self) -> None:
        """Close the shared transport if no other session uses it."""
        await self.shared.aclose()


class ClientSender:
    """Sends through an `httpx.AsyncClient`, a caller's own or one made here."""

    def __init__(
        self,
        client: Any,  # noqa: ANN401  # duck-typed
        endpoint_url: str,
        *,
        owned: bool,
        proxy: str | None = None,
    ) -> None:
        self._client = self.shared = client
        self._owned = owned
        self._proxy = proxy
        self._requests = _Requests(endpoint_url)
        self._request_class = request_class_of(client)
        # Parsed once: else it is half of the time that a request takes to make.
        self._url = self._request_class("POST", f"{endpoint_url}/").url

    async def send(self, call: Call, sdk_headers: tuple[str, str], bound: float | None) -> Reply:
        """Send a call and return the whole answer; see `Sender`."""
        watch = _HandshakeWatch()
        request = self._request_class(
            "POST",
            self._url if call.url is None else f"{call.url}/",
            headers=self._requests.headers(call, sdk_headers),
            content=call.body,
            extensions={"trace": watch, "timeout": self._timeouts(bound)},
        )
        try:
            async with self._limiter():
                return await exchange(self._client, request)
        except Exception as error:  # noqa: BLE001  # each is told apart
            reply = reply_of_hook(leaf(error))
            if reply is not None:
                return reply
            raise self._failure(leaf(error), request) from None
        except BaseException:
            await watch.close()
            raise

    async def aclose(self) -> None:
        """Close the client if it is ours."""
        if self._owned:
            await self._client.aclose()

    def _failure(self, error: BaseException, request: Any) -> BaseException:  # noqa: ANN401  # duck-typed
        place, variable = _place_of(request)
        return (
            self._closed()
            or network_error(error, place, self._proxy, variable=variable)
            or without_causes(error)
        )

    def _timeouts(self, bound: float | None) -> dict[str, float | None]:
        """Return the client's own timeouts; where it has none, what leaves time for a retry."""
        timeouts: dict[str, float | None] = dict.fromkeys(("connect", "read", "write"), bound)
        own = getattr(self._client, "timeout", None)
        for name in timeouts:
            if (value := getattr(own, name, None)) is not None:
                timeouts[name] = value
        return {**timeouts, "pool": None}  # the deadline of the call bounds that wait

    def _limiter(self) -> anyio.CapacityLimiter:
        limiter = _limiters.get(self._client)
        if limiter is None:
            limiter = _limiters[self._client] = anyio.CapacityLimiter(MAX_AT_ONCE)
        return limiter

    def _closed(self) -> ConfigurationError | None:
        if not getattr(self._client, "is_closed", False):
            return None
        message = "The `http_client` of this session is closed."
        return ConfigurationError(
            message, recovery_suggestion="Keep the client open for as long as the session is used."
        )


class _HandshakeWatch:
    """Closes the socket of a TLS handshake that was cancelled, which httpcore leaves open.

    It is httpcore's trace extension, called at each step of a request. On asyncio such a socket
    stays open until the server closes it: one for each call to a server that hangs.
    """

    def __init__(self) -> None:
        self._socket: Any = None

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            self._socket = info["return_value"]
        elif event.endswith(".start_tls.complete"):
            self._socket = None  # the connection is httpcore's, and may serve others too

    async def close(self) -> None:
        """Close a socket whose handshake has not ended."""
        if self._socket is not None:
            with anyio.CancelScope(shield=True):
                await self._socket.aclose()


async def default_sender(endpoint_url: str) -> "TransportSender | ClientSender":
    """Return the sender for a session without a client of its caller's.

    Raises `ConfigurationError` where the environment's proxy or certificate authorities are wrong,
    `NetworkError` where no thread can be started to load them.
    """
    proxy = proxy_for(endpoint_url)
    # Authorities that cannot be read are found here, before anything is sent.
    context = await _tls_context() if endpoint_url[:6] == "https:" else None
    logger.debug(
        "Calls to %s go over %s.",
        endpoint_url,
        chosen := transport_for(endpoint_url),
        extra={"event": "transport_chosen", "transport": chosen},
    )
    if proxy is None and not wants_httpx():
        here = _shared.setdefault(current_token().native_token, WeakValueDictionary())
        shared = here.get(authorities())
        if shared is None or not shared.users:
            shared = here[authorities()] = _SharedTransport(_LastingTransport())
        else:
            shared.users += 1
        return TransportSender(endpoint_url, shared)
    return ClientSender(await new_client(context, proxy), endpoint_url, owned=True, proxy=proxy)


async def new_client(context: ssl.SSLContext | None, proxy: str | None) -> httpx.AsyncClient:
    """Return a client over httpx's own transport, through the environment's proxy if there is one.

    It has no timeouts: each request brings its own. Raises `ConfigurationError`.
    """

    def make() -> httpx.AsyncClient:
        return httpx.AsyncClient(
            timeout=None,  # noqa: S113  # see above
            trust_env=proxy is not None,  # the proxy is decided by `proxy_for`
            verify=True if context is None else context,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=MAX_AT_ONCE),
        )

    try:
        return await network_thread(make)  # httpx reads the proxies of the system
    except NetworkError:
        raise
    except Exception as error:  # noqa: BLE001  # httpx raises what its parts raise
        message = f"The HTTP client could not be made: {type(error).__name__}."
    raise ConfigurationError(message, recovery_suggestion="Check the proxy variables.")


async def _tls_context() -> ssl.SSLContext:
    present = present_tls_context()
    return await network_thread(tls_context) if present is None else present


def request_class_of(client: Any) -> Any:  # noqa: ANN401  # duck-typed
    """Return the class of requests that a client sends: httpx's, or httpx2's.

    Raises `ConfigurationError` for any other object.
    """
    for ancestor in type(client).__mro__:
        package = sys.modules.get(ancestor.__module__.partition(".")[0])
        if ancestor.__name__ == "AsyncClient" and hasattr(package, "Request"):
            return getattr(package, "Request")  # noqa: B009  # pyright: a module's attribute
    message = (
        f"`http_client` must be an httpx.AsyncClient (or httpx2's), not {type(client).__name__}."
    )
    raise ConfigurationError(message)


def _place_of(request: Any) -> tuple[str, str | None]:  # noqa: ANN401  # duck-typed
    """Return host and port that a request goes to, and the variable that names them, if any."""
    return request.url.netloc.decode("ascii"), endpoint_variable(str(request.url))
