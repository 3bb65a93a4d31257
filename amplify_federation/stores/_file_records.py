"""FileRecords: bytes in the files of a folder of this machine, shared by its processes.

This file owns what runs on the event loop and what in a worker thread. A read runs on the loop: it
is quicker than the way to a thread and back. A write runs in a thread, for it waits for the disk.
"""

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from amplify_federation._async.worker_thread import in_store_thread
from amplify_federation._crypto.envelope import MAX_RECORD
from amplify_federation._files import lock
from amplify_federation._files.folder import Folder, StoredBytes
from amplify_federation._files.removal import lease_of
from amplify_federation.errors import SessionFileCorruptError, StoreError
from amplify_federation.stores.protocol import Record, conflict

if TYPE_CHECKING:
    from os import PathLike
    from pathlib import Path

T = TypeVar("T")
_WRITE_PATIENCE: Final = 5.0  # seconds to wait for the lock; a write takes about a millisecond
_BATCH: Final = 64  # records that are read at once; a hundred thousand take 500 MB
_logger = logging.getLogger("amplify_federation")


class FileRecords:
    """Keeps bytes in the files of a folder, as they are. Constructing does no I/O."""

    def __init__(self, path: "str | PathLike[str]", *, keep: float | None = None) -> None:
        self._folder = Folder(path, limit=MAX_RECORD, keep=keep)

    def __repr__(self) -> str:
        return f"<FileRecords {self.location}>"

    @property
    def path(self) -> "Path":
        """The folder."""
        return self._folder.path

    @property
    def location(self) -> str:
        """The folder's path as text."""
        return self._folder.location

    async def read(self, name: str) -> Record | None:
        """Return the record, or `None`; see `SessionStore`."""
        if not self._folder.was_opened and not await self._is_open():
            return None
        try:
            stored = self._folder.read(name)
            if stored is None and not self._folder.is_open() and await self._is_open():
                stored = self._folder.read(name)  # another process made the folder anew
        except SessionFileCorruptError as error:
            reason = error.message
        else:
            return None if stored is None else Record(stored.version, stored.data)
        where = await self.set_aside(name, expected=None)
        _logger.warning(
            "A stored session is damaged and counts as signed out. %s",
            reason,
            extra={"event": "session_set_aside", "set_aside_as": where},
        )
        return None

    async def compare_and_set(self, name: str, data: bytes, *, expected: str | None) -> str:
        """Write the record if its version is `expected`; see `SessionStore`.

        A cancelled call has written all or nothing.
        """
        return await self._write(name, lambda: self._replace(name, data, expected))

    async def delete(self, name: str, *, expected: str | None) -> None:
        """Delete the record if its version is `expected`; see `SessionStore`."""
        if await self._is_open():
            await self._write(name, lambda: self._remove(name, expected))

    async def set_aside(self, name: str, *, expected: str | None) -> str | None:
        """Rename a record to `.corrupt` if its version is `expected` (`None`: if unreadable)."""
        return await self._write(name, lambda: self._move_aside(name, expected))

    async def discard_set_aside(self, name: str) -> None:
        """Delete what was set aside under a name; see `DiscardsSetAside`."""
        if await self._is_open():
            await in_store_thread(lambda: self._folder.remove_set_aside(name))

    async def check_writable(self) -> None:
        """Raise the `StoreError` that a write would end with; see `ChecksWriting`."""
        # A process that has run out of descriptors can import nothing, so import it now.
        import_module("filelock")
        await self.make()
        await in_store_thread(self._folder.try_writing)

    @asynccontextmanager
    async def lock(self, name: str, *, timeout: float) -> AsyncGenerator[None]:  # noqa: ASYNC109 - part of the protocol
        """Hold a lease on a name; see `SessionStore`."""
        await self.make()
        record = self._folder.file_of(name)
        taken = await lock.acquire(lease_of(record), timeout=timeout)
        try:
            yield
        finally:
            taken.release(remove=not self._folder.has(record))

    async def faults(self) -> list[StoreError]:
        """Return why the folder or a file in it would be refused. Changes nothing."""
        return await in_store_thread(self._folder.faults)

    def has_records(self) -> bool:
        """Tell whether there is a record of any name."""
        return self._folder.has_records()

    async def make(self) -> None:
        """Make the folder if need be."""
        if not self._folder.is_open():
            await in_store_thread(self._folder.make)

    async def records(self) -> AsyncGenerator[bytes]:
        """Yield the bytes of every record."""
        if await self._is_open():
            found = self._folder.records()
            while batch := await in_store_thread(lambda: list(islice(found, _BATCH))):
                for record in batch:
                    yield record

    async def _is_open(self) -> bool:
        return self._folder.is_open() or self._folder.open()

    async def _write(self, name: str, work: Callable[[], T]) -> T:
        await self.make()
        record = self._folder.file_of(name)
        taken = await lock.acquire(lock.lock_of(record), timeout=_WRITE_PATIENCE)
        locked = _LockedWork(taken, work, self._folder, record)
        try:
            return await in_store_thread(locked.run)
        finally:
            locked.leave()

    def _replace(self, name: str, data: bytes, expected: str | None) -> str:
        present = self._present(name)
        if (present.version if present else None) != expected:
            raise conflict()
        return self._folder.replace(name, data)

    def _remove(self, name: str, expected: str | None) -> None:
        if expected is not None:
            present = self._present(name)
            if present is not None and present.version != expected:
                raise conflict()
        self._folder.remove(name)

    def _move_aside(self, name: str, expected: str | None) -> str | None:
        try:
            present = self._folder.read(name)
        except SessionFileCorruptError:
            return self._folder.set_aside(name)
        if present is None or present.version != expected:
            return None
        return self._folder.set_aside(name)

    def _present(self, name: str) -> StoredBytes | None:
        try:
            return self._folder.read(name)
        except SessionFileCorruptError:  # too large; it counts as absent, as a damaged record does
            self._folder.set_aside(name)
            return None


class _LockedWork(Generic[T]):
    """Work under a lock, released when the work is done, even if it is no longer awaited.

    asyncio's `Task.cancel` ends the wait for a worker thread, but not the thread.
    """

    def __init__(
        self, taken: lock.FileLock, work: Callable[[], T], folder: Folder, record: str
    ) -> None:
        self._lock = taken
        self._work = work
        self._folder = folder
        self._record = record
        self._open = [None]  # a list, for its `pop` lets one thread win

    def run(self) -> T:
        """Do the work, in a worker thread, and release the lock."""
        self._open.pop()
        try:
            return self._work()
        finally:
            self._release()
            with suppress(StoreError):  # the record is written all the same
                self._folder.sweep()

    def leave(self) -> None:
        """Release the lock if the work has not begun, and prevent that it begins."""
        with suppress(IndexError):
            self._open.pop()
            self._release()

    def _release(self) -> None:
        # Without a record its lock file goes, too: callers choose names, and files would pile up.
        self._lock.release(remove=not self._folder.has(self._record))
