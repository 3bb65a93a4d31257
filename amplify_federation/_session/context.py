"""The objects that the modules of one session share, and the sources of an application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from attrs import define, field

from amplify_federation._model.state import Grant
from amplify_federation.errors import InvalidStateError

if TYPE_CHECKING:
    from anyio import CapacityLimiter

    from amplify_federation._async.background import Background
    from amplify_federation._async.broadcast import Broadcast
    from amplify_federation._cognito.decoding import Answer
    from amplify_federation._http.client import CognitoClient
    from amplify_federation._http.server_clock import ServerClock
    from amplify_federation._model.machine import AuthEvent
    from amplify_federation._model.providers import AuthProvider
    from amplify_federation._model.refresh_grant import RefreshGrant
    from amplify_federation._model.results import TokenRequest, UserPoolTokens
    from amplify_federation._model.settings import AuthSettings
    from amplify_federation._model.state import Login
    from amplify_federation._session.repository import SessionRepository
    from amplify_federation.pool import IdentityPool
    from amplify_federation.stores.protocol import SessionStore


class TokenSource(Protocol):
    """An asynchronous function of the application that brings a new token of a provider."""

    def __call__(self, request: TokenRequest, /) -> Awaitable[str]:
        """Return a new token of the same user."""
        ...


class UserPool(Protocol):
    """A user pool as the application signs in to it."""

    @property
    def provider(self) -> AuthProvider:
        """The provider: `AuthProvider.cognito_user_pool(...)`."""
        ...

    async def tokens(self) -> UserPoolTokens | None:
        """Return the present tokens, refreshed by the application, or `None`: signed out."""
        ...


class Sources(NamedTuple):
    """Where a session gets what it was not given."""

    token_source: TokenSource | None = None
    user_pool: UserPool | None = None


NO_SOURCES = Sources()


@define(eq=False, repr=False)  # compared by identity
class Context:
    """What the modules of one session share."""

    pool: IdentityPool
    settings: AuthSettings
    store: SessionStore
    client: CognitoClient
    repository: SessionRepository
    events: Broadcast[AuthEvent]
    token_source: TokenSource | None = field(default=None)
    background: Background | None = field(default=None)  # set inside `async with`
    limiter: Callable[[], CapacityLimiter] | None = field(
        default=None
    )  # bounds many users' federations

    @property
    def clock(self) -> ServerClock:
        """The clock on Cognito's time."""
        return self.client.clock

    def refresh_grant(self) -> RefreshGrant | None:
        """Return the refresh grant that is used without a `token_source`, if there is one."""
        if self.token_source is not None:
            return None
        logins: tuple[Login, ...] = getattr(self.repository.state, "linked_logins", ())
        return next((login.refresh_grant for login in logins if login.refresh_grant), None)

    @property
    def has_source(self) -> bool:
        """Whether a new token can be asked for: of the application, or of the provider."""
        return self.token_source is not None or self.refresh_grant() is not None

    def grant_from(self, answer: Answer) -> Grant:
        """Return what Cognito gave, issued now. The identity is the answer's: identities merge."""
        if answer.credentials is None:  # pragma: no cover  # decode() has seen to it
            raise AssertionError
        return Grant(answer.identity_id, answer.credentials, self.clock.now())

    def may_take(self, login: Login) -> bool:
        """Tell whether Cognito may still take a login's stored token.

        While the service's time is in doubt, the token's own end says nothing: ask Cognito then.
        """
        if login.token is None:
            return False
        from amplify_federation._model.claims import token_helps  # noqa: PLC0415 - see _session

        return not self.clock.is_known or token_helps(login, self.clock.now())

    def same_session(self) -> Callable[[], None]:
        """Return a check that raises `InvalidStateError` once this is another session."""
        repository = self.repository
        federation_id = repository.record.federation_id

        def check() -> None:
            if repository.replaced or repository.record.federation_id != federation_id:
                message = "The session was cleared or replaced in the meantime."
                raise InvalidStateError(message)

        return check
