"""OidcTokenSource: a `token_source` over a refresh token that the application keeps."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from amplify_federation._model.refresh_grant import RefreshGrant
from amplify_federation._model.results import TokenRequest
from amplify_federation._model.values import as_secret
from amplify_federation._oidc.library import check_installed


class OidcTokenSource:
    """A `token_source` for an application that keeps its own refresh token.

    Pass it as `FederatedAuth(token_source=...)`. `on_rotation`, an async callable, is awaited with
    each new refresh token, before the ID token that came with it is used: store it there, since the
    old one may be invalid. `scope` narrows the request; by default it is all that was granted.
    `discovery_url` is where the provider's metadata are, if not below the issuer. `http_client` is
    an `httpx.AsyncClient` of your own, which is never closed here.

    Raises `ValidationError` for a malformed argument, `ConfigurationError` for an unsafe URL or
    without the extra `login`.
    """

    __slots__ = ("_grant", "_http_client", "_lock", "_on_rotation")

    def __init__(  # noqa: PLR0913  # what a refresh takes, all keyword-only
        self,
        *,
        issuer: str,
        client_id: str,
        refresh_token: str,
        client_secret: str | None = None,
        scope: str | None = None,
        discovery_url: str | None = None,
        http_client: Any | None = None,  # noqa: ANN401  # httpx's, or its API-compatible successor's
        on_rotation: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        token = as_secret(refresh_token)
        secret = None if client_secret is None else as_secret(client_secret)
        del refresh_token, client_secret  # no frame of a traceback may hold them
        check_installed()
        from amplify_federation._oidc.discovery import discovery_url_of  # noqa: PLC0415 - as below

        self._grant = RefreshGrant(
            issuer=issuer,
            client_id=client_id,
            refresh_token=token,
            client_secret=secret,
            discovery_url=discovery_url,
            scope=scope,
        )
        discovery_url_of(issuer, discovery_url)
        self._http_client = http_client
        self._on_rotation = on_rotation
        self._lock: anyio.Lock | None = None

    def __repr__(self) -> str:
        return f"<OidcTokenSource of {self._grant.issuer}>"

    async def __call__(self, request: TokenRequest | None = None) -> str:
        """Return a new ID token of the user. One refresh at a time: its token serves once.

        Raises `SessionExpiredError` if the provider takes the refresh token no more, and
        `ConfigurationError`, `NetworkError` or a `ServiceError` for trouble on the way.
        """
        del request
        if self._lock is None:
            self._lock = anyio.Lock()
        from amplify_federation._oidc.refresh import refresh  # noqa: PLC0415 - httpx, 80 ms

        async with self._lock:
            token = await refresh(self._grant, self._http_client, self._rotated)
        return token.reveal()

    async def _rotated(self, grant: RefreshGrant) -> None:
        self._grant = grant
        if self._on_rotation is not None:
            await self._on_rotation(grant.refresh_token)
