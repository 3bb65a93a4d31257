"""FederatedUsers: the sessions of many users in one process, over one client of Cognito.

This file owns the public calls of a web backend. It must not know web frameworks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib import import_module
from typing import Any, Never, Self

from amplify_federation._async.background import Background
from amplify_federation._cognito.requests import checked_token
from amplify_federation._http.client import CognitoClient
from amplify_federation._model.auth_session import AuthSession
from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.settings import AuthSettings
from amplify_federation._model.state import SignedOut, State
from amplify_federation._model.values import Secret
from amplify_federation._session.arguments import (
    DEFAULT_SETTINGS,
    check_count,
    check_seconds,
    check_session_name,
    check_settings,
    checked_pool,
    checked_source,
    checked_store,
)
from amplify_federation._session.context import Sources, TokenSource, UserPool
from amplify_federation._session.session import Session, record_name
from amplify_federation._session.session_factory import SessionFactory
from amplify_federation._session.views import view_of
from amplify_federation._users.bearer_sessions import (
    Bearer,
    BearerSessions,
    SeenState,
)
from amplify_federation._users.issuing_provider import Providers, issuing_provider
from amplify_federation._users.session_cache import SessionCache
from amplify_federation.auth import FederatedAuth
from amplify_federation.errors import (
    NetworkError,
    ServiceError,
    SignedOutError,
    StoreUnavailableError,
    ValidationError,
)
from amplify_federation.pool import IdentityPool
from amplify_federation.stores.protocol import ChecksService, ChecksWriting, SessionStore

logger = logging.getLogger("amplify_federation")
_NEEDED_BY_CALLS = (
    "amplify_federation._http.senders",
    "amplify_federation._session.federation",
    "amplify_federation._session.renewal",
)
OPAQUE_TOKEN_LIFE = 300.0  # seconds
MAX_FEDERATIONS = 128  # each takes a connection and a lease: well below the usual 1,024 descriptors


class FederatedUsers:
    """Many users' sessions with one identity pool.

    All of them share one HTTP connection pool, one retry quota and one store. At most `max_users`
    sessions stay in memory; the least recently used goes first, and comes back from the store.

    Args:
        pool: an `IdentityPool` or its id.
        store: keeps the sessions; by default an `EncryptedFileStore`. Share a `RedisStore` where
            there are several machines. It is not closed here.
        http_client: an `httpx.AsyncClient` of your own, which is not closed here.
        token_source: asked for a new provider token when a user's stored one no longer helps. Not
            asked for the sessions of bearer tokens, whose callers bring the token.
        user_pool: for backends whose users sign in to a user pool: given a user id, returns that
            user's `user_pool` as for `FederatedAuth`, or `None`. Called when `auth(user_id)` makes
            a session. Bearer tokens of a user pool need none: give `session_for` its provider.
        settings: as for `FederatedAuth`; `timeout` is the deadline of each call.
        max_users: how many sessions stay in memory.
        max_federations: how many bearers' federations, and renewals of any session, are under way
            at the same time; the rest wait in a queue until their deadline.
        opaque_token_life: seconds for which a bearer token that is no JWT, or has no `exp`, is
            taken without asking Cognito again.

    Entering it as an async context manager checks the key, the folder or the server of the store,
    and raises `ConfigurationError` or `StoreError`; it loads what calls need, too. A server that is
    down is no error then: it is logged, and calls raise `StoreUnavailableError` until it serves.

    Raises:
        ConfigurationError: the pool, the store or the client is malformed.
        ValidationError: the settings, a number, `token_source` or `user_pool` are.
    """

    def __init__(  # noqa: PLR0913  # an application's choices, all keyword-only but the pool
        self,
        pool: IdentityPool | str,
        *,
        store: SessionStore | None = None,
        http_client: Any | None = None,  # noqa: ANN401  # httpx's, or its API-compatible successor's
        token_source: TokenSource | None = None,
        user_pool: Callable[[str], UserPool | None] | None = None,
        settings: AuthSettings = DEFAULT_SETTINGS,
        max_users: int = 10_000,
        max_federations: int = MAX_FEDERATIONS,
        opaque_token_life: float = OPAQUE_TOKEN_LIFE,
    ) -> None:
        checked = checked_pool(pool)
        check_settings(settings)
        check_count("max_users", max_users)
        check_count("max_federations", max_federations)
        check_seconds("opaque_token_life", opaque_token_life)
        if user_pool is not None and not callable(user_pool):
            message = "`user_pool` must be a callable that returns the user pool of a user id."
            raise ValidationError(message)
        self._client = CognitoClient(
            checked.endpoint, http_client, settings, owner="FederatedUsers"
        )
        self._factory = SessionFactory(
            pool=checked,
            settings=settings,
            client=self._client,
            max_leases=max_federations,
        )
        self._cache = SessionCache(max_users)
        self._token_source = checked_source(token_source)
        self._user_pool = user_pool
        records = self._records = checked_store(store)
        self._store = self._factory.bounded(records)
        self._bearers = BearerSessions(
            self._factory, self._cache, records, opaque_life=opaque_token_life
        )

    def __repr__(self) -> str:
        pool_id = self._factory.pool.identity_pool_id
        return f"<FederatedUsers {pool_id}: {len(self._cache)} in memory>"

    def __reduce__(self) -> Never:
        message = "Sessions stay in their process; open them over the same store in the other."
        raise TypeError(message)

    async def __aenter__(self) -> Self:
        self._factory.check_usable()
        await self._check_store()
        for name in _NEEDED_BY_CALLS:  # now: the first calls may come in a burst
            import_module(name)
        self._factory.background = Background()
        return self

    async def _check_store(self) -> None:
        """Find a key, folder or server that is wrong before the first user does.

        An outage of the server is logged only: a backend starts through it, as it serves through
        one that comes later.
        """
        try:
            if isinstance(self._records, ChecksService):
                await self._records.check()
            elif isinstance(self._records, ChecksWriting):
                await self._records.check_writable()
        except StoreUnavailableError as error:
            if not isinstance(self._records, ChecksService) or not error.retryable:
                raise
            logger.warning(
                "The store does not serve while the users' sessions start: %s",
                error.message,
                extra={"event": "store_unavailable"},
            )

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End every session's events and close what was opened here; the stored sessions stay.

        Raises `InvalidStateError` in another event loop than that of the calls.
        """
        self._client.loop_guard.check_closing()
        self._factory.closed = True
        for session in self._cache:
            await session.close()
        await self._client.aclose()

    def auth(self, user_id: str) -> FederatedAuth:
        """Return a handle of the user's own session; handles of one user share it.

        The application chooses `user_id`, of 1 to 128 characters: a caller that can choose it can
        use that user's session. It is the `session_name` of a `FederatedAuth` over the same store.
        Closing a handle leaves the session to the others. Raises `ValidationError` for a
        malformed id, `InvalidStateError` after `aclose`.
        """
        check_session_name(user_id)
        self._factory.check_usable()
        return _Handle(self._factory.pool, self._user_session(user_id))

    async def session_for(self, token: str, provider: Providers) -> AuthSession:
        """Return the session of a bearer token; the token is federated once, then recognised.

        Only the very token that Cognito accepted is recognised, until its own `exp` is over. Its
        credentials are renewed as any session's; trouble with that sits in the fields. What is
        returned is a value: `bearer` gives what follows renewals.

        `provider` is whose token it is, or several that are allowed: then the token's own `iss`
        chooses one of them (a token without `iss` is taken for the one of them that issues such),
        and Cognito decides whether it is so.

        Raises `ValidationError` for a malformed token or one of no allowed provider (nothing is
        sent), `NotAuthorizedError` for one that Cognito refuses, `SignedOutError` for one that was
        signed out with `sign_out`, and `ServiceError`,
        `NetworkError` or `StoreError` for trouble with a token that is not known yet.
        """
        secret = Secret(token)
        del token  # this frame stands in every traceback from here
        return await self._bearers.session_for(self._checked_bearer(secret, provider))

    async def sign_out(self, token: str, provider: Providers) -> None:
        """Sign a bearer token out: no process over this store takes it any more.

        Others notice within a second. The user's other tokens, and credentials that were handed
        out, go on until they are over; signing out at the identity provider is the application's.
        It is remembered for as long as the token is good: of one that does not tell, or that is
        good for more than a day, as long as the store keeps users' sessions. A token that no
        process has accepted is exchanged first; one that Cognito refuses needs no sign-out.

        Raises `ValidationError` for a malformed token or one of no allowed provider, `StoreError`
        if it cannot be written, and what `session_for` raises for a token that is not known yet.
        """
        secret = Secret(token)
        del token  # this frame stands in every traceback from here
        await self._bearers.sign_out(self._checked_bearer(secret, provider))

    def bearer(self, token: str, provider: Providers) -> FederatedBearer:
        """Return the live session of a bearer token, for AWS clients and jobs. Makes no call.

        Its first fetch exchanges the token as `session_for` does, with the same cache. From then
        on it serves and renews as long as Cognito gives credentials, beyond the token's own `exp`
        until the last credentials are over, so a job may outlive the request. Takes and raises
        what `session_for` does for malformed arguments.
        """
        secret = Secret(token)
        del token  # this frame stands in every traceback from here
        self._factory.check_usable()
        return FederatedBearer(self._factory, self._bearers, self._checked_bearer(secret, provider))

    def _user_session(self, user_id: str) -> Session:
        name = record_name(self._factory.pool, user_id)
        session = self._cache.get(name)
        if not isinstance(session, Session):
            user_pool = None if self._user_pool is None else self._user_pool(user_id)
            sources = Sources(self._token_source, user_pool)
            session = self._factory.make(name, self._store, sources)
            self._cache.put(session)
        return session

    def _checked_bearer(self, token: Secret, provider: Providers) -> Bearer:
        checked_token(token)
        return self._bearers.bearer(token, issuing_provider(token, provider))


