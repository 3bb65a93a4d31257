"""Resting: a bearer's session while its credentials are all that anybody wants of it.

A backend knows a hundred thousand sessions and works at a few. One at work weighs as much again as
its strings; at rest it is the bytes of its record, which a `MemoryStore` shares, and four numbers.
The token is not among them: whoever asks brings it. This file owns for how long a session may be
shown without waking it, and must not know what else a session does.
"""

import anyio
from attrs import evolve, frozen

from amplify_federation._http.server_clock import ServerClock
from amplify_federation._model.results.session import AuthSession
from amplify_federation._model.settings import AuthSettings
from amplify_federation._model.state import Federated
from amplify_federation._session.keeper import NOTICE
from amplify_federation._session.record.schema import decode_grant
from amplify_federation._session.record.views import view_of
from amplify_federation._session.renewal.lifespan import is_from_the_future, lifespan_of
from amplify_federation._session.session import Session
from amplify_federation.errors import StoreError, StoreUnavailableError
from amplify_federation.stores.memory import MemoryStore
from amplify_federation.stores.protocol import Record, SessionStore


@frozen(eq=False, weakref_slot=False)
class Resting:
    """A federated session's record, and until when it speaks for itself.

    `token_over` and `due` (for renewal) are epoch seconds on the server's clock; `ahead` is how far
    the monotonic clock was ahead of it when the record was adopted; `look_again` is monotonic.
    """

    record: Record
    token_over: float
    due: float
    ahead: float
    look_again: float


class Resters:
    """Lays sessions to rest, and shows those that rest."""

    __slots__ = ("_clock", "_settings", "_shared", "_store")

    def __init__(self, clock: ServerClock, settings: AuthSettings, store: SessionStore) -> None:
        self._clock = clock
        self._settings = settings
        self._store = store
        # Its records are at hand: it is asked each time, and the session holds no second copy.
        self._shared = store if type(store) is MemoryStore else None

    def view(self, resting: Resting, *, accepted: bool = False) -> AuthSession | None:
        """Return the session as a fetch shows it, or `None` where only a fetch can tell.

        `look` has seen to it that the store has nothing else. `accepted`: the token's own end does
        not matter.
        """
        end = resting.due if accepted else min(resting.token_over, resting.due)
        if (
            self.now(resting.ahead) >= end
            or (grant := decode_grant(resting.record.data)) is None
            or is_from_the_future(grant, self._clock.now())
        ):
            return None
        return view_of(Federated(grant, ()))

    async def look(self, name: str, resting: Resting) -> Resting | StoreError | None:
        """Look at the store, if it is time to; return the session if it may rest on.

        `None`: the record is another. An error: the store cannot tell.
        """
        if self._is_present(name, resting):
            return resting
        with anyio.move_on_after(self._settings.timeout):
            try:
                found = await self._store.read(name)
            except StoreError as error:
                return error.fresh_copy()
            if found is None or found.version != resting.record.version:
                return None
            return evolve(resting, look_again=self._clock.monotonic() + NOTICE)
        return StoreUnavailableError("The store did not answer before the deadline.")

    def laid_down(
        self, session: Session, token_over: float, before: Resting | None = None
    ) -> Resting | None:
        """Return what stays of a session, or `None` if there is something to do about it soon.

        `before`: as it rested the last time.
        """
        keeper, state = session.context.keeper, session.state
        if not isinstance(state, Federated) or keeper.replaced or keeper.version is None:
            return None
        due = lifespan_of(state.grant, self._settings, keeper.ahead).renew_at
        record = self._record(session, keeper.version, before)
        if record is None or self.now(keeper.ahead) >= min(token_over, due):
            return None
        return Resting(record, token_over, due, keeper.ahead, keeper.look_again)

    def is_over(self, resting: Resting) -> bool:
        """Tell whether neither the token nor the credentials serve any longer."""
        now = self.now(resting.ahead)
        if now < max(resting.token_over, resting.due):
            return False
        grant = decode_grant(resting.record.data)
        return grant is None or now >= grant.credentials.expiration.timestamp()

    def now(self, ahead: float) -> float:
        """Return epoch seconds on the server's clock, by the later of two clocks.

        A wall clock that jumps back must not prolong anything.
        """
        return max(self._clock.now(), self._clock.monotonic() - ahead)

    def _is_present(self, name: str, resting: Resting) -> bool:
        if self._shared is not None:
            return self._shared.at_hand(name) is resting.record
        return self._clock.monotonic() < resting.look_again

    def _record(self, session: Session, version: str, before: Resting | None) -> Record | None:
        keeper = session.context.keeper
        if self._shared is not None:
            present = self._shared.at_hand(keeper.name)
            return present if present and present.version == version else None
        if before is not None and before.record.version == version:
            return before.record
        return Record(version, keeper.encoded(keeper.record))
