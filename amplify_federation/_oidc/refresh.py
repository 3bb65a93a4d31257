"""New ID tokens for a refresh token (RFC 6749, 6; OpenID Connect Core 1.0, 12).

A provider may give a new refresh token with each ID token and take the old one no more. So the new
one is passed on before anything else is done, and nothing calls off a refresh on its way.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from attrs import frozen

from amplify_federation._async.shielded import shielded
from amplify_federation._model.refresh_grant import RefreshGrant
from amplify_federation._model.values import Secret
from amplify_federation._oidc.client import (
    OAuthRefusal,
    TokenAnswer,
    client_of,
    open_client,
)
from amplify_federation.errors import SessionExpiredError

_GONE = "invalid_grant"  # RFC 6749, 5.2: over, revoked, or of another client
OnRotation = Callable[[RefreshGrant], Awaitable[None]]


@frozen
class Refreshed:
    """What a refresh gave: an ID token that was checked, or the refusal of the refresh token."""

    id_token: Secret | None = None
    refused: SessionExpiredError | None = None


async def refresh(
    grant: RefreshGrant,
    http_client: Any | None,  # noqa: ANN401  # httpx's, or its API-compatible successor's
    on_rotation: OnRotation,
) -> Refreshed:
    """Return a new ID token. `on_rotation` is awaited first if the refresh token was replaced.

    Raises `ConfigurationError`, `NetworkError`, `ServiceError`s, and what `on_rotation` raises.
    """
    token = Secret(grant.refresh_token)
    async with open_client(
        http_client, client_of(grant), grant.issuer, grant.discovery_url
    ) as client:
        outcomes: list[TokenAnswer | OAuthRefusal] = []

        async def rotate() -> None:
            answer = await client.request_tokens(
                "refresh_token", {"refresh_token": token, "scope": grant.scope}
            )
            outcomes.append(answer)
            new = None if isinstance(answer, OAuthRefusal) else answer.refresh_token
            if new is not None and new != token:
                await on_rotation(grant.rotated(new))

        await shielded(rotate)
        outcome = outcomes[0]
        if isinstance(outcome, OAuthRefusal):
            if outcome.error == _GONE:
                return Refreshed(refused=outcome.as_expired())
            raise outcome.as_error()
        await client.checked_claims(outcome)
        return Refreshed(outcome.id_token)
