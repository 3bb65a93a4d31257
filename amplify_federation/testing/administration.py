"""PoolAdministration: pools, identities, tokens and providers, as a test sets them up.

None of it is a call that an application makes for its user; those come over HTTP.
"""

import re
import threading
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve

from amplify_federation import AuthProvider
from amplify_federation.testing._openid.clients import ProviderSettings
from amplify_federation.testing._openid.issuers import Issuers, TokenOrder
from amplify_federation.testing._openid.provider import OpenIdProvider
from amplify_federation.testing._service import credentials
from amplify_federation.testing._service.directory import Directory, Identity
from amplify_federation.testing._service.errors import NOT_FOUND, ServiceRefusal
from amplify_federation.testing._service.operations import Operations
from amplify_federation.testing._service.pools import (
    Pool,
    PoolRoles,
    Pools,
    Providers,
    client_ids_by_key,
)
from amplify_federation.testing._service.tokens import Login, TokenChecks
from amplify_federation.testing.clock import ServerClock

_POOL_ID = r"[a-z0-9-]+:[0-9a-f-]{1,36}"
_DEFAULT_PROVIDERS = (
    AuthProvider.GOOGLE,
    AuthProvider.FACEBOOK,
    AuthProvider.AMAZON,
    AuthProvider.APPLE,
)


