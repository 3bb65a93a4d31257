"""The fake as an httpx transport, without a socket."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio
import httpx

from amplify_federation.testing._http.endpoint import ENDPOINT_HOST
from amplify_federation.testing._http.messages import Request, Response

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

    def add_route(self, router: "respx.Router") -> "respx.Route":
        """Add one route for the endpoints and the issuers' pages to a router, and return it.

        One, because `respx.mock` by default fails a test that leaves a route unused.
        """
        from respx.patterns import M  # noqa: PLC0415  # optional

        endpoints = M(method="POST", host__regex=f"^{ENDPOINT_HOST.pattern}$")
        issuer_pages = M(method="GET", path__regex=_ISSUER_PAGE)
        route = router.route(endpoints | issuer_pages)
        return route.mock(side_effect=self.handle_async_request)


async def _delay(request: httpx.Request, delay: float) -> None:
    # A socket would time out by itself.
    read_timeout = request.extensions.get("timeout", {}).get("read")
    if read_timeout is None or delay <= read_timeout:
        await anyio.sleep(delay)
        return
    await anyio.sleep(read_timeout)
    message = "The read operation timed out."
    raise httpx.ReadTimeout(message, request=request)
