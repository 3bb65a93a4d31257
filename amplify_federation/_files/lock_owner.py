"""Which process holds a lock: written into the lock file, for the message of who waits in vain.

Nothing but that message depends on it, so no fault here is one. This file must not lock.
"""

import contextlib
import os
from collections.abc import Iterable
from typing import Final

from amplify_federation._files import files
from amplify_federation._files.faults import AnyPath

_OFFSET: Final = 1  # bytes; Windows locks the first one against everybody
_SIZE: Final = 20
_KERNELS_LIST: Final = "/proc/locks"  # Linux; see proc_locks(5)


def write(path: AnyPath) -> None:
    """Write this process into the lock file that it holds."""
    mine = f"{os.getpid():<{_SIZE}}".encode()
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDWR | files.SAFE_FLAGS)
        try:
            if _read(descriptor) != mine:
                os.lseek(descriptor, _OFFSET, os.SEEK_SET)
                os.write(descriptor, mine)
        finally:
            os.close(descriptor)


def named(path: AnyPath) -> int | None:
    """Return the process that holds the lock, as far as anybody knows."""
    with contextlib.suppress(OSError, ValueError):
        descriptor = os.open(path, os.O_RDONLY | files.SAFE_FLAGS)
        try:
            return int(_read(descriptor))
        finally:
            os.close(descriptor)
    # Until 4.0 filelock empties the file at each try.
    with contextlib.suppress(OSError, ValueError):
        return _named_by_kernel(path)
    return None


def _read(descriptor: int) -> bytes:
    os.lseek(descriptor, _OFFSET, os.SEEK_SET)
    return os.read(descriptor, _SIZE)


def _named_by_kernel(path: AnyPath) -> int | None:
    file = f":{os.stat(path).st_ino}"
    with open(_KERNELS_LIST, encoding="ascii") as lines:
        return _named_in(lines, file)


def _named_in(lines: Iterable[str], file: str) -> int | None:
    for line in lines:
        match line.split():
            case [_, "FLOCK", _, _, pid, where, *_] if where.endswith(file):
                return int(pid)
            case _:
                pass
    return None
