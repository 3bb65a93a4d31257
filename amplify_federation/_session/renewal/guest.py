"""A guest's credentials, without any login: got once, renewed under the same identity."""

from collections.abc import Callable

from amplify_federation._cognito.decoding import Answer
from amplify_federation._cognito.flow import by_known_identity, by_login
from amplify_federation._model.machine import GuestArrived
from amplify_federation._model.state import SignedOut
from amplify_federation._session.context import Context
from amplify_federation._session.renewal.lifespan import grant_of
from amplify_federation.errors import AuthError, InvalidStateError, NotAuthorizedError

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
