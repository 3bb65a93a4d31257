"""MemoryStore: sessions that live as long as the process."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio

from amplify_federation.errors import StoreLockedError
from amplify_federation.stores.protocol import Record, conflict


class MemoryStore:
    """Keeps sessions in this process's memory, unsealed. One store may serve many sessions."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}
        self._leases: dict[str, anyio.Event] = {}
        self._writes = 0

    def __repr__(self) -> str:
        return f"<MemoryStore of {len(self._records)} sessions>"

    @property
    def writes_at_once(self) -> bool:
        """Whether a write never suspends, so that no cancellation ends it half way.

        A subclass may suspend.
        """
        return type(self) is MemoryStore

    async def read(self, name: str) -> Record | None:
        """Return the record, or `None`."""
        return self._records.get(name)

    def at_hand(self, name: str) -> Record | None:
        """Return the record as `read` does, without waiting."""
        return self._records.get(name)

    async def compare_and_set(self, name: str, data: bytes, *, expected: str | None) -> str:
        """Write the record if its version is `expected`; see `SessionStore`."""
        self._writes += 1
        record = Record(str(self._writes), data)
        del data  # no frame of a traceback may hold it
        self._expect(name, expected)
        self._records[name] = record
        return record.version

    async def delete(self, name: str, *, expected: str | None) -> None:
        """Delete the record if its version is `expected`; see `SessionStore`."""
        if expected is not None and name in self._records:
            self._expect(name, expected)
        self._records.pop(name, None)

    @asynccontextmanager
    async def lock(self, name: str, *, timeout: float) -> AsyncGenerator[None]:  # noqa: ASYNC109 - part of the protocol
        """Hold a lease on a name; see `SessionStore`."""
        if not await self._is_free_within(name, timeout):
            message = f"Another task held the lease of this session for {timeout:g} s."
            raise StoreLockedError(message)
        released = self._leases[name] = anyio.Event()
        try:
            yield
        finally:
            del self._leases[name]
            released.set()

    async def _is_free_within(self, name: str, seconds: float) -> bool:
        with anyio.move_on_after(seconds):
            while (released := self._leases.get(name)) is not None:
                if seconds <= 0:
                    return False
                await released.wait()
            return True
        return False

    def _expect(self, name: str, expected: str | None) -> None:
        present = self._records.get(name)
        if (present.version if present else None) != expected:
            raise conflict()
