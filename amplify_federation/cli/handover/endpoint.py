"""The container credentials endpoint, as an ASGI application: who may ask, and what is answered.

A process of this machine asks with the random token; a page in a browser must get nothing, even if
it knows the port: it has no token, `Origin` gives it away, a name that was made to point here
(DNS rebinding) stands in `Host`, and no header ever allows another origin. This file must not know
sockets.
"""

import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from attrs import field, frozen

from amplify_federation import AuthError, AWSCredentials, NetworkError, StoreError
from amplify_federation.cli.handover.forms import for_container
from amplify_federation.cli.terminal.advice import advice_for

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
PATH = "/credentials"


@frozen
class Endpoint:
    """Answers with the credentials that `fetch` gives, to who knows `token`.

    `hosts` are the values of `Host` under which this server is reached.
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
            return refusal, _fault(
                refusal.phrase, "This is for processes that were given the token."
            )
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
        # On bytes and in constant time: how long it takes tells nothing of the token.
        if not hmac.compare_digest(given, self.token.encode()):
            return HTTPStatus.UNAUTHORIZED
        if scope["path"] != PATH:
            return HTTPStatus.NOT_FOUND
        return None if scope["method"] == "GET" else HTTPStatus.METHOD_NOT_ALLOWED


def _status_of(error: AuthError) -> HTTPStatus:
    """Return 503 for what may pass, 403 for what a user has to mend."""
    if isinstance(error, NetworkError | StoreError) or getattr(error, "retryable", False):
        return HTTPStatus.SERVICE_UNAVAILABLE
    return HTTPStatus.FORBIDDEN


def _fault(code: str, message: str) -> bytes:
    return json.dumps({"code": code, "message": message}).encode()
