"""The end of a refresh token at its provider (RFC 7009)."""

from typing import Any

import anyio

from amplify_federation._model.refresh_grant import RefreshGrant
from amplify_federation._model.results import Revocation, SignOutResult
from amplify_federation._model.values import Secret
from amplify_federation._oidc.client import OidcClient, client_of, open_client
from amplify_federation.errors import AuthError

_DEADLINE = 15.0  # seconds for the requests of one revocation


async def revoke(
    grant: RefreshGrant,
    http_client: Any | None,  # noqa: ANN401  # httpx's, or its API-compatible successor's
) -> SignOutResult:
    """Have the provider end a refresh token, where it offers that; the result says what came of it.

    It raises nothing: whoever signs out is signed out here, whatever the provider does.
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
    grants: tuple[RefreshGrant, ...],
    http_client: Any | None,  # noqa: ANN401  # httpx's, or its API-compatible successor's
    *,
    local: bool,
) -> SignOutResult:
    """Revoke what a cleared session held, unless `local`; the worst outcome counts."""
    if not grants:
        return SignOutResult(Revocation.NOTHING_TO_REVOKE, "The session held no refresh token.")
    if local:
        message = "The refresh token was forgotten here, and not revoked at the provider."
        return SignOutResult(Revocation.NOT_ASKED, message)
    results = [await revoke(grant, http_client) for grant in grants]
    order = [Revocation.FAILED, Revocation.NOT_OFFERED, Revocation.REVOKED]
    return min(results, key=lambda result: order.index(result.revocation))
