"""The two kinds of renewal: a federated user's, with a held token, and a guest's, without any.

This file owns what a refusal means: for the token, for the session, for the guest.
"""

from collections.abc import Callable

from amplify_federation._cognito.answers import Answer
from amplify_federation._cognito.faults import is_about_the_token
from amplify_federation._cognito.flow import by_identity, by_known_identity, by_login
from amplify_federation._core.expiry import token_helps
from amplify_federation._core.providers import AuthProvider
from amplify_federation._core.state import (
    CredentialsRenewed,
    Federated,
    GuestArrived,
    Lapsed,
    SignedOut,
    TokenRefused,
)
from amplify_federation._core.values import Secret
from amplify_federation._session.context import Context
from amplify_federation._session.lifespan import grant_of, lifespan_of
from amplify_federation.errors import AuthError, InvalidStateError, NotAuthorizedError

REFUSED_GUESTS_PAUSE = 60.0  # seconds for which a pool's "no guests" is remembered


class FederatedRenewal:
    """Renews with the tokens that the session holds: no GetId, the stored identity."""

    __slots__ = ("_context",)

    def __init__(self, context: Context) -> None:
        self._context = context

    def can_help(self) -> bool:
        """Tell whether a held token may still be taken."""
        return bool(self._tokens())

    async def renew(self) -> AuthError | None:
        """Ask Cognito with the held tokens and book what it says."""
        state = self._state()
        tokens = self._tokens()
        flow = by_identity(self._context.pool.members, state.identity_id, tokens)
        admit = self._context.same_session()
        outcome = await self._context.channel.converse(flow)
        keeper = self._context.keeper
        if isinstance(outcome, Answer):
            event = CredentialsRenewed(self._context.grant_from(outcome))
            await keeper.commit(event, keeper.record.lineage, admit)
            return None
        if not is_about_the_token(outcome):
            return outcome
        if self._is_over():
            return await self.give_up()
        for provider in tokens:
            await keeper.commit(TokenRefused(provider), keeper.record.lineage, admit)
        return outcome

    async def give_up(self) -> AuthError | None:
        """Book that nothing held helps any more."""
        keeper = self._context.keeper
        await keeper.commit(Lapsed(), keeper.record.lineage, self._still_federated())
        return None

    def _state(self) -> Federated:
        state = self._context.keeper.state
        if not isinstance(state, Federated):
            message = "The session is not federated any more."
            raise InvalidStateError(message)
        return state

    def _tokens(self) -> dict[AuthProvider, Secret]:
        now = self._context.clock.now()
        return {
            login.provider: login.token
            for login in self._state().held
            if login.token is not None and token_helps(login, now)
        }

    def _is_over(self) -> bool:
        context = self._context
        grant = grant_of(context.keeper.state)
        if grant is None:
            return True
        return lifespan_of(grant, context.settings, context.keeper.ahead).is_over(context.clock)

    def _still_federated(self) -> Callable[[], None]:
        same = self._context.same_session()

        def check() -> None:
            same()
            self._state()

        return check


class GuestRenewal:
    """Gets and renews a guest's credentials, under one guest identity."""

    __slots__ = ("_context", "_refusal", "_refused_until")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._refusal: AuthError | None = None
        self._refused_until = float("-inf")

    def can_help(self) -> bool:
        """Tell whether asking makes sense: not right after the pool refused guests."""
        return self._context.clock.monotonic() >= self._refused_until

    async def renew(self) -> AuthError | None:
        """Ask Cognito for the known guest's credentials, or for a new guest."""
        keeper, members = self._context.keeper, self._context.pool.members
        guest = grant_of(keeper.state)
        if guest is None:
            flow = by_login(members, {})
        else:
            flow = by_known_identity(members, guest.identity_id, {})
        admit = self._still_signed_out()
        outcome = await self._context.channel.converse(flow)
        if isinstance(outcome, Answer):
            grant = self._context.grant_from(outcome)
            await keeper.commit(GuestArrived(grant), keeper.record.lineage, admit)
            return None
        if isinstance(outcome, NotAuthorizedError):
            self._refusal = outcome
            self._refused_until = self._context.clock.monotonic() + REFUSED_GUESTS_PAUSE
        return outcome

    async def give_up(self) -> AuthError | None:
        """Return the refusal that is remembered."""
        return self._refusal

    def _still_signed_out(self) -> Callable[[], None]:
        same = self._context.same_session()

        def check() -> None:
            same()
            if not isinstance(self._context.keeper.state, SignedOut):
                message = "Somebody signed in meanwhile."
                raise InvalidStateError(message)

        return check
