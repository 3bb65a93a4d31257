"""FreshView: the last view of a session, for as long as nothing can have changed it.

Every request of a busy backend asks for the session; while it is fresh the answer is two readings
of a clock away. This file owns the bounds within which the view may be shown again.
"""

from amplify_federation._http.server_clock import ServerClock
from amplify_federation._model.results import AuthSession
from amplify_federation._session.record.schema import SessionRecord
from amplify_federation._session.renewal.lifespan import MAX_CLOCK_LEAD, Lifespan

_NEVER = float("-inf")
_ALWAYS = float("inf")


class FreshView:
    """A view, the record that it was made of, and how long it holds."""

    __slots__ = ("_clock", "_from", "_monotonic_until", "_record", "_until", "_view")

    def __init__(self, clock: ServerClock) -> None:
        self._clock = clock
        self._view: AuthSession | None = None
        self._record: SessionRecord | None = None
        self._monotonic_until = _NEVER
        self._from = _NEVER  # local wall clock
        self._until = _NEVER

    def get(self, record: SessionRecord) -> AuthSession | None:
        """Return the view if it still shows this record."""
        local = self._clock.local
        if (
            self._record is record
            and local.monotonic() < self._monotonic_until
            and self._from <= local.time() < self._until
        ):
            return self._view
        return None

    def keep(
        self, view: AuthSession, record: SessionRecord, life: Lifespan | None, *, until: float
    ) -> None:
        """Keep a view until a monotonic time, or until its credentials are due."""
        self._view, self._record = view, record
        self._monotonic_until, self._from, self._until = until, _NEVER, _ALWAYS
        if life is not None:
            offset = self._clock.offset
            self._monotonic_until = min(until, life.renew_monotonic)
            self._from = life.grant.issued_at - MAX_CLOCK_LEAD - offset
            self._until = life.renew_at - offset

    def drop(self) -> None:
        """Forget the view."""
        self._record = None
