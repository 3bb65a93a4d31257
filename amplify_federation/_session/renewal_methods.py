"""The calls that renew credentials: a federated user's, by tokens; a guest's, without any login.

A federated session is renewed with its stored tokens, else with a new one. This file owns what a
refusal means for the tokens and for the session.
"""

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
        """Tell whether Cognito may still take a stored token, or a new one may be had."""
        return bool(self._tokens()) or self.token_refresher.is_ready()

    async def renew(self) -> None:
        """Call Cognito with the stored tokens, or get a new one; commit what comes of it."""
        tokens = self._tokens()
        if not tokens:
            await self._refresh_token("token_expired" if self._has_token() else "token_missing")
            return
        refused: list[AuthProvider] = []
        state, repository = self._signed_in(), self._context.repository
        precondition = self._context.same_session()
        refusal: AuthError | None = None
        try:
            answer = await self._context.client.call(
                by_good_logins(
                    self._context.pool.members, state.identity_id, tokens, refused=refused
                )
            )
        except AuthError as error:
            if not is_about_the_token(error):
                raise
            refusal = error.fresh_copy()
        else:
            event = CredentialsRenewed(self._context.grant_from(answer))
            await repository.commit(event, repository.record.federation_id, precondition, keep=True)
        if refusal is not None and self.token_refresher.is_ready():
            await self._refresh_token("token_refused")
            return
        if refusal is not None and not is_usable(self._context):
            await self.give_up()
            return
        for provider in refused:
            await repository.commit(
                TokenRefused(provider), repository.record.federation_id, precondition
            )
        if refusal is not None:
            raise refusal

    async def give_up(self) -> None:
        """Record that no stored token helps any more; raise why, if getting a new one failed."""
        repository = self._context.repository
        if isinstance(repository.state, Federated):
            precondition = self._context.same_session()
            await repository.commit(Lapsed(), repository.record.federation_id, precondition)
        if self.token_refresher.failure is not None:
            raise self.token_refresher.failure.fresh_copy()

    async def _refresh_token(self, reason: str) -> None:
        try:
            await self.token_refresher.refresh(self._signed_in(), reason)
        except AuthError:
            # A source that failed is the end of credentials that are over; a fault of the network
            # is not.
            if self.token_refresher.failure is None or is_usable(self._context):
                raise
        else:
            return
        await self.give_up()

    def _signed_in(self) -> Federated | Expired:
        state = self._context.repository.state
        if isinstance(state, SignedOut):
            message = "The session is not federated any more."
            raise InvalidStateError(message)
        return state

    def _has_token(self) -> bool:
        return any(login.token is not None for login in self._signed_in().linked_logins)

    def _tokens(self) -> dict[AuthProvider, Secret]:
        return {
            login.provider: login.token
            for login in self._signed_in().linked_logins
            if login.token is not None and self._context.may_take(login)
        }


REFUSED_GUESTS_PAUSE = 60.0  # seconds for which a pool's "no guests" is remembered


class GuestRenewal:
    """Gets and renews a guest's credentials, under one guest identity."""

    __slots__ = ("_context", "_refusal", "_refused_until")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._refusal: AuthError | None = None
        self._refused_until = float("-inf")

    def can_help(self) -> bool:
        """Tell whether a request makes sense: not for a minute after the pool refused guests."""
        return self._context.clock.monotonic() >= self._refused_until

    async def renew(self) -> None:
        """Ask Cognito for the known guest's credentials, or for a new guest."""
        repository, members = self._context.repository, self._context.pool.members
        guest = grant_of(repository.state)
        if guest is None:
            flow = by_login(members, {})
        else:
            flow = by_known_identity(members, guest.identity_id, {})
        precondition = self._context.same_session()
        try:
            answer = await self._context.client.call(flow)
        except NotAuthorizedError as error:
            self._refusal = error.fresh_copy()
            self._refused_until = self._context.clock.monotonic() + REFUSED_GUESTS_PAUSE
            raise
        grant = self._context.grant_from(answer)
        await repository.commit(
            GuestArrived(grant), repository.record.federation_id, precondition, keep=True
        )

    async def give_up(self) -> None:
        """Raise the refusal that is remembered."""
        if self._refusal is not None:
            raise self._refusal.fresh_copy()
