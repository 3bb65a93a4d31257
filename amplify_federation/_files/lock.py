"""One lock file, owned by one process at a time, waited for without blocking the event loop.

The kernel's lock (flock; LockFileEx on Windows) belongs to the open file, so it ends with its
owner, however that dies. A file system that has no such lock is told as `StoreUnavailableError`.

A forked child shares the open files of its parent, so it would keep the lock of a parent that died.
Therefore a child closes at once every lock of its parent, and no fork falls between the opening of
a lock file and the moment from which that is known.

The lock file names the process that owns it, for the message of a timeout; a fault of that is none.
"""

import contextlib
import logging
import os
import stat
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager
from threading import RLock
from typing import Final

import anyio

from amplify_federation._files import checks
from amplify_federation._files.checks import AnyPath
from amplify_federation.errors import StoreLockedError

_logger = logging.getLogger("amplify_federation")
_FIRST_PAUSE: Final = 0.001  # seconds; a write takes about one millisecond
_LONGEST_PAUSE: Final = 0.02
_OWNER_OFFSET: Final = 1  # bytes; Windows locks the first one against all readers
_OWNER_SIZE: Final = 20
_KERNEL_LOCKS: Final = "/proc/locks"  # Linux; see proc_locks(5)
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


def take(path: str, opened: Callable[[str], int]) -> FileLock | None:
    """Lock a lock file, opened by `opened`, if it is free. Raises `OSError`."""
    from filelock import lock_descriptor  # noqa: PLC0415 - heavy

    with _fork_guard:
        descriptor = opened(path)
        free = False
        try:
            # A lock file that was removed meanwhile locks nothing: the next process makes another.
            free = lock_descriptor(descriptor, blocking=False) and _has_name(descriptor)
        finally:
            if not free:
                os.close(descriptor)
        if not free:
            return None
        taken = FileLock(path, descriptor)
        _locks.add(taken)
    return taken


def _has_name(descriptor: int) -> bool:
    return os.fstat(descriptor).st_nlink > 0


@checks.as_store_errors
def _unlock(path: str, descriptor: int) -> None:  # noqa: ARG001 - the path is for the error
    from filelock import unlock_descriptor  # noqa: PLC0415 - heavy

    try:
        unlock_descriptor(descriptor)  # by name: a child between fork and exec has it open too
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


def lock_of(path: AnyPath) -> str:
    """Return the lock file of a file."""
    return f"{os.fspath(path)}.lock"


@asynccontextmanager
async def hold(path: AnyPath, *, timeout: float) -> AsyncGenerator[None]:  # noqa: ASYNC109 - the deadline is part of the error's message, and 0 means one try
    """Hold the lock of a path, waiting at most `timeout` seconds; 0 tries once.

    Raises `StoreLockedError` naming the owner when the time is over.
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


@checks.as_store_errors
def try_lock(path: AnyPath) -> FileLock | None:
    """Take the lock if it is free. Does not wait."""
    taken = take(os.fspath(path), _opened)
    if taken is not None:
        _write_owner(path)
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
    from random import uniform  # noqa: PLC0415 - waits are rare

    pause = _FIRST_PAUSE
    while True:
        yield pause * uniform(0.5, 1)  # noqa: S311 - no secret depends on it
        pause = min(2 * pause, _LONGEST_PAUSE)


def _opened(path: str) -> int:
    """Open the lock file, made if need be, and checked."""
    flags = os.O_RDWR | checks.SAFE_FLAGS
    descriptor, made = _open_or_make(path, flags)
    try:
        if made:
            checks.own_only(descriptor)
        checks.check_own(path, descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _open_or_make(path: str, flags: int) -> tuple[int, bool]:
    while True:
        with contextlib.suppress(FileExistsError):
            return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600), True
        with contextlib.suppress(FileNotFoundError):  # removed by its last owner
            return _open_existing(path, flags), False


def _open_existing(path: str, flags: int) -> int:
    try:
        return os.open(path, flags)
    except PermissionError:
        _mend_unfinished(path)
        return os.open(path, flags)


def _mend_unfinished(path: str) -> None:
    """Set the mode of a lock file if its process, under an odd umask, did not do so (yet)."""
    status = os.lstat(path)
    if stat.S_ISREG(status.st_mode) and not status.st_mode & 0o777 & ~0o600:
        os.chmod(path, 0o600)


def _locked(path: AnyPath, timeout: float) -> StoreLockedError:
    pid = owner_of(path)
    who = "Another process" if pid is None else f"The process {pid}"
    message = f"{who} holds the lock of this session; waited {timeout:g} s for {path}."
    return StoreLockedError(message)


def _write_owner(path: AnyPath) -> None:
    """Write this process into the lock file that it holds."""
    mine = f"{os.getpid():<{_OWNER_SIZE}}".encode()
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDWR | checks.SAFE_FLAGS)
        try:
            if _read_owner(descriptor) != mine:
                os.lseek(descriptor, _OWNER_OFFSET, os.SEEK_SET)
                os.write(descriptor, mine)
        finally:
            os.close(descriptor)


def owner_of(path: AnyPath) -> int | None:
    """Return the process that owns the lock, if it is known."""
    with contextlib.suppress(OSError, ValueError):
        descriptor = os.open(path, os.O_RDONLY | checks.SAFE_FLAGS)
        try:
            return int(_read_owner(descriptor))
        finally:
            os.close(descriptor)
    # Until 4.0 filelock empties the file at each try.
    with contextlib.suppress(OSError, ValueError):
        return _owner_by_kernel(path)
    return None


def _read_owner(descriptor: int) -> bytes:
    os.lseek(descriptor, _OWNER_OFFSET, os.SEEK_SET)
    return os.read(descriptor, _OWNER_SIZE)


def _owner_by_kernel(path: AnyPath) -> int | None:
    file = f":{os.stat(path).st_ino}"
    with open(_KERNEL_LOCKS, encoding="ascii") as lines:
        return _owner_in(lines, file)


def _owner_in(lines: Iterable[str], file: str) -> int | None:
    for line in lines:
        match line.split():
            case [_, "FLOCK", _, _, pid, where, *_] if where.endswith(file):
                return int(pid)
            case _:
                pass
    return None
