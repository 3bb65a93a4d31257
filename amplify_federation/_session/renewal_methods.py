"""The calls that renew credentials: a federated user's, by tokens; a guest's, without any login.

A federated session is renewed with its stored tokens, else with a new one. This file owns what a
refusal means for the tokens and for the session.
"""

from collections.abc import Callable

from amplify_federation._cognito.decoding import Answer
from amplify_federation._cognito.errors import is_about_the_token
from amplify_federation._cognito.flow import by_good_logins, by_known_identity, by_login
from amplify_federation._model.machine import CredentialsRenewed, GuestArrived, Lapsed, TokenRefused
from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.state import Expired, Federated, SignedOut
from amplify_federation._model.values import Secret
from amplify_federation._session.context import Context
from amplify_federation._session.refresh_policy import grant_of, is_usable
from amplify_federation._session.token_refresh import TokenRefresher
from amplify_federation.errors import AuthError, InvalidStateError, NotAuthorizedError


class FederatedRenewal:
    """Renews with the tokens that the session holds: no GetId, the stored identity."""

    __slots__ = ("_context", "token_refresher")

    def __init__(self, context: Context) -> None:
        self._context = context
        self.token_refresher = TokenRefresher(context)

    def can_help(self) -> bool:
        """Tell whether a held token may still be taken, or a new one be asked for."""
        return bool(self._tokens()) or self.token_refresher.is_ready()

    async def renew(self) -> AuthError | None:
        """Ask Cognito with the held tokens, or the application for a new one; book the outcome."""
        tokens = self._tokens()
        if not tokens:
            return await self._ask("token_expired" if self._held_token() else "token_missing")
        refused: list[AuthProvider] = []
        state, repository = self._signed_in(), self._context.repository
        precondition = self._context.same_session()
        outcome = await self._context.client.converse(
            by_good_logins(self._context.pool.members, state.identity_id, tokens, refused=refused)
        )
        if isinstance(outcome, Answer):
            event = CredentialsRenewed(self._context.grant_from(outcome))
            await repository.commit(event, repository.record.federation_id, precondition, keep=True)
        elif not is_about_the_token(outcome):
            return outcome
        elif self.token_refresher.is_ready():
            return await self._ask("token_refused")
        elif not is_usable(self._context):
            return await self.give_up()
        for provider in refused:
            await repository.commit(
                TokenRefused(provider), repository.record.federation_id, precondition
            )
        return None if isinstance(outcome, Answer) else outcome

    async def give_up(self) -> AuthError | None:
        """Book that nothing held helps any more; return why, if the application's source failed."""
        repository = self._context.repository
        if isinstance(repository.state, Federated):
            await repository.commit(
                Lapsed(), repository.record.federation_id, self._still_federated()
            )
        return self.token_refresher.failure

    async def _ask(self, reason: str) -> AuthError | None:
        error = await self.token_refresher.ask(self._signed_in(), reason)
        # A source that failed is the end of credentials that are over; a fault on the way is not.
        if (
            error is not None
            and error is self.token_refresher.failure
            and not is_usable(self._context)
        ):
            return await self.give_up()
        return error

    def _signed_in(self) -> Federated | Expired:
        state = self._context.repository.state
        if isinstance(state, SignedOut):
            message = "The session is not federated any more."
            raise InvalidStateError(message)
        return state

    def _held_token(self) -> bool:
        return any(login.token is not None for login in self._signed_in().held)

    def _tokens(self) -> dict[AuthProvider, Secret]:
        return {
            login.provider: login.token
            for login in self._signed_in().held
            if login.token is not None and self._context.may_take(login)
        }

    def _still_federated(self) -> Callable[[], None]:
        same = self._context.same_session()

        def check() -> None:
            same()
            if not isinstance(self._context.repository.state, Federated):
                message = "The session has lapsed already."
                raise InvalidStateError(message)

        return check


REFUSED_GUESTS_PAUSE = 60.0  # seconds for which a pool's "no guests" is remembered


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
        repository, members = self._context.repository, self._context.pool.members
        guest = grant_of(repository.state)
        if guest is None:
            flow = by_login(members, {})
        else:
            flow = by_known_identity(members, guest.identity_id, {})
        precondition = self._still_signed_out()
        outcome = await self._context.client.converse(flow)
        if isinstance(outcome, Answer):
            grant = self._context.grant_from(outcome)
            await repository.commit(
                GuestArrived(grant), repository.record.federation_id, precondition, keep=True
            )
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
            if not isinstance(self._context.repository.state, SignedOut):
                message = "Somebody signed in meanwhile."
                raise InvalidStateError(message)

        return check
