"""FakeCognito: an Amazon Cognito Identity in memory that checks what the service checks.

This file is the front desk: it owns nothing but the public calls. What the service decides is in
`_service`, how it is reached in `_wire`.
"""

import uuid
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from attrs import evolve

from amplify_federation._core.providers import AuthProvider
from amplify_federation.testing._service import credentials
from amplify_federation.testing._service.checks import Login, TokenChecks
from amplify_federation.testing._service.directory import Directory
from amplify_federation.testing._service.issuers import Issuers, TokenOrder
from amplify_federation.testing._service.operations import Operations
from amplify_federation.testing._service.pools import Pool, PoolRoles, Pools, Providers
from amplify_federation.testing._service.refusal import Refusal
from amplify_federation.testing._wire.endpoint import Endpoint
from amplify_federation.testing._wire.faults import Fault, Quotas
from amplify_federation.testing._wire.issuer_pages import discovery_document, jwks
from amplify_federation.testing._wire.messages import Call
from amplify_federation.testing.clock import ServerClock, TimeSource

if TYPE_CHECKING:
    import respx

    from amplify_federation.testing._wire.in_process import InProcessTransport
    from amplify_federation.testing._wire.server import LoopbackServer

_DEFAULT_PROVIDERS = (
    AuthProvider.GOOGLE,
    AuthProvider.FACEBOOK,
    AuthProvider.AMAZON,
    AuthProvider.APPLE,
)


