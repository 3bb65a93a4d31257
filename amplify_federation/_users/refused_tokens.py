"""Bearer tokens that are refused without a call to Cognito.

`RejectedTokens`: Cognito refused them just now for what they are. They are remembered for a short
time, in this process, so that a flood of one bad token costs one call; faults of the pool, of the
service and of the network are never remembered. `SignedOutTokens`: the application signed them out,
and a token is good until its own `exp`; so the store remembers them, for all processes.
"""

from collections import OrderedDict
from contextlib import suppress
from typing import Final

from amplify_federation._cognito.errors import is_about_the_token
from amplify_federation._model.claims import peek
from amplify_federation._model.settings import Clock
from amplify_federation._model.state import SignedOut
from amplify_federation._model.values import Secret
from amplify_federation._session.session import Session
from amplify_federation.errors import (
    AuthError,
    NotAuthorizedError,
    NotAuthorizedReason,
    SignedOutError,
    StoreConflictError,
)
from amplify_federation.stores.protocol import SessionStore

_REMEMBERED_FOR = 10.0  # seconds
_LIMIT = 4_096  # tokens; a flood of different ones must not fill the memory
_PREFIX: Final = "signed-out#"


class RejectedTokens:
    """The tokens that Cognito refused just now for what they are, at most `limit` of them."""

    def __init__(self, clock: Clock, *, limit: int = _LIMIT) -> None:
        self._clock = clock
        self._limit = limit
        self._errors: OrderedDict[str, tuple[float, AuthError]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._errors)

    def get(self, name: str) -> AuthError | None:
        """Return the error of a token, if it is remembered."""
        until, error = self._errors.get(name, (0.0, None))
        if error is not None and self._clock.monotonic() >= until:
            del self._errors[name]
            return None
        return error

    def add(self, name: str, error: AuthError) -> None:
        """Remember an error if it says that this token is never any good."""
        if not _is_its_own_fault(error):
            return
        self._errors.pop(name, None)
        self._errors[name] = (self._clock.monotonic() + _REMEMBERED_FOR, error)
        if len(self._errors) > self._limit:
            self._errors.popitem(last=False)


def _is_its_own_fault(error: AuthError) -> bool:
    if isinstance(error, NotAuthorizedError):
        return is_about_the_token(error) or error.reason is NotAuthorizedReason.WRONG_PROVIDER
    return False


class SignedOutTokens:
    """The tokens that were signed out, in every process over the store.

    The record of a token's session says so: it is cleared, and the tombstone stands in the place of
    a session. `kept`: seconds that a store keeps a bearer's record. Of a token that is good for
    longer, or does not tell, a second record says so, which is kept as users' sessions are.
    """

    def __init__(self, store: SessionStore, clock: Clock, *, kept: float) -> None:
        self._store = store
        self._clock = clock
        self._kept = kept

    async def add(self, session: Session, token: Secret) -> None:
        """Clear the session of a token, so that no process takes the token any more.

        Raises `StoreError` if that cannot be written.
        """
        if self._outlives_record(token):
            with suppress(StoreConflictError):  # it is there
                name = _name_of(session)
                await self._store.compare_and_set(name, b"", expected=None)
        await session.clear(leave_tombstone=True)

    async def check(self, session: Session) -> None:
        """Raise `SignedOutError` if a token was signed out; its session has looked at the store."""
        repository = session.context.repository
        cleared = isinstance(session.state, SignedOut) and repository.record.generation > 0
        if cleared or await self._store.read(_name_of(session)) is not None:
            message = "This token was signed out."
            raise SignedOutError(message, recovery_suggestion="Sign in again, with a new token.")

    def _outlives_record(self, token: Secret) -> bool:
        claims = peek(token)
        if claims is None or claims.expires is None:
            return True
        return claims.expires > self._clock.time() + self._kept


def _name_of(session: Session) -> str:
    return f"{_PREFIX}{session.context.repository.name}"