class PoolAdministration:
    """Pools, identities and tokens of a service in memory, for any thread."""

    def __init__(self, *, region: str, clock: ServerClock) -> None:
        self.region = region
        self._lock = threading.RLock()
        self._pools = Pools()
        self._issuers = Issuers(clock)
        self._directory = Directory(clock.time)
        self._provider = OpenIdProvider(self._issuers, clock, self._pools.client_ids_of)
        checks = TokenChecks(self._issuers, clock)
        self._operations = Operations(clock, self._pools, self._issuers, self._directory, checks)

    def create_identity_pool(  # noqa: PLR0913  # a pool's settings, each with a default
        self,
        providers: Providers = _DEFAULT_PROVIDERS,
        *,
        guest_access: bool = False,
        classic_flow: bool = False,
        roles: PoolRoles | None = None,
        region: str | None = None,
        name: str = "test pool",
        pool_id: str | None = None,
    ) -> str:
        """Create an identity pool and return its id.

        `providers`: the providers, or a mapping from provider to the client ids it takes (for
        `AuthProvider.DEVELOPER`, the developer provider names; for SAML, nothing). Without a
        mapping the client id is `DEFAULT_CLIENT_ID`. By default Google, Facebook, Amazon, Apple.
        `classic_flow` lets GetOpenIdToken answer. `pool_id`: an id that the application's
        configuration names, such as `us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768`; by
        default a new one. Raises `ValueError` for what is no pool's id, for the id of a pool that
        there is, and if `region` is another than the id's.
        """
        pool_id = self._free_id(region, pool_id)
        pool = Pool(
            pool_id,
            client_ids_by_key(providers),
            guest_access,
            classic_flow,
            roles or PoolRoles(),
            name=name,
        )
        self._pools.put(pool)
        return pool_id

    def update_identity_pool(
        self,
        pool_id: str,
        *,
        providers: Providers | None = None,
        guest_access: bool | None = None,
        classic_flow: bool | None = None,
        roles: PoolRoles | None = None,
    ) -> None:
        """Change what is given and leave the rest, as an administrator does.

        Raises `LookupError` if there is no such pool.
        """
        with self._lock:
            pool = self._pool(pool_id)
            if providers is not None:
                pool = evolve(pool, client_ids=client_ids_by_key(providers))
            if guest_access is not None:
                pool = evolve(pool, guest_access=guest_access)
            if classic_flow is not None:
                pool = evolve(pool, classic_flow=classic_flow)
            self._pools.put(evolve(pool, roles=roles or pool.roles))

    def identity_pools(self) -> list[str]:
        """Return the ids of all pools, oldest first."""
        with self._lock:
            return self._pools.ids()

    def delete_identity_pool(self, pool_id: str) -> None:
        """Delete a pool. Raises `LookupError` if there is none."""
        with self._lock:
            self._pools.remove(self._pool(pool_id).id)

    def delete_identity(self, identity_id: str) -> None:
        """Delete an identity; its logins are new ones from now on. No identity is no error."""
        with self._lock:
            self._directory.delete(identity_id)

    def issue_token(
        self,
        provider: AuthProvider,
        subject: str,
        *,
        audience: str | None = None,
        lifetime: float = 3600.0,
        claims: Mapping[str, Any] | None = None,
        forged: bool = False,
    ) -> str:
        """Return a token of the provider's kind for the user `subject`.

        `audience` is a client id, by default one that the newest pool with this provider takes;
        `lifetime` is in seconds, and negative for a token that is over. `claims` are added to the
        JWT, or replace its own; one that is `None` is left out. A `forged` token is not signed
        by the provider. Raises `ValueError` for `AuthProvider.DEVELOPER`.
        """
        if provider == AuthProvider.DEVELOPER:
            message = "Tokens of developer users are issued by `issue_developer_token`."
            raise ValueError(message)
        with self._lock:
            if audience is None:
                audience = self._pools.client_id_of(provider.login_key)
            order = TokenOrder(provider.login_key, subject, audience, lifetime, claims or {})
            return self._issuers.issue(order, forged=forged)

    def issue_developer_token(
        self,
        pool_id: str,
        user: str,
        *,
        identity_id: str | None = None,
        lifetime: float = 900.0,
    ) -> tuple[str, str]:
        """Return identity id and token as a backend gets them for its own user.

        This is GetOpenIdTokenForDeveloperIdentity, a signed call that SDKs for users never make.
        `lifetime` is in seconds. Raises `LookupError` if the pool has no developer provider or
        there is no such identity, `ValueError` if the identity is another developer user's.
        """
        with self._lock:
            names = self._pool(pool_id).client_ids.get(AuthProvider.DEVELOPER.login_key)
            if not names:
                message = f"The pool {pool_id} has no developer provider."
                raise LookupError(message)
            login = Login(min(names), user, {})
            identity = self._developer_identity(pool_id, user, identity_id)
            return identity.id, self._operations.cognito_token(identity, [login], lifetime)

    def set_up_provider(  # noqa: PLR0913  # a provider's behaviour, each with a default
        self,
        provider: AuthProvider,
        *,
        users: Sequence[str] | Mapping[str, Mapping[str, Any]] = ("alice", "bob"),
        clients: Mapping[str, Sequence[str]] | None = None,
        client_secrets: Mapping[str, str] | None = None,
        audience: str | None = None,
        lifetime: float = 3600.0,
        claims: Mapping[str, Any] | None = None,
        refresh_tokens: bool = True,
        device_interval: float | None = 5.0,
        signed_in: str | None = None,
        rotate_refresh_tokens: bool | None = None,
    ) -> None:
        """Choose how a provider's sign-in behaves; its endpoints are named by its discovery.

        `users` are offered on the sign-in page; as a mapping, each has claims of its own, such as
        `{"alice": {"cognito:roles": [...]}}`. `clients`: the redirect URIs of each client id;
        without it the client ids of the pools, with any URI on loopback. On loopback any port
        will do (RFC 8252). A client in `client_secrets` must authenticate, another must send a PKCE
        challenge. `audience`, `lifetime` (seconds) and `claims` are those of the ID tokens, as
        for `issue_token`; on the sign-in page a person may choose claims and lifetime, too.
        `refresh_tokens`: clients that ask as this provider wants (Google: `access_type=offline`,
        at the first consent or with `prompt=consent`; others: the scope `offline_access`; Apple and
        Cognito user pools: always) are given one. `rotate_refresh_tokens`: whether it is good once
        and replaced; by default as this provider does (Google, Apple and Cognito user pools: no).
        `device_interval`: seconds between polls of a device, `None` for a provider without the
        device flow. `signed_in`: a user who is signed in there already and allows whatever is
        asked; the page is shown only to a client that wants a new sign-in (`prompt=login`).
        """
        settings = ProviderSettings(
            dict(users) if isinstance(users, Mapping) else {user: {} for user in users},
            None if clients is None else {name: tuple(uris) for name, uris in clients.items()},
            client_secrets or {},
            audience,
            lifetime,
            claims or {},
            refresh_tokens,
            device_interval,
            signed_in,
            rotate_refresh_tokens,
        )
        with self._lock:
            self._provider.clients.set_up(provider.login_key, settings)

    def deactivate_token(self, token: str) -> None:
        """Have the provider take a token back: "Token is inactive"."""
        self._issuers.inactive.add(token)

    def discovery_document(self, provider: AuthProvider) -> dict[str, Any]:
        """Return the OpenID Connect discovery document of a provider."""
        return self._provider.discovery_document(provider.login_key)

    def jwks(self, provider: AuthProvider) -> dict[str, Any]:
        """Return the public keys of a provider, as a JSON Web Key Set."""
        return self._provider.jwks(provider.login_key)

    def read_session_token(self, session_token: str) -> credentials.IssuedCredentials:
        """Return which identity and role the fake issued these credentials for.

        Raises `ValueError` if it did not.
        """
        return credentials.read(session_token)

    def _free_id(self, region: str | None, pool_id: str | None) -> str:
        if pool_id is None:
            return f"{region or self.region}:{uuid.uuid4()}"
        if not re.fullmatch(_POOL_ID, pool_id, re.ASCII):
            message = f"{pool_id!r} is no id of an identity pool."
        elif pool_id in self._pools.ids():
            message = f"There is a pool {pool_id} already."
        elif region not in (None, pool_id.partition(":")[0]):
            message = f"The pool {pool_id} is not in {region}."
        else:
            return pool_id
        raise ValueError(message)

    def _developer_identity(self, pool_id: str, user: str, identity_id: str | None) -> Identity:
        try:
            return self._operations.developer_identity(self._pools.get(pool_id), user, identity_id)
        except ServiceRefusal as refused:
            code, message = refused.code, refused.message
        raise LookupError(message) if code == NOT_FOUND else ValueError(message)

    def _pool(self, pool_id: str) -> Pool:
        try:
            return self._pools.get(pool_id)
        except ServiceRefusal:
            message = f"There is no identity pool {pool_id}."
        raise LookupError(message)
