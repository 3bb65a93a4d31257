"""The four unsigned operations, and the signed one that a backend needs for developer users."""

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from amplify_federation.testing._providers.issuers import COGNITO, Issuers, TokenOrder
from amplify_federation.testing._service import credentials, refusal, shapes
from amplify_federation.testing._service.checks import Login, TokenChecks, strings_in
from amplify_federation.testing._service.directory import Directory, Identity
from amplify_federation.testing._service.pools import Pool, Pools
from amplify_federation.testing._service.refusal import (
    Refusal,
    forbidden,
    no_identity,
    no_pool,
    not_authorized,
)
from amplify_federation.testing.clock import ServerClock

OPEN_ID_TOKEN_LIFETIME = 600.0  # seconds


@frozen
class Operations:
    """Cognito Identity: an operation and its input in, its output out, or a `Refusal`."""

    clock: ServerClock
    pools: Pools
    issuers: Issuers
    directory: Directory
    checks: TokenChecks

    def perform(self, operation: str, given: dict[str, Any], region: str | None) -> dict[str, Any]:
        """Return the output of an operation, or raise `Refusal`.

        `region` is the one whose endpoint was asked, if the host tells; it knows its own pools.
        """
        shapes.validate(operation, given)
        _expect_region(given, region)
        tokens = given.get("Logins", {})
        match operation:
            case "GetId":
                return {"IdentityId": self._get_id(given["IdentityPoolId"], tokens).id}
            case "GetCredentialsForIdentity":
                return self._get_credentials(given, tokens)
            case "GetOpenIdToken":
                return self._get_open_id_token(given["IdentityId"], tokens)
            case _:
                self._unlink(given["IdentityId"], tokens, given["LoginsToRemove"])
                return {}

    def developer_identity(self, pool_id: str, user: Login, identity_id: str | None) -> Identity:
        """Return the identity of a backend's own user, as GetOpenIdTokenForDeveloperIdentity."""
        pool = self.pools.get(pool_id)
        if identity_id is None:
            return self.directory.find(pool, [user])
        return self.directory.link(self.directory.get(identity_id), [user])

    def cognito_token(self, identity: Identity, logins: Sequence[Login], lifetime: float) -> str:
        """Return Cognito's own token for an identity."""
        methods = ["authenticated" if logins else "unauthenticated"]
        for login in logins:
            proof = f"{login.login_key}:{login.claims.get('aud', identity.pool_id)}"
            methods += [login.login_key, f"{proof}:{login.subject}"]
        claims = {"amr": methods}
        order = TokenOrder(COGNITO, identity.id, identity.pool_id, lifetime, claims)
        return self.issuers.issue(order)

    def _get_id(self, pool_id: str, tokens: Mapping[str, str]) -> Identity:
        pool = self.pools.get(pool_id)
        if tokens:
            return self.directory.find(pool, self.checks.logins(pool, tokens))
        if not pool.guest_access:
            raise not_authorized(refusal.NO_GUESTS)
        return self.directory.create(pool)

    def _get_credentials(self, given: dict[str, Any], tokens: dict[str, str]) -> dict[str, Any]:
        identity, pool = self._known(given["IdentityId"])
        tokens = dict(tokens)
        developer_token = tokens.pop(COGNITO, None)
        if developer_token is None:
            identity, logins = self._enter(identity, pool, tokens)
        else:
            logins = self._enter_as_developer(identity, pool, developer_token, tokens)
        guest = not logins and developer_token is None
        role = _role_of(pool, logins, given.get("CustomRoleArn"), guest=guest)
        expiration = float(int(self.clock.time() + credentials.LIFETIME))
        return {
            "IdentityId": identity.id,
            "Credentials": credentials.issue(identity.id, role, expiration),
        }

    def _get_open_id_token(self, identity_id: str, tokens: Mapping[str, str]) -> dict[str, Any]:
        identity, pool = self._known(identity_id)
        if not pool.classic_flow:
            raise Refusal(refusal.INVALID_PARAMETER, refusal.NO_CLASSIC_FLOW)
        identity, logins = self._enter(identity, pool, tokens)
        token = self.cognito_token(identity, logins, OPEN_ID_TOKEN_LIFETIME)
        return {"IdentityId": identity.id, "Token": token}

    def _unlink(self, identity_id: str, tokens: Mapping[str, str], remove: list[str]) -> None:
        identity, pool = self._known(identity_id)
        self.directory.expect_login(identity, self.checks.logins(pool, tokens))
        self.directory.unlink(identity, remove)

    def _known(self, identity_id: str) -> tuple[Identity, Pool]:
        identity = self.directory.get(identity_id)
        return identity, self.pools.get(identity.pool_id)

    def _enter(
        self, identity: Identity, pool: Pool, tokens: Mapping[str, str]
    ) -> tuple[Identity, list[Login]]:
        logins = self.checks.logins(pool, tokens)
        if identity.disabled or (identity.logins and not logins):
            raise forbidden(identity.id)
        if not logins:
            if not pool.guest_access:
                raise not_authorized(refusal.NO_GUESTS)
            return identity, logins
        if not identity.is_guest:
            self.directory.expect_login(identity, logins)
        return self.directory.link(identity, logins), logins

    def _enter_as_developer(
        self, identity: Identity, pool: Pool, developer_token: str, tokens: Mapping[str, str]
    ) -> list[Login]:
        if self.checks.cognito_identity(pool, developer_token) != identity.id:
            raise not_authorized(refusal.LOGINS_DO_NOT_MATCH)
        if identity.disabled:
            raise forbidden(identity.id)
        logins = self.checks.logins(pool, tokens)
        self.directory.link(identity, logins)
        return logins


def _expect_region(given: dict[str, Any], region: str | None) -> None:
    pool_id = given.get("IdentityPoolId")
    asked_for = pool_id or given["IdentityId"]
    if region is not None and asked_for.partition(":")[0] != region:
        raise no_pool(asked_for) if pool_id else no_identity(asked_for)


def _role_of(pool: Pool, logins: Sequence[Login], custom: str | None, *, guest: bool) -> str:
    offered = {role for login in logins for role in strings_in(login.claims, "cognito:roles")}
    if custom is not None and custom in offered:
        return custom
    if custom is not None and offered:
        message = "CustomRoleArn is not one of the roles of the token."
        raise not_authorized(message)
    preferred = (login.claims.get("cognito:preferred_role") for login in logins)
    usual = pool.roles.unauthenticated if guest else pool.roles.authenticated
    role = next((one for one in preferred if one), usual)
    if role is None:
        raise Refusal(refusal.BAD_POOL, refusal.NO_ROLE)
    return str(role)
