"""One lock file, held by one process at a time, waited for without blocking the event loop.

The kernel's lock (flock; LockFileEx on Windows) belongs to the open file, so it ends with its
holder, however that dies. A file system that has no such lock is told as `StoreUnavailableError`.

This file must not know what the lock guards.
"""

import contextlib
import logging
import os
import stat
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import anyio

from amplify_federation._files import faults, file_lock, files, lock_owner
from amplify_federation._files.faults import AnyPath
from amplify_federation._files.file_lock import FileLock
from amplify_federation.errors import StoreLockedError

_logger = logging.getLogger("amplify_federation")
_FIRST_PAUSE: Final = 0.001  # seconds; a write takes about one millisecond
_LONGEST_PAUSE: Final = 0.02


def lock_of(path: AnyPath) -> str:
    """Return the lock file of a file."""
    return f"{os.fspath(path)}.lock"


@asynccontextmanager
async def hold(path: AnyPath, *, timeout: float) -> AsyncGenerator[None]:  # noqa: ASYNC109 - the deadline is part of the error's message, and 0 means one try
    """Hold the lock of a path, waiting at most `timeout` seconds; 0 tries once.

    Raises `StoreLockedError` naming the holder when the time is over.
    """
    taken = await acquired(path, timeout=timeout)
    try:
        yield
    finally:
        taken.release()


@contextmanager
def hold_blocking(path: AnyPath, *, timeout: float) -> Generator[None]:
    """Hold the lock as `hold` does, in a worker thread."""
    deadline = time.monotonic() + timeout
    pauses = _pauses()
    while (taken := try_lock(path)) is None:
        if time.monotonic() >= deadline:
            raise _locked(path, timeout)
        time.sleep(next(pauses))
    try:
        yield
    finally:
        taken.release()


async def acquired(path: AnyPath, *, timeout: float) -> FileLock:  # noqa: ASYNC109 - as above
    """Take the lock as `hold` does; a wait is logged as `lock_waited`."""
    began = anyio.current_time()
    waited, pauses = False, _pauses()
    while (taken := try_lock(path)) is None:
        left = began + timeout - anyio.current_time()
        if left <= 0:
            raise _locked(path, timeout)
        waited = True
        await anyio.sleep(min(next(pauses), left))
    if waited:
        _log_wait(path, anyio.current_time() - began)
    return taken


@faults.as_store_errors
def try_lock(path: AnyPath) -> FileLock | None:
    """Take the lock if it is free. Does not wait."""
    taken = file_lock.take(os.fspath(path), _opened)
    if taken is not None:
        lock_owner.write(path)
    return taken


def _log_wait(path: AnyPath, seconds: float) -> None:
    name = os.path.basename(path)
    _logger.info(
        "Waited %.3f s for a lock.",
        seconds,
        extra={"event": "lock_waited", "lock": name, "seconds": seconds},
    )


def _pauses() -> Generator[float]:
    """Yield how long to wait between tries. By chance, else who waits longest loses most."""
    from random import uniform  # noqa: PLC0415 - seldom does anybody wait

    pause = _FIRST_PAUSE
    while True:
        yield pause * uniform(0.5, 1)  # noqa: S311 - no secret depends on it
        pause = min(2 * pause, _LONGEST_PAUSE)


def _opened(path: str) -> int:
    """Open the lock file, made if need be, and checked."""
    flags = os.O_RDWR | files.SAFE_FLAGS
    descriptor, made = _open_or_make(path, flags)
    try:
        if made:
            files.own_only(descriptor)
        files.check_own(path, descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _open_or_make(path: str, flags: int) -> tuple[int, bool]:
    while True:
        with contextlib.suppress(FileExistsError):
            return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600), True
        with contextlib.suppress(FileNotFoundError):  # removed by the process that held it
            return _open_existing(path, flags), False


def _open_existing(path: str, flags: int) -> int:
    try:
        return os.open(path, flags)
    except PermissionError:
        _mend_unfinished(path)
        return os.open(path, flags)


def _mend_unfinished(path: str) -> None:
    """Finish a lock file whose maker, under an odd umask, has not yet set or never set its mode."""
    status = os.lstat(path)
    if stat.S_ISREG(status.st_mode) and not status.st_mode & 0o777 & ~0o600:
        os.chmod(path, 0o600)


def _locked(path: AnyPath, timeout: float) -> StoreLockedError:
    pid = lock_owner.named(path)
    who = "Another process" if pid is None else f"The process {pid}"
    message = f"{who} holds the lock of this session; waited {timeout:g} s for {path}."
    return StoreLockedError(message)
