"""Refresh tokens: new ID tokens for them (RFC 6749, 6), and their revocation (RFC 7009).

A provider may replace the refresh token with each ID token and refuse the old one from then on. So
the new one is passed on before anything else is done, and a refresh under way is not cancelled.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from amplify_federation._async.background import shielded
from amplify_federation._model.refresh_grant import RefreshGrant
from amplify_federation._model.results import Revocation, SignOutResult
from amplify_federation._model.values import Secret
from amplify_federation._oidc.client import OidcClient, TokenAnswer, client_of, open_client
from amplify_federation.errors import AuthError, NotAuthorizedError, SessionExpiredError

_DEADLINE = 15.0  # seconds for the requests of one revocation
_GONE = "invalid_grant"  # RFC 6749, 5.2: over, revoked, or of another client
OnRotation = Callable[[RefreshGrant], Awaitable[None]]


async def refresh(
    grant: RefreshGrant,
    http_client: Any | None,  # noqa: ANN401  # httpx's, or its API-compatible successor's
    on_rotation: OnRotation,
) -> Secret:
    """Return a new ID token. `on_rotation` is awaited first if the refresh token was replaced.

    Raises `SessionExpiredError` if the provider does not take the refresh token any more,
    `ConfigurationError`, `NetworkError`, `ServiceError`s, and what `on_rotation` raises.
    """
    token = Secret(grant.refresh_token)
    async with open_client(
        http_client, client_of(grant), grant.issuer, grant.discovery_url
    ) as client:
        answers: list[TokenAnswer] = []

        async def rotate() -> None:
            try:
                answer = await client.request_tokens(
                    "refresh_token", {"refresh_token": token, "scope": grant.scope}
                )
            except NotAuthorizedError as error:
                if error.code != _GONE:
                    raise
                advice = error.recovery_suggestion
                raise SessionExpiredError(error.message, recovery_suggestion=advice) from None
            answers.append(answer)
            new = answer.refresh_token
            if new is not None and new != token:
                await on_rotation(grant.rotated(new))

        await shielded(rotate)
        id_token, _ = await client.checked_id_token(answers[0])
        return id_token


async def revoke(
    grant: RefreshGrant,
    http_client: Any | None,  # noqa: ANN401  # httpx's, or its API-compatible successor's
) -> SignOutResult:
    """Revoke a refresh token at its provider, if it offers that; return the outcome.

    It raises no `AuthError`: a sign-out succeeds here, whatever the provider does.
    """
    outcome = SignOutResult(
        Revocation.FAILED, f"{grant.issuer} did not answer within {_DEADLINE:g} s."
    )
    with anyio.move_on_after(_DEADLINE):
        try:
            async with open_client(
                http_client, client_of(grant), grant.issuer, grant.discovery_url
            ) as client:
                outcome = await _revoke(client, Secret(grant.refresh_token))
        except AuthError as error:
            outcome = SignOutResult(
                Revocation.FAILED, f"The refresh token was not revoked: {error.message}"
            )
    return outcome


async def _revoke(client: OidcClient, token: Secret) -> SignOutResult:
    issuer = client.metadata.issuer
    if client.metadata.revocation_endpoint is None:
        message = f"{issuer} offers no revocation of refresh tokens."
        return SignOutResult(Revocation.NOT_OFFERED, message)
    status = await client.revoke(token)
    if status is None:
        return SignOutResult(Revocation.REVOKED, f"{issuer} revoked the refresh token.")
    return SignOutResult(Revocation.FAILED, f"{issuer} did not revoke the refresh token: {status}.")


async def revoke_all(
    grants: tuple[RefreshGrant, ...] | None,
    http_client: Any | None,  # noqa: ANN401  # httpx's, or its API-compatible successor's
    *,
    local: bool,
) -> SignOutResult:
    """Revoke the grants of a cleared session, unless `local`; the worst outcome counts.

    `grants` is `None` for a record that could not be read.
    """
    if grants is None:
        message = "The session's record could not be read: what it held was not revoked."
        return SignOutResult(Revocation.FAILED, message)
    if not grants:
        return SignOutResult(Revocation.NOTHING_TO_REVOKE, "The session held no refresh token.")
    if local:
        message = "The refresh token was forgotten here, and not revoked at the provider."
        return SignOutResult(Revocation.NOT_ASKED, message)
    results = [await revoke(grant, http_client) for grant in grants]
    order = [Revocation.FAILED, Revocation.NOT_OFFERED, Revocation.REVOKED]
    return min(results, key=lambda result: order.index(result.revocation))