class FakeCognito:
    """An embedded Cognito Identity for tests.

    `region`: where its pools are, unless a pool says otherwise. `clock`: anything with `time()`,
    such as a `ManualClock` shared with the session under test; by default the machine's clock,
    which `advance` moves for the fake alone. `quotas`: calls per second by operation, none by
    default; `AWS_QUOTAS` has those of AWS.
    """

    def __init__(
        self,
        *,
        region: str = "us-west-2",
        clock: TimeSource | None = None,
        quotas: Mapping[str, float] | None = None,
    ) -> None:
        self.region = region
        self.calls: list[Call] = []
        self._clock = ServerClock(clock)
        self._pools = Pools()
        self._issuers = Issuers(self._clock)
        self._directory = Directory()
        checks = TokenChecks(self._issuers, self._clock)
        self._operations = Operations(
            self._clock, self._pools, self._issuers, self._directory, checks
        )
        limits = Quotas(quotas or {}, self._clock)
        self._endpoint = Endpoint(self._operations, limits, self.calls.append)

    def __repr__(self) -> str:
        return f"<FakeCognito {self.region}: {len(self._pools)} pools, {len(self.calls)} calls>"

    # Pools and identities

    def create_identity_pool(
        self,
        providers: Providers = _DEFAULT_PROVIDERS,
        *,
        guest_access: bool = False,
        classic_flow: bool = False,
        roles: PoolRoles | None = None,
        region: str | None = None,
    ) -> str:
        """Create an identity pool and return its id.

        `providers`: the providers, or a mapping from provider to the client ids it takes (for
        `AuthProvider.DEVELOPER`, the developer provider names; for SAML, nothing). Without a
        mapping the client id is `DEFAULT_CLIENT_ID`. By default Google, Facebook, Amazon, Apple.
        `classic_flow` lets GetOpenIdToken answer.
        """
        pool_id = f"{region or self.region}:{uuid.uuid4()}"
        pool = Pool(pool_id, providers, guest_access, classic_flow, roles or PoolRoles())
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
        with self._endpoint.lock:
            pool = self._pool(pool_id)
            if providers is not None:
                pool = evolve(pool, client_ids=providers)
            if guest_access is not None:
                pool = evolve(pool, guest_access=guest_access)
            if classic_flow is not None:
                pool = evolve(pool, classic_flow=classic_flow)
            self._pools.put(evolve(pool, roles=roles or pool.roles))

    def delete_identity_pool(self, pool_id: str) -> None:
        """Delete a pool. Raises `LookupError` if there is none."""
        with self._endpoint.lock:
            self._pools.remove(self._pool(pool_id).id)

    def delete_identity(self, identity_id: str) -> None:
        """Delete an identity; its logins are new ones from now on. No identity is no error."""
        with self._endpoint.lock:
            self._directory.delete(identity_id)

    # Tokens

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
        by the provider.
        """
        with self._endpoint.lock:
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
        `lifetime` is in seconds. Raises `LookupError` if the pool has no developer provider.
        """
        with self._endpoint.lock:
            names = self._pool(pool_id).client_ids.get(AuthProvider.DEVELOPER.login_key)
            if not names:
                message = f"The pool {pool_id} has no developer provider."
                raise LookupError(message)
            login = Login(min(names), user, {})
            identity = self._operations.developer_identity(pool_id, login, identity_id)
            return identity.id, self._operations.cognito_token(identity, [login], lifetime)

    def deactivate_token(self, token: str) -> None:
        """Have the provider take a token back: "Token is inactive"."""
        self._issuers.inactive.add(token)

    def discovery_document(self, provider: AuthProvider) -> dict[str, Any]:
        """Return the OpenID Connect discovery document of a provider."""
        return discovery_document(provider.login_key)

    def jwks(self, provider: AuthProvider) -> dict[str, Any]:
        """Return the public keys of a provider, as a JSON Web Key Set."""
        return jwks(provider.login_key)

    def read_session_token(self, session_token: str) -> credentials.IssuedCredentials:
        """Return which identity and role the fake issued these credentials for.

        Raises `ValueError` if it did not.
        """
        return credentials.read(session_token)

    # Faults and time

    def fail_next(  # noqa: PLR0913  # a fault is one sentence, and each word may stand alone
        self,
        code: str | None = None,
        *,
        operation: str | None = None,
        times: int = 1,
        status: int | None = None,
        retry_after_ms: object = None,
        delay: float = 0.0,
        cut_connection: bool = False,
        message: str | None = None,
    ) -> None:
        """Have the next `times` calls (of `operation`) fail; several faults queue up.

        `code` is the error code; `status` the HTTP status (alone: an answer without a code);
        `retry_after_ms` the header `x-amz-retry-after`; `delay` seconds before the answer, on the
        real clock; `cut_connection` closes the connection in place of the answer. Without `code`
        and `status` the call is carried out, and its answer late or lost.
        """
        fault = Fault(
            code, operation, times, status, retry_after_ms, delay, cut_connection, message
        )
        with self._endpoint.lock:
            self._endpoint.faults.add(fault)

    def clear_faults(self) -> None:
        """Forget the faults that have not happened yet."""
        with self._endpoint.lock:
            self._endpoint.faults.clear()

    def time(self) -> float:
        """Return the server's time, in seconds since the epoch."""
        return self._clock.time()

    def advance(self, seconds: float) -> None:
        """Let time pass, on a shared `ManualClock` too. Raises `ValueError` if negative."""
        self._clock.advance(seconds)

    @property
    def skew(self) -> float:
        """How far the server's clock is ahead of its source, in seconds. May be set."""
        return self._clock.skew

    @skew.setter
    def skew(self, seconds: float) -> None:
        self._clock.skew = seconds

    # The ways in

    @cached_property
    def transport(self) -> "InProcessTransport":
        """The fake as `httpx.AsyncClient(transport=...)`, for any host, without a socket."""
        from amplify_federation.testing._wire.in_process import (  # noqa: PLC0415  # httpx: 100 ms
            InProcessTransport,
        )

        return InProcessTransport(self._endpoint.answer)

    def route(self, router: "respx.Router") -> "respx.Route":
        """Have a respx router send calls of Cognito here; return the route, for its `calls`."""
        from amplify_federation.testing._wire.in_process import (  # noqa: PLC0415  # httpx: 100 ms
            add_route,
        )

        return add_route(router, self.transport)

    def serve(self, *, host: str = "127.0.0.1", port: int = 0) -> "LoopbackServer":
        """Serve on loopback HTTP: `async with fake.serve() as url`, or plain `with`.

        A free port unless one is given. Needs the extra `testing`.
        """
        from amplify_federation.testing._wire.server import (  # noqa: PLC0415  # asyncio, sockets
            LoopbackServer,
        )

        return LoopbackServer(self._endpoint.answer, host=host, port=port)

    def _pool(self, pool_id: str) -> Pool:
        try:
            return self._pools.get(pool_id)
        except Refusal:
            message = f"There is no identity pool {pool_id}."
        raise LookupError(message)
