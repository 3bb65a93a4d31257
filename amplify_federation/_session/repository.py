"""SessionRepository: one session's record in memory, in step with the store.

The only file that assigns a state. Every change goes through `commit`: the machine says what the
next state is, the store takes it if its record is unchanged, memory follows.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

import anyio

from amplify_federation._async.background import shielded
from amplify_federation._model.state import SignedOut, State
from amplify_federation._session.record import (
    SessionRecord,
    decode,
    encode,
    with_transient_token,
    without_transient_token,
)
from amplify_federation.errors import (
    SessionFileCorruptError,
    StoreConflictError,
    StoreError,
)
from amplify_federation.stores.protocol import discards_set_aside, writes_at_once

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from amplify_federation._http.server_clock import ServerClock
    from amplify_federation._model.machine import Event
    from amplify_federation._model.values import Secret
    from amplify_federation.stores.protocol import Record, SessionStore

logger = logging.getLogger("amplify_federation")
NOTICE = 0.5  # seconds until another process's write is looked for; the promise is 1
_NOTHING = SessionRecord(SignedOut(), generation=0, federation_id="")


class SessionRepository:
    """A session's record in memory, in step with the store.

    `changed` is called with the records before and after each change, its own and those that other
    processes wrote; not with the first that is read.
    """

    __slots__ = (
        "_changed",
        "_clock",
        "_failure",
        "_highest",
        "_loaded",
        "_refresh_at",
        "_store",
        "_writing",
        "ahead",
        "name",
        "record",
        "replaced",
        "transient_token",
        "version",
    )  # fmt: skip

    def __init__(
        self,
        store: SessionStore,
        name: str,
        clock: ServerClock,
        changed: Callable[[SessionRecord, SessionRecord], None],
    ) -> None:
        self.name = name
        self.record = _NOTHING
        self.ahead = 0.0  # monotonic clock minus server's, when the record was adopted
        self.replaced = False  # the store has another user's federation
        self.transient_token: Secret | None = None  # in memory, never written
        self._store = store
        self._clock = clock
        self._changed = changed
        self.version: str | None = None  # of the store's record
        self._highest = 0  # generation seen
        self._failure: StoreError | None = None  # of a read before this repository was made
        self._loaded = False
        self._refresh_at = float("-inf")
        self._writing: anyio.Event | None = None  # set when the write under way has ended

    @property
    def state(self) -> State:
        """The present state, as far as this handle knows."""
        return self.record.state

    def is_refresh_due(self) -> bool:
        """Tell whether the store must be read now: others may have written."""
        return self._clock.monotonic() >= self._refresh_at

    @property
    def refresh_at(self) -> float:
        """The monotonic time from which the store must be read again."""
        return self._refresh_at

    def restore(self, record: Record, *, ahead: float, failure: StoreError | None = None) -> None:
        """Begin with a record of the store that was read before.

        `failure`: the store's error of just now; the next refresh raises it.
        """
        self._failure = failure
        self.record = with_transient_token(decode(record.data), self.transient_token)
        self.version = record.version
        self.ahead = ahead
        self._highest = self.record.generation
        self._loaded = True

    async def refresh(self, *, now: bool = False) -> None:
        """Read the store if it is time to (or `now`) and adopt what others wrote.

        Raises `StoreError` if the store cannot be read.
        """
        if not now and not self.is_refresh_due():
            return
        before = self.version
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        found = await self._store.read(self.name)
        if self.version != before or self._writing is not None:
            return  # a write came meanwhile: what was read is old, or not yet in memory
        self._refresh_at = self._clock.monotonic() + NOTICE
        if not self._loaded or (found.version if found else None) != self.version:
            await self._adopt(found)

    def postpone_refresh(self) -> None:
        """Postpone the next refresh: the store cannot be read now, and each attempt takes time."""
        self._refresh_at = self._clock.monotonic() + NOTICE

    async def commit(
        self,
        event: Event,
        federation_id: str,
        precondition: Callable[[], None],
        *,
        keep: bool = False,
    ) -> None:
        """Advance the machine and write the result, unless `precondition` raises.

        `precondition` looks at the record as it stands at the moment of writing. Raises
        `StoreError` if the write fails; then nothing has changed, or, with `keep`, memory alone:
        Cognito's answer is used here, and only the next process has to ask again.
        """
        from amplify_federation._model.machine import advance  # noqa: PLC0415 - see _session

        while True:
            await self.wait_for_write()
            precondition()
            record = SessionRecord(
                advance(self.state, event),
                # The time too, to be beyond a record that was written and deleted unseen.
                max(self._highest + 1, int(self._clock.now() * 1000)),
                federation_id,
                self._clock.now(),
            )
            try:
                await self._save(record)
            except StoreConflictError:
                await self.refresh(now=True)
            except StoreError:
                if keep:
                    self.postpone_refresh()
                    self._set_record(record)
                raise
            else:
                return

    def encoded(self, record: SessionRecord) -> bytes:
        """Return the record as it is written: without the transient token."""
        return encode(without_transient_token(record, self.transient_token))

    async def wait_for_write(self) -> None:
        """Wait for the write that is under way here, if there is one: each builds on the last."""
        while self._writing is not None:
            await self._writing.wait()

    async def delete_set_aside(self) -> None:
        """Delete what the store set aside for this session as corrupt."""
        await self.wait_for_write()
        if self.version is None:
            await self._write_shielded(partial(self._store.delete, self.name, expected=None))
        elif discards_set_aside(self._store):
            await self._store.discard_set_aside(self.name)

    async def delete(self, record: SessionRecord) -> None:
        """Delete the store's record if this is it; no record is no error."""
        await self.wait_for_write()
        if self.record is record and self.version is not None:
            work = partial(self._store.delete, self.name, expected=self.version)
            await self._write_shielded(work)
            self.version = None
            self._set_record(_NOTHING)

    async def discard(self, federation_id: str) -> None:
        """Delete the record without reading it: no key may be there that opens it."""
        await self.wait_for_write()
        await self._write_shielded(partial(self._store.delete, self.name, expected=None))
        self.version = None
        self._loaded = True
        self.replaced = False
        self._set_record(
            SessionRecord(SignedOut(), self._highest, federation_id, self._clock.now())
        )

    async def _save(self, record: SessionRecord) -> None:
        if writes_at_once(self._store):
            await self._write(record)
            return
        self._refresh_at = float("-inf")  # if this fails, the store is read before memory is used
        await self._write_shielded(partial(self._write, record))

    async def _write_shielded(self, work: Callable[[], Awaitable[None]]) -> None:
        ended = self._writing = anyio.Event()
        try:
            await shielded(work)
        finally:
            self._writing = None
            ended.set()

    async def _write(self, record: SessionRecord) -> None:
        # No local holds the encoded record: this frame stands in the traceback of a failure.
        self.version = await self._store.compare_and_set(
            self.name, self.encoded(record), expected=self.version
        )
        self._refresh_at = self._clock.monotonic() + NOTICE
        self._loaded = True
        self._highest = record.generation
        self.replaced = False
        self._set_record(record)

    async def _adopt(self, found: Record | None) -> None:
        first, self._loaded = not self._loaded, True
        self.version = found.version if found else None
        incoming = self._decoded(found)
        if incoming is None:
            return
        if self._is_another_identity(incoming):
            self.replaced = True
            return
        self.replaced = False
        self._set_record(incoming, silently=first)

    def _decoded(self, found: Record | None) -> SessionRecord | None:
        if found is None:
            return _NOTHING
        try:
            incoming = with_transient_token(decode(found.data), self.transient_token)
        except SessionFileCorruptError:
            _warn("The record of a session makes no sense; it counts as signed out.", "corrupt")
            return _NOTHING
        if incoming.generation < self._highest:
            _warn("An older record of a session was put back; it is ignored.", "rolled_back")
            return None
        self._highest = incoming.generation
        return incoming

    def _is_another_identity(self, incoming: SessionRecord) -> bool:
        mine, theirs = self.state, incoming.state
        if isinstance(mine, SignedOut) or isinstance(theirs, SignedOut):
            return False
        if incoming.federation_id == self.record.federation_id:
            return False  # the same federation; Cognito may have merged its identity
        return mine.identity_id != theirs.identity_id

    def _set_record(self, record: SessionRecord, *, silently: bool = False) -> None:
        before, self.record = self.record, record
        self.ahead = self._clock.monotonic() - self._clock.now()
        if not silently:
            self._changed(before, record)


def _warn(text: str, event: str) -> None:
    logger.warning(text, extra={"event": event})
