"""Requests to an OpenID provider: bounded in size and time, over httpx, redirects not followed.

This file owns the limits of an answer, and which URLs secrets may be sent to.
"""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast
from urllib.parse import urlsplit

import anyio
import httpx
from attrs import field, frozen

from amplify_federation._http.responses import exchange, leaf, network_error, network_thread
from amplify_federation._http.senders import new_client, request_class_of
from amplify_federation._http.transport import LeanTransport
from amplify_federation._http.trust import proxy_for, tls_context, wants_httpx
from amplify_federation._oidc.library import Form
from amplify_federation._version import __version__
from amplify_federation.errors import ConfigurationError, MalformedResponseError, NetworkError

ATTEMPT = 10.0  # seconds for one request
_OK = 200
_FAULT = 500  # and above: the provider's own
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Cache-Control": "no-store",
    "User-Agent": f"amplify_federation/{__version__}",
}


@frozen
class ProviderAnswer:
    """What a provider answered. `members`: of a JSON object, else `None`."""

    status: int
    members: Mapping[str, Any] | None = field(repr=False)
    date: str | None = None  # the header

    @property
    def is_fault(self) -> bool:
        """Whether the provider has a fault of its own."""
        return self.status >= _FAULT

    @property
    def is_success(self) -> bool:
        """Whether the status says so."""
        return self.status == _OK


class ProviderHttp:
    """Makes the requests of one sign-in, refresh or revocation."""

    def __init__(
        self,
        client: Any,  # noqa: ANN401  # httpx's, or httpx2's
        proxy: str | None = None,
        *,
        lean: bool = False,
    ) -> None:
        self._client = client
        self._proxy = proxy
        self._lean = lean  # over LeanTransport, whose errors say why, and nothing of the request
        self._request_class = request_class_of(client)

    async def get(self, url: str) -> ProviderAnswer:
        """Return the answer to a GET. Raises `NetworkError`."""
        return await self._send("GET", url, None)

    async def post(self, url: str, form: Form) -> ProviderAnswer:
        """Return the answer to a form. Raises `NetworkError`."""
        return await self._send("POST", url, form)

    async def _send(self, method: str, url: str, form: Form | None) -> ProviderAnswer:
        host = urlsplit(url).netloc.rpartition("@")[2]  # and port
        request = self._request_class(
            method,
            url,
            headers={**_HEADERS, **(form.headers if form else {})},
            content=form.body.reveal().encode() if form else None,
            extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), ATTEMPT)},
        )
        failure: BaseException
        try:
            with anyio.fail_after(ATTEMPT):
                reply = await exchange(self._client, request)
            members = None if reply.body is None else _members(reply.body)
            return ProviderAnswer(reply.status, members, reply.headers.get("date"))
        except TimeoutError:
            failure = NetworkError(f"{host} did not answer within {ATTEMPT:g} s.")
        except Exception as error:  # noqa: BLE001  # each is told apart
            failure = self._network_error(leaf(error), host)
        except BaseException as error:  # noqa: BLE001  # a cancellation, raised again below
            failure = error
        # Outside the handler and without the frames so far, which bind the request's secrets.
        try:
            raise failure.with_traceback(None)
        finally:
            del failure  # a frame and the exception in it would keep each other alive

    def _network_error(self, error: BaseException, host: str) -> NetworkError:
        detail = str(error) if self._lean else ""
        known = network_error(error, host, self._proxy, detail)
        return known or NetworkError(f"{type(error).__name__} from {host}.")


@asynccontextmanager
async def provider_http(
    http_client: Any | None,  # noqa: ANN401  # httpx's, or its API-compatible successor's
    url: str,
) -> AsyncGenerator[ProviderHttp]:
    """Open the requests to a provider, over the caller's client, which is left open, or an own one.

    Raises `ConfigurationError` where proxy, certificate authorities or client are wrong,
    `NetworkError` where no thread can be started to load these.
    """
    if http_client is not None:
        yield ProviderHttp(http_client)
        return
    proxy = proxy_for(url)
    lean = proxy is None and not wants_httpx()
    context = await network_thread(tls_context)
    if lean:
        client = httpx.AsyncClient(transport=LeanTransport(verify=context))
    else:
        client = await new_client(context, proxy)
    try:
        yield ProviderHttp(client, proxy, lean=lean)
    finally:
        with anyio.CancelScope(shield=True):
            await client.aclose()


def checked_url(url: object, name: str, *, loopback: bool = True) -> str:
    """Return a URL that secrets may be sent to: https, or http on loopback where that is allowed.

    Raises `ConfigurationError` for any other.
    """
    if isinstance(url, str) and url.isascii() and url.isprintable() and " " not in url:
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError:
            pass
        else:
            secure = parts.scheme == "https" or (
                loopback and parts.scheme == "http" and parts.hostname in LOOPBACK
            )
            if secure and parts.hostname and "@" not in parts.netloc and not parts.fragment:
                return url
    shown = f"{url!r:.100}" if isinstance(url, str) else "no text"
    message = f"The {name} must be an https URL (http on loopback only); it is {shown}."
    raise ConfigurationError(message, recovery_suggestion="Check the issuer and `discovery_url`.")


def malformed(message: str) -> MalformedResponseError:
    """Return the error for an answer that no OpenID provider should give."""
    advice = "Check the issuer, `discovery_url` and the proxies on the way to the provider."
    return MalformedResponseError(message, recovery_suggestion=advice)


def _members(body: bytes) -> Mapping[str, Any] | None:
    try:
        found: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else None
