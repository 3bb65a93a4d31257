"""A lock that this process holds: an open file, locked by the kernel until it is closed.

A forked child shares the open files of its parent, so it would keep the lock of a parent that died.
Therefore a child closes at once what its parent held, and no fork falls between the opening of a
lock file and the moment from which that is known.

This file must not know how the lock file is made, nor how anybody waits for it.
"""

import contextlib
import os
from collections.abc import Callable
from threading import RLock
from typing import Final

from amplify_federation._files import faults

_gate: Final = RLock()  # re-entered where a signal's handler forks
_all: Final[set["FileLock"]] = set()


class FileLock:
    """A lock that is held. It ends with `release`, from any thread, or with the process."""

    __slots__ = ("_descriptor", "_path")

    def __init__(self, path: str, descriptor: int) -> None:
        self._path = path
        self._descriptor: int | None = descriptor

    def release(self, *, remove: bool = False) -> None:
        """Let others have it. Done already, or in a forked child, it does nothing.

        `remove`: with the lock file, so that none is left behind; the next to come makes another.
        """
        with _gate:
            _all.discard(self)
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

    with _gate:
        descriptor = opened(path)
        free = False
        try:
            # One that was removed meanwhile guards nothing: the next to come makes another.
            free = lock_descriptor(descriptor, blocking=False) and _has_name(descriptor)
        finally:
            if not free:
                os.close(descriptor)
        if not free:
            return None
        held = FileLock(path, descriptor)
        _all.add(held)
    return held


def _has_name(descriptor: int) -> bool:
    return os.fstat(descriptor).st_nlink > 0


@faults.as_store_errors
def _unlock(path: str, descriptor: int) -> None:  # noqa: ARG001 - the path is for the error
    from filelock import unlock_descriptor  # noqa: PLC0415 - heavy

    try:
        unlock_descriptor(descriptor)  # by name: a child between fork and exec has it open too
    finally:
        os.close(descriptor)


def _in_child() -> None:
    for held in _all:
        held.leave_to_parent()
    _all.clear()
    _gate.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_gate.acquire, after_in_parent=_gate.release, after_in_child=_in_child
    )
