"""A federated user's renewal: with the tokens that the session holds, else with a new one.

This file owns what a refusal means for the tokens and for the session.
"""

from collections.abc import Callable

from amplify_federation._cognito.decoding import Answer
from amplify_federation._cognito.errors import is_about_the_token
from amplify_federation._cognito.flow import by_good_logins
from amplify_federation._model.machine import CredentialsRenewed, Lapsed, TokenRefused
from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.state import Expired, Federated, SignedOut
from amplify_federation._model.values import Secret
from amplify_federation._session.context import Context
from amplify_federation._session.renewal.refresh_policy import is_usable
from amplify_federation._session.renewal.token_refresh import TokenRefresher
from amplify_federation.errors import AuthError, InvalidStateError


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
