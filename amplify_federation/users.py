"""FederatedUsers: the sessions of many users in one process, over one way to Cognito.

This file owns the public calls of a web backend. It must not know web frameworks.
"""

from types import TracebackType
from typing import Any, Self

from amplify_federation._async.background import Background
from amplify_federation._cognito.requests import checked_provider, checked_token
from amplify_federation._http.channel import Channel
from amplify_federation._http.line import Line
from amplify_federation._http.server_clock import ServerClock
from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.results.session import AuthSession
from amplify_federation._model.settings import AuthSettings
from amplify_federation._model.values import Secret
from amplify_federation._session.context import Sources, TokenSource
from amplify_federation._session.session import Session
from amplify_federation._users.bearers import Bearers
from amplify_federation._users.office import Office
from amplify_federation._users.shelf import Shelf
from amplify_federation.auth import (
    DEFAULT_SETTINGS,
    FederatedAuth,
    check_session_name,
    check_settings,
    checked_pool,
    default_store,
)
from amplify_federation.errors import InvalidStateError, ValidationError
from amplify_federation.pool import IdentityPool
from amplify_federation.stores.protocol import SessionStore

OPAQUE_TOKEN_LIFE = 300.0  # seconds


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
        settings: as for `FederatedAuth`; `timeout` is the deadline of each call.
        max_users: how many sessions stay in memory.
        opaque_token_life: seconds for which a bearer token that is no JWT, or has no `exp`, is
            taken without asking Cognito again.

    Raises:
        ConfigurationError: the pool or the client is malformed.
        ValidationError: the settings or a number are.
    """

    def __init__(  # noqa: PLR0913  # an application's choices, all keyword-only but the pool
        self,
        pool: IdentityPool | str,
        *,
        store: SessionStore | None = None,
        http_client: Any | None = None,  # noqa: ANN401  # httpx's, or its API-compatible successor's
        token_source: TokenSource | None = None,
        settings: AuthSettings = DEFAULT_SETTINGS,
        max_users: int = 10_000,
        opaque_token_life: float = OPAQUE_TOKEN_LIFE,
    ) -> None:
        checked = checked_pool(pool)
        check_settings(settings)
        _check_numbers(max_users, opaque_token_life)
        self._line = Line(checked.endpoint, http_client)
        self._office = Office(
            pool=checked,
            settings=settings,
            channel=Channel(self._line, ServerClock(settings.clock), settings.max_attempts),
            store=default_store() if store is None else store,
            shelf=Shelf(max_users),
            sources=Sources(token_source),
        )
        self._bearers = Bearers(self._office, opaque_life=opaque_token_life)
        self._closed = False

    def __repr__(self) -> str:
        pool_id = self._office.pool.identity_pool_id
        return f"<FederatedUsers {pool_id}: {len(self._office.shelf)} in memory>"

    async def __aenter__(self) -> Self:
        self._check_usable()
        self._office.background = Background()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End every session's events and close what was opened here; the stored sessions stay."""
        self._closed = True
        for session in self._office.shelf:
            await session.close()
        await self._line.aclose()

    def auth(self, user_id: str) -> FederatedAuth:
        """Return a handle of the user's own session; handles of one user share it.

        `user_id` has 1 to 128 characters and is the application's to choose: whoever may name one
        holds that user's session. It is the `session_name` of a `FederatedAuth` over the same
        store. Closing a handle leaves the session to the others. Raises `ValidationError` for a
        malformed id, `InvalidStateError` after `aclose`.
        """
        check_session_name(user_id)
        self._check_usable()
        return _Handle(self._office.pool, self._office.user_session(user_id))

    async def session_for(self, token: str, provider: AuthProvider) -> AuthSession:
        """Return the session of a bearer token; the token is federated once, then recognised.

        Only the very token that Cognito accepted is recognised, until its own `exp` is over. Its
        credentials are renewed as any session's; trouble with that sits in the fields.

        Raises `ValidationError` for a malformed token (nothing is sent), `NotAuthorizedError` for
        one that Cognito refuses, and `ServiceError`, `NetworkError` or `StoreError` for trouble
        with a token that is not known yet.
        """
        secret = Secret(token)
        del token  # this frame stands in every traceback from here
        checked_token(secret)
        if checked_provider(provider) == AuthProvider.DEVELOPER:
            message = "A developer login comes with an identity id; use `auth(user_id)` for it."
            raise ValidationError(message)
        self._check_usable()
        return await self._bearers.session_for(secret, provider)

    def _check_usable(self) -> None:
        if self._closed:
            message = "These users' sessions are closed."
            raise InvalidStateError(message, recovery_suggestion="Make a new `FederatedUsers`.")


class _Handle(FederatedAuth):
    """A handle of a session that `FederatedUsers` owns and closes."""

    def __init__(self, pool: IdentityPool, session: Session) -> None:
        self._pool = pool
        self._session = session

    async def aclose(self) -> None:
        """Do nothing: other handles may hold the session, which ends with `FederatedUsers`."""


def _check_numbers(max_users: object, opaque_token_life: object) -> None:
    if isinstance(max_users, bool) or not isinstance(max_users, int) or max_users < 1:
        message = "`max_users` must be a whole number, at least 1."
        raise ValidationError(message)
    if (
        isinstance(opaque_token_life, bool)
        or not isinstance(opaque_token_life, int | float)
        or not 0 <= opaque_token_life < float("inf")
    ):
        message = "`opaque_token_life` must be seconds, at least 0."
        raise ValidationError(message)
