"""One lock file, owned by one process at a time, waited for without blocking the event loop.

The kernel's lock (flock; LockFileEx on Windows) belongs to the open file, so it ends with its
owner, however that dies. On a file system without such locks, taking one raises
`StoreUnavailableError`.

A forked child shares the open files of its parent, and would keep the lock of a parent that died.
Therefore a child closes at once every lock of its parent, and no fork happens between the opening
of a lock file and its entry in the set that the child looks at.

The lock file names the process that owns it, for the message of a timeout. Failing to write or to
read that name is no error.
"""

import contextlib
import logging
import os
import stat
import time
from collections.abc import Generator
from threading import RLock
from typing import Final

import anyio

from amplify_federation._files import file_checks
from amplify_federation._files.file_checks import AnyPath
from amplify_federation.errors import StoreLockedError

_logger = logging.getLogger("amplify_federation")
_FIRST_PAUSE: Final = 0.001  # seconds; a write takes about one millisecond
_LONGEST_PAUSE: Final = 0.02
_OWNER_OFFSET: Final = 1  # bytes; Windows locks the first one against all readers
_OWNER_SIZE: Final = 20
_fork_guard: Final = RLock()  # re-entered where a signal's handler forks
_locks: Final[set["FileLock"]] = set()


class FileLock:
    """A lock that is taken. It ends with `release`, from any thread, or with the process."""

    __slots__ = ("_descriptor", "_path")

    def __init__(self, path: str, descriptor: int) -> None:
        self._path = path
        self._descriptor: int | None = descriptor

    def release(self, *, remove: bool = False) -> None:
        """Release the lock. A second call, or one in a forked child, does nothing.

        `remove`: with the lock file; the next process makes another.
        """
        with _fork_guard:
            _locks.discard(self)
            descriptor, self._descriptor = self._descriptor, None
            if descriptor is not None:
                if remove and os.name == "posix":  # Windows removes no open file
                    with contextlib.suppress(OSError):
                        os.unlink(self._path)
                _unlock(self._path, descriptor)

    def leave_to_parent(self) -> None:
        """Close a forked child's copy, which leaves the lock as it is."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@file_checks.as_store_errors
def _unlock(path: str, descriptor: int) -> None:  # noqa: ARG001 - the path is for the error
    from filelock import unlock_descriptor  # noqa: PLC0415 - as in `try_lock`

    try:
        # Closing is not enough: a child between fork and exec has the file open, too.
        unlock_descriptor(descriptor)
    finally:
        os.close(descriptor)


def _in_child() -> None:
    for taken in _locks:
        taken.leave_to_parent()
    _locks.clear()
    _fork_guard.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_fork_guard.acquire, after_in_parent=_fork_guard.release, after_in_child=_in_child
    )


# Taking a lock


def lock_of(path: AnyPath) -> str:
    """Return the lock file of a file."""
    return f"{os.fspath(path)}.lock"


@file_checks.as_store_errors
def try_lock(path: AnyPath) -> FileLock | None:
    """Take the lock if it is free. Does not wait."""
    # 15 % of a restart, which takes no lock.
    from filelock import lock_descriptor  # noqa: PLC0415 - as said

    path = os.fspath(path)
    with _fork_guard:
        descriptor = _opened(path)
        free = False
        try:
            # A lock file that was removed meanwhile locks nothing: the next process makes another.
            free = lock_descriptor(descriptor, blocking=False) and os.fstat(descriptor).st_nlink > 0
        finally:
            if not free:
                os.close(descriptor)
        if not free:
            return None
        taken = FileLock(path, descriptor)
        _locks.add(taken)
        _write_owner(descriptor)
    return taken


@contextlib.contextmanager
def hold_blocking(path: AnyPath, *, timeout: float) -> Generator[None]:
    """Hold the lock, waiting in a worker thread for at most `timeout` seconds; 0 tries once.

    Raises `StoreLockedError` naming the owner when the time is over.
    """
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


async def acquire(path: AnyPath, *, timeout: float) -> FileLock:  # noqa: ASYNC109 - the deadline is part of the error's message, and 0 means one try
    """Take the lock, waiting for at most `timeout` seconds; 0 tries once.

    A wait is logged as `lock_waited`. Raises `StoreLockedError` naming the owner when the time is
    over.
    """
    if (taken := try_lock(path)) is not None:
        return taken
    began, pauses = anyio.current_time(), _pauses()
    while taken is None:
        left = began + timeout - anyio.current_time()
        if left <= 0:
            raise _locked(path, timeout)
        await anyio.sleep(min(next(pauses), left))
        taken = try_lock(path)
    _log_wait(path, anyio.current_time() - began)
    return taken


def _log_wait(path: AnyPath, seconds: float) -> None:
    name = os.path.basename(path)
    _logger.info(
        "Waited %.3f s for a lock.",
        seconds,
        extra={"event": "lock_waited", "lock": name, "seconds": seconds},
    )


def _pauses() -> Generator[float]:
    """Yield the pauses between tries: random, else the longest waiter would lose most often."""
    pause = _FIRST_PAUSE
    while True:
        yield pause * (0.5 + os.urandom(1)[0] / 510)  # from one half to the whole
        pause = min(2 * pause, _LONGEST_PAUSE)


def _locked(path: AnyPath, timeout: float) -> StoreLockedError:
    pid = owner_of(path)
    who = "Another process" if pid is None else f"The process {pid}"
    message = f"{who} holds the lock of this session; waited {timeout:g} s for {path}."
    return StoreLockedError(message)


# Opening a lock file


def _opened(path: str) -> int:
    """Open the lock file, made if need be, and checked."""
    descriptor, made = _open_or_make(path, os.O_RDWR | file_checks.SAFE_FLAGS)
    try:
        if made:
            file_checks.own_only(descriptor)
        file_checks.check_own(path, descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _open_or_make(path: str, flags: int) -> tuple[int, bool]:
    while True:
        with contextlib.suppress(FileNotFoundError):
            return _open_existing(path, flags), False
        with contextlib.suppress(FileExistsError):  # another process made it meanwhile
            return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600), True


def _open_existing(path: str, flags: int) -> int:
    try:
        return os.open(path, flags)
    except PermissionError:
        _repair_unfinished(path)
        return os.open(path, flags)


def _repair_unfinished(path: str) -> None:
    """Set the mode of a lock file whose process, under an odd umask, has not done so (yet)."""
    status = os.lstat(path)
    if stat.S_ISREG(status.st_mode) and not status.st_mode & 0o777 & ~0o600:
        os.chmod(path, 0o600)


# The owner


def _write_owner(descriptor: int) -> None:
    """Write this process into its lock file, unless the file names it already."""
    mine = f"{os.getpid():<{_OWNER_SIZE}}".encode()
    with contextlib.suppress(OSError):
        if _read_owner(descriptor) != mine:
            os.lseek(descriptor, _OWNER_OFFSET, os.SEEK_SET)
            os.write(descriptor, mine)


def owner_of(path: AnyPath) -> int | None:
    """Return the process that owns the lock, if it is known."""
    with contextlib.suppress(OSError, ValueError):
        descriptor = os.open(path, os.O_RDONLY | file_checks.SAFE_FLAGS)
        try:
            return int(_read_owner(descriptor))
        finally:
            os.close(descriptor)
    return None


def _read_owner(descriptor: int) -> bytes:
    os.lseek(descriptor, _OWNER_OFFSET, os.SEEK_SET)
    return os.read(descriptor, _OWNER_SIZE)
