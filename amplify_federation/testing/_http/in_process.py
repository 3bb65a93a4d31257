"""The fake as an httpx transport, without a socket."""

from collections.abc import Awaitable, Callable, Container
from typing import TYPE_CHECKING

import anyio
import httpx

from amplify_federation.testing._http.endpoint import ENDPOINT_HOST
from amplify_federation.testing._http.messages import Request, Response
from amplify_federation.testing._openid.provider import OAUTH_ENDPOINTS

if TYPE_CHECKING:
    import respx

_ISSUER_PAGE = r"/\.well-known/(openid-configuration|jwks\.json)$"


class InProcessTransport(httpx.AsyncBaseTransport):
    """Answers httpx requests from the fake, with its delays, timeouts and cut connections."""

    def __init__(self, answer: Callable[[Request], Response]) -> None:
        self._answer = answer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer to one request."""
        received = Request(
            request.method,
            request.url.netloc.decode(),
            request.url.path,
            {name.decode().lower(): value.decode() for name, value in request.headers.raw},
            await request.aread(),
            request.url.query.decode(),
        )
        answer = self._answer(received)
        if answer.delay:
            await _delay(request, answer.delay)
        if answer.cut:
            message = "Server disconnected without sending a response."
            raise httpx.RemoteProtocolError(message, request=request)
        return httpx.Response(
            answer.status, headers=dict(answer.headers), content=answer.body, request=request
        )

    def add_route(
        self, router: "respx.Router", login_keys: Callable[[], Container[str]]
    ) -> "respx.Route":
        """Add one route to a router, and return it: Cognito's endpoints and the OpenID providers.

        `login_keys` are those of the providers whose `token`, `authorize`, ... are meant; the same
        path of another host is left to other routes. One route, because `respx.mock` by default
        fails a test that leaves a route unused.
        """
        from respx.patterns import M  # noqa: PLC0415  # optional

        def answer(request: httpx.Request) -> Awaitable[httpx.Response] | None:
            base, _, endpoint = request.url.path.rpartition("/")
            login_key = f"{request.url.netloc.decode()}{base}"
            if endpoint in OAUTH_ENDPOINTS and login_key not in login_keys():
                return None  # for respx: this route does not match
            return self.handle_async_request(request)

        cognito = M(method="POST", host__regex=f"^{ENDPOINT_HOST.pattern}$")
        documents = M(method="GET", path__regex=_ISSUER_PAGE)
        providers = M(path__regex=f"/({'|'.join(sorted(OAUTH_ENDPOINTS))})$")
        return router.route(cognito | documents | providers).mock(side_effect=answer)


async def _delay(request: httpx.Request, delay: float) -> None:
    # A socket would time out by itself.
    read_timeout = request.extensions.get("timeout", {}).get("read")
    if read_timeout is None or delay <= read_timeout:
        await anyio.sleep(delay)
        return
    await anyio.sleep(read_timeout)
    message = "The read operation timed out."
    raise httpx.ReadTimeout(message, request=request)
