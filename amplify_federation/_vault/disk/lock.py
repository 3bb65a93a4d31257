"""One lock file, held by one process at a time, waited for without blocking the event loop.

The kernel's lock (flock; LockFileEx on Windows) belongs to the open file, so it ends with its
holder, however that dies. Where a file system has no flock, filelock falls back to a lock by
existence and warns.

This file must not know what the lock guards.
"""

import logging
import os
import random
import stat
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio

from amplify_federation._vault.disk import faults, files, holder
from amplify_federation.errors import StoreLockedError

if TYPE_CHECKING:
    from filelock import BaseFileLock

_logger = logging.getLogger("amplify_federation")
_FIRST_PAUSE: Final = 0.001  # seconds; a write takes about one millisecond
_LONGEST_PAUSE: Final = 0.02


def lock_of(path: Path) -> Path:
    """Return the lock file of a file."""
    return path.with_name(path.name + ".lock")


class Held:
    """A lock that is held. It ends with `release`, from any thread, or with the process."""

    def __init__(self, path: Path, lock: "BaseFileLock") -> None:
        self._path = path
        self._lock = lock

    def release(self) -> None:
        """Let others have it."""
        _release(self._path, self._lock)


@faults.as_store_errors
def _release(path: Path, lock: "BaseFileLock") -> None:  # noqa: ARG001 - the path is for the error
    lock.release()


@asynccontextmanager
async def hold(path: Path, *, timeout: float) -> AsyncGenerator[None]:  # noqa: ASYNC109 - the deadline is part of the error's message, and 0 means one try
    """Hold the lock of a path, waiting at most `timeout` seconds; 0 tries once.

    Raises `StoreLockedError` naming the holder when the time is over.
    """
    held = await acquired(path, timeout=timeout)
    try:
        yield
    finally:
        held.release()


@contextmanager
def hold_blocking(path: Path, *, timeout: float) -> Generator[None]:
    """Hold the lock as `hold` does, in a worker thread."""
    deadline = time.monotonic() + timeout
    pauses = _pauses()
    lock = _file_lock(path)
    while not _take(lock, path):
        if time.monotonic() >= deadline:
            raise _locked(path, timeout)
        time.sleep(next(pauses))
    try:
        yield
    finally:
        _release(path, lock)


async def acquired(path: Path, *, timeout: float) -> Held:  # noqa: ASYNC109 - as above
    """Take the lock as `hold` does; a wait is logged as `lock_waited`."""
    began = anyio.current_time()
    waited, pauses = False, _pauses()
    lock = _file_lock(path)
    while not _take(lock, path):
        left = began + timeout - anyio.current_time()
        if left <= 0:
            raise _locked(path, timeout)
        waited = True
        await anyio.sleep(min(next(pauses), left))
    if waited:
        _log_wait(path, anyio.current_time() - began)
    return Held(path, lock)


def try_lock(path: Path) -> Held | None:
    """Take the lock if it is free. Does not wait."""
    lock = _file_lock(path)
    return Held(path, lock) if _take(lock, path) else None


def _log_wait(path: Path, seconds: float) -> None:
    _logger.info(
        "Waited %.3f s for a lock.",
        seconds,
        extra={"event": "lock_waited", "lock": path.name, "seconds": seconds},
    )


def _pauses() -> Generator[float]:
    """Yield how long to wait between tries. By chance, else who waits longest loses most."""
    pause = _FIRST_PAUSE
    while True:
        yield pause * random.uniform(0.5, 1)  # noqa: S311 - no secret depends on it
        pause = min(2 * pause, _LONGEST_PAUSE)


def _file_lock(path: Path) -> "BaseFileLock":
    from filelock import FileLock  # noqa: PLC0415 - heavy

    _prepare(path)
    return FileLock(path, timeout=0, mode=0o600, thread_local=False)


def _take(lock: "BaseFileLock", path: Path) -> bool:
    from filelock import Timeout  # noqa: PLC0415 - heavy

    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    except OSError as error:
        failure = faults.store_error(path, error)
    else:
        holder.write(path)
        return True
    raise failure


@faults.as_store_errors
def _prepare(path: Path) -> None:
    """Make the lock file, or check the one that is there. Nobody ever removes one."""
    flags = os.O_RDWR | files.SAFE_FLAGS
    made = True
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        made = False
        descriptor = _open_existing(path, flags)
    try:
        if made:
            files.own_only(descriptor)
        files.check_file(path, os.fstat(descriptor))
    finally:
        os.close(descriptor)


def _open_existing(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags)
    except PermissionError:
        _mend_unfinished(path)
        return os.open(path, flags)


def _mend_unfinished(path: Path) -> None:
    """Finish a lock file whose maker, under an odd umask, has not yet set or never set its mode."""
    status = path.lstat()
    if stat.S_ISREG(status.st_mode) and not status.st_mode & 0o777 & ~0o600:
        path.chmod(0o600)


def _locked(path: Path, timeout: float) -> StoreLockedError:
    pid = holder.named(path)
    who = "Another process" if pid is None else f"The process {pid}"
    message = f"{who} holds the lock of this session; waited {timeout:g} s for {path}."
    return StoreLockedError(message)
