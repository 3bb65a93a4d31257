"""Bearer tokens that were signed out, in every process over the store.

A token is good until its own `exp`; that it was signed out is for the backends to remember. The
record of its session says so: it is cleared, and the cleared record (a tombstone) stands in the
place of a session. A store keeps a bearer's record for a day. Of a token that is good for longer,
or does not tell, a second record says so, which is kept as users' sessions are.
"""

from contextlib import suppress
from typing import Final

from amplify_federation._model.claims import peek
from amplify_federation._model.settings import Clock
from amplify_federation._model.state import SignedOut
from amplify_federation._model.values import Secret
from amplify_federation._session.session import Session
from amplify_federation.errors import SignedOutError, StoreConflictError
from amplify_federation.stores.protocol import SessionStore

_PREFIX: Final = "signed-out#"


class SignedOutTokens:
    """Remembers which tokens were signed out. `kept`: seconds that a bearer's record is kept."""

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
