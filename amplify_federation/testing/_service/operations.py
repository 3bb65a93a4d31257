"""The unsigned operations: what an application calls for its user, and tokens for a backend's.

The signed operations of administrators are in `administrators`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from amplify_federation.testing._openid.issuers import COGNITO, Issuers, TokenOrder
from amplify_federation.testing._service import credentials, errors
from amplify_federation.testing._service.credentials import TAGS_CLAIM, principal_tags_of, role_of
from amplify_federation.testing._service.directory import Directory, Identity
from amplify_federation.testing._service.errors import (
    ServiceRefusal,
    forbidden,
    not_authorized,
)
from amplify_federation.testing._service.pools import Pool, Pools
from amplify_federation.testing._service.tokens import Login, TokenChecks
from amplify_federation.testing.clock import ServerClock

OPEN_ID_TOKEN_LIFETIME = 600.0  # seconds
DEVELOPER_TOKEN_LIFETIME = 900.0  # seconds, unless TokenDuration says otherwise


@frozen
class Operations:
    """What the operations share: clock, pools, issuers, identities, and the checks of tokens."""

    clock: ServerClock
    pools: Pools
    issuers: Issuers
    directory: Directory
    checks: TokenChecks

    def get_id(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return the identity of the logins, or a new guest."""
        pool, tokens = self.pools.get(given["IdentityPoolId"]), given.get("Logins", {})
        if tokens:
            if not pool.client_ids:
                raise not_authorized(errors.NO_PROVIDERS)
            return {"IdentityId": self.directory.find(pool, self.checks.logins(pool, tokens)).id}
        if not pool.guest_access:
            raise not_authorized(errors.NO_GUESTS)
        return {"IdentityId": self.directory.create(pool).id}

    def get_credentials_for_identity(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return credentials of an identity, of the role and with the tags of its logins."""
        identity, pool = self.known(given["IdentityId"])
        tokens = dict(given.get("Logins", {}))
        developer_token = tokens.pop(COGNITO, None)
        if developer_token is None:
            identity, logins = self._enter(identity, pool, tokens)
            tags: dict[str, str] = {}
        else:
            logins, tags = self._enter_as_developer(identity, pool, developer_token, tokens)
        guest = not logins and developer_token is None
        role = role_of(pool, logins, given.get("CustomRoleArn"), guest=guest)
        expiration = float(int(self.clock.time() + credentials.LIFETIME))
        tags |= principal_tags_of(pool, logins)
        return {
            "IdentityId": identity.id,
            "Credentials": credentials.issue(identity.id, role, expiration, tags),
        }

    def get_open_id_token(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return Cognito's own token for an identity, which STS takes in the classic flow."""
        identity, pool = self.known(given["IdentityId"])
        if pool.role_mappings:
            raise ServiceRefusal(errors.INVALID_PARAMETER, errors.CLASSIC_FLOW_WITH_MAPPINGS)
        if not pool.classic_flow:
            raise ServiceRefusal(errors.INVALID_PARAMETER, errors.NO_CLASSIC_FLOW)
        identity, logins = self._enter(identity, pool, given.get("Logins", {}))
        token = self.cognito_token(identity, logins, OPEN_ID_TOKEN_LIFETIME)
        return {"IdentityId": identity.id, "Token": token}

    def unlink_identity(self, given: dict[str, Any]) -> dict[str, Any]:
        """Unlink providers of an identity that one of its logins proves."""
        identity, pool = self.known(given["IdentityId"])
        self.directory.expect_login(identity, self.checks.logins(pool, given["Logins"]))
        self.directory.unlink(identity, given["LoginsToRemove"])
        return {}

    def get_open_id_token_for_developer_identity(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return identity and token of a backend's own user, linked with the other logins."""
        pool = self.pools.get(given["IdentityPoolId"])
        tokens = dict(given["Logins"])
        names = [name for name in tokens if name in pool.developer_names]
        if not pool.developer_names and not names:
            raise ServiceRefusal(errors.INVALID_PARAMETER, errors.UNKNOWN_DEVELOPER_PROVIDER)
        if len(names) != 1:
            raise ServiceRefusal(errors.INVALID_PARAMETER, errors.NO_DEVELOPER_LOGIN)
        user = Login(names[0], tokens.pop(names[0]), {})
        logins = self.checks.logins(pool, tokens)
        identity = self.developer_identity(pool, user.subject, given.get("IdentityId"), logins)
        lifetime = float(given.get("TokenDuration", DEVELOPER_TOKEN_LIFETIME))
        tags = given.get("PrincipalTags")
        token = self.cognito_token(identity, [user, *logins], lifetime, tags=tags)
        return {"IdentityId": identity.id, "Token": token}

    def developer_identity(
        self, pool: Pool, user: str, identity_id: str | None, logins: Sequence[Login] = ()
    ) -> Identity:
        """Return the identity of a backend's own user, made, linked or merged if need be.

        An identity that has logins needs one of them, or this user; else NotAuthorizedException.
        """
        owner = self.directory.developer_identity(pool.id, user)
        if identity_id is None:
            identity = owner
            if identity is None:
                identity = (
                    self.directory.find(pool, logins) if logins else self.directory.create(pool)
                )
        else:
            identity = self.directory.get(identity_id)
            if identity.pool_id != pool.id:
                raise not_authorized(errors.LOGINS_DO_NOT_MATCH)
            if identity.disabled:
                raise forbidden(identity.id)
            if owner not in (None, identity):
                raise ServiceRefusal(errors.ALREADY_REGISTERED, errors.ALREADY_REGISTERED_TEXT)
            if not identity.is_guest and owner is None:
                self.directory.expect_login(identity, logins)
        if logins:
            identity = self.directory.link(identity, logins)
        self.directory.register(identity, user)
        return identity

    def cognito_token(
        self,
        identity: Identity,
        logins: Sequence[Login],
        lifetime: float,
        *,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Return Cognito's own token for an identity, with the principal tags of a backend."""
        methods = ["authenticated" if logins else "unauthenticated"]
        for login in logins:
            proof = f"{login.login_key}:{login.claims.get('aud', identity.pool_id)}"
            methods += [login.login_key, f"{proof}:{login.subject}"]
        claims: dict[str, Any] = {"amr": methods}
        if tags:
            claims[TAGS_CLAIM] = {"principal_tags": {name: [tags[name]] for name in tags}}
        order = TokenOrder(COGNITO, identity.id, identity.pool_id, lifetime, claims)
        return self.issuers.issue(order)

    def known(self, identity_id: str) -> tuple[Identity, Pool]:
        """Return an identity and its pool, or refuse with ResourceNotFoundException."""
        identity = self.directory.get(identity_id)
        return identity, self.pools.get(identity.pool_id)

    def _enter(
        self, identity: Identity, pool: Pool, tokens: Mapping[str, str]
    ) -> tuple[Identity, list[Login]]:
        if tokens and not pool.client_ids:
            raise not_authorized(errors.LOGINS_DO_NOT_MATCH)
        logins = self.checks.logins(pool, tokens)
        if identity.disabled or (identity.has_logins and not logins):
            raise forbidden(identity.id)
        if not logins:
            if not pool.guest_access:
                raise not_authorized(errors.NO_GUESTS)
            return identity, logins
        if not identity.is_guest:
            self.directory.expect_login(identity, logins)
        return self.directory.link(identity, logins), logins

    def _enter_as_developer(
        self, identity: Identity, pool: Pool, developer_token: str, tokens: Mapping[str, str]
    ) -> tuple[list[Login], dict[str, str]]:
        developer = self.checks.cognito_login(pool, developer_token)
        if developer.subject != identity.id:
            raise not_authorized(errors.LOGINS_DO_NOT_MATCH)
        if identity.disabled:
            raise forbidden(identity.id)
        logins = self.checks.logins(pool, tokens)
        self.directory.link(identity, logins)
        tags: dict[str, list[str]] = developer.claims.get(TAGS_CLAIM, {}).get("principal_tags", {})
        return logins, {name: values[0] for name, values in tags.items()}
