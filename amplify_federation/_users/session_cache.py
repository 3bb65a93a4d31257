"""SessionCache: the sessions in memory, bounded, the least recently used first out.

A backend may have 100,000 sessions in memory and use a few at a time. A `Session` takes twice the
memory of its strings; a `CachedSession` is the bytes of its record, which a `MemoryStore` shares,
and four numbers. It has no token: each request brings it. This file owns for how long a cached
session may be returned without loading it.
"""

from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice
from typing import Protocol, runtime_checkable
from weakref import WeakValueDictionary

import anyio
from attrs import evolve, frozen

from amplify_federation._http.server_clock import ServerClock
from amplify_federation._model.auth_session import AuthSession
from amplify_federation._model.settings import AuthSettings
from amplify_federation._model.state import Federated
from amplify_federation._session.record import decode_grant
from amplify_federation._session.refresh_policy import is_from_the_future, lifespan_of
from amplify_federation._session.repository import NOTICE
from amplify_federation._session.session import Session
from amplify_federation._session.views import view_of
from amplify_federation.errors import StoreError, StoreUnavailableError
from amplify_federation.stores.protocol import Record, SessionStore


@runtime_checkable
class LocalStore(Protocol):
    """What a store with its records in this process, as a `MemoryStore`, may offer."""

    def at_hand(self, name: str) -> Record | None:
        """Return the record as `read` does, without waiting."""
        ...


@frozen(eq=False, weakref_slot=False)
class CachedSession:
    """A federated session's record, and until when it may be shown as it is.

    `token_over` and `due` (for renewal) are epoch seconds on the server's clock; `ahead` is how far
    the monotonic clock was ahead of it when the record was adopted; `refresh_at` is monotonic.
    """

    record: Record
    token_over: float
    due: float
    ahead: float
    refresh_at: float


Entry = Session | CachedSession


class SessionCache:
    """Sessions by the name of their record, at most `limit` of them.

    A session that was dropped or compacted while a reference to it exists is found again as long
    as it lives, so that one user never has two sessions in one process.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._alive: WeakValueDictionary[str, Session] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Session]:
        """Go through the sessions that are loaded."""
        yield from [entry for entry in self._entries.values() if isinstance(entry, Session)]
        yield from list(self._alive.values())

    def get(self, name: str) -> Entry | None:
        """Return a session, which counts as a use, or `None`."""
        entry = self._entries.get(name)
        if entry is not None:
            self._entries.move_to_end(name)
            return entry
        session = self._alive.get(name)
        if session is not None:
            self.put(session)
        return session

    def peek(self, name: str) -> Entry | None:
        """Return a session without counting that as a use; any thread may."""
        return self._entries.get(name) or self._alive.get(name)

    def alive(self, name: str) -> Session | None:
        """Return a session that was dropped or compacted, as long as a reference to it exists."""
        return self._alive.get(name)

    def put(self, session: Session) -> None:
        """Keep a session, and drop the least recently used if there are too many."""
        name = session.context.repository.name
        self._entries[name] = session
        self._entries.move_to_end(name)
        self._alive.pop(name, None)
        if len(self._entries) > self._limit:
            name, dropped = self._entries.popitem(last=False)
            if isinstance(dropped, Session):
                self._alive[name] = dropped

    def replace(self, name: str, before: Entry, cached: CachedSession) -> None:
        """Keep a cached session in the place of `before`, if that is still there."""
        if self._entries.get(name) is before:
            self._entries[name] = cached
            if isinstance(before, Session):
                self._alive[name] = before

    def oldest(self, count: int) -> list[tuple[str, Entry]]:
        """Return the least recently used sessions."""
        return list(islice(self._entries.items(), count))

    def discard(self, name: str, entry: Entry) -> None:
        """Forget a session."""
        if self._entries.get(name) is entry:
            del self._entries[name]


class Compactor:
    """Makes cached sessions of sessions, and views of cached sessions."""

    __slots__ = ("_clock", "_settings", "_shared", "_store")

    def __init__(self, clock: ServerClock, settings: AuthSettings, store: SessionStore) -> None:
        self._clock = clock
        self._settings = settings
        self._store = store
        # Read each time; there is no second copy.
        self._shared = store if isinstance(store, LocalStore) else None

    def view(self, cached: CachedSession, *, accepted: bool) -> AuthSession | None:
        """Return the session as a fetch shows it, or `None` where only a fetch can tell.

        `look` has checked that the store has no other record. `accepted`: the token's own end does
        not matter.
        """
        end = cached.due if accepted else min(cached.token_over, cached.due)
        if (
            self.now(cached.ahead) >= end
            or (grant := decode_grant(cached.record.data)) is None
            or is_from_the_future(grant, self._clock.now())
        ):
            return None
        return view_of(Federated(grant, ()))

    async def look(self, name: str, cached: CachedSession) -> CachedSession | StoreError | None:
        """Look at the store, if it is time to; return the session if its record is the same.

        `None`: the record is another. An error: the store cannot tell.
        """
        if self._is_current(name, cached):
            return cached
        with anyio.move_on_after(self._settings.timeout):
            try:
                found = await self._store.read(name)
            except StoreError as error:
                return error.fresh_copy()
            if found is None or found.version != cached.record.version:
                return None
            return evolve(cached, refresh_at=self._clock.monotonic() + NOTICE)
        return StoreUnavailableError("The store did not answer before the deadline.")

    def compact(
        self, session: Session, token_over: float, before: CachedSession | None = None
    ) -> CachedSession | None:
        """Return a session as it is cached, or `None` if there is something to do about it soon.

        `before`: as it was cached the last time.
        """
        repository, state = session.context.repository, session.state
        if not isinstance(state, Federated) or repository.replaced or repository.version is None:
            return None
        due = lifespan_of(state.grant, self._settings, repository.ahead).renew_at
        record = self._record(session, repository.version, before)
        if record is None or self.now(repository.ahead) >= min(token_over, due):
            return None
        return CachedSession(record, token_over, due, repository.ahead, repository.refresh_at)

    def is_over(self, cached: CachedSession) -> bool:
        """Tell whether neither the token nor the credentials serve any longer."""
        now = self.now(cached.ahead)
        if now < max(cached.token_over, cached.due):
            return False
        grant = decode_grant(cached.record.data)
        return grant is None or now >= grant.credentials.expiration.timestamp()

    def now(self, ahead: float) -> float:
        """Return epoch seconds on the server's clock, by the later of two clocks.

        A wall clock that jumps back must not prolong anything.
        """
        return max(self._clock.now(), self._clock.monotonic() - ahead)

    def _is_current(self, name: str, cached: CachedSession) -> bool:
        if self._shared is not None:
            return self._shared.at_hand(name) is cached.record
        return self._clock.monotonic() < cached.refresh_at

    def _record(
        self, session: Session, version: str, before: CachedSession | None
    ) -> Record | None:
        repository = session.context.repository
        if self._shared is not None:
            present = self._shared.at_hand(repository.name)
            return present if present and present.version == version else None
        if before is not None and before.record.version == version:
            return before.record
        return Record(version, repository.encoded(repository.record))