class FederatedBearer:
    """The live session of one bearer token; made by `FederatedUsers.bearer`.

    The integrations take it where they take a `FederatedAuth`. It keeps the token in memory as long
    as it lives. Two of one token are equal, so it serves as the key of a cache of clients.
    """

    __slots__ = ("__weakref__", "_accepted", "_bearer", "_bearers", "_factory", "_seen")

    def __init__(self, factory: SessionFactory, bearers: BearerSessions, bearer: Bearer) -> None:
        self._factory = factory
        self._bearers = bearers
        self._bearer = bearer
        self._accepted = False
        self._seen: SeenState | None = None

    def __repr__(self) -> str:
        return f"<FederatedBearer of {self._bearer.provider.login_key}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FederatedBearer):
            return NotImplemented
        return self._bearers is other._bearers and self._bearer.name == other._bearer.name

    def __hash__(self) -> int:
        return hash((id(self._bearers), self._bearer.name))

    @property
    def pool(self) -> IdentityPool:
        """The identity pool."""
        return self._factory.pool

    @property
    def provider(self) -> AuthProvider:
        """The provider whose token it is."""
        return self._bearer.provider

    @property
    def settings(self) -> AuthSettings:
        """How the session behaves; its clock, too."""
        return self._factory.settings

    @property
    def state(self) -> State:
        """`SignedOut`, `Federated` or `Expired`, as far as this process has it in memory.

        The same object until the session changes. It is `SignedOut` before the first fetch of any
        `FederatedBearer` of this token, and after the session left the memory.
        """
        self._seen = self._bearers.state_of(self._bearer, self._seen)
        return self._seen.state

    async def fetch_auth_session(self, *, force_refresh: bool = False) -> AuthSession:
        """Return the session, with credentials that are renewed when they are over.

        A token that Cognito refuses or that was signed out, and trouble with the service or the
        network, sit in the fields and are not raised. Raises `StoreError` if the store cannot be
        read and no credentials in memory serve, `InvalidStateError` after `FederatedUsers.aclose`.
        """
        try:
            view = await self._bearers.session_for(
                self._bearer, force=force_refresh and self._accepted, accepted=self._accepted
            )
        except (ServiceError, NetworkError, SignedOutError) as error:
            failure = error.fresh_copy()
        else:
            self._accepted = True
            return view
        return view_of(SignedOut(), failure)


class _Handle(FederatedAuth):
    """A handle of a session that `FederatedUsers` owns and closes."""

    def __init__(self, pool: IdentityPool, session: Session) -> None:
        self._pool = pool
        self._session = session

    async def aclose(self) -> None:
        """Do nothing: other handles may hold the session, which ends with `FederatedUsers`."""
