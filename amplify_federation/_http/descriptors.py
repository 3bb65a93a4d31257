"""How many file descriptors this process may still open, as a bound of connections and files.

macOS gives a process 256, many servers 1,024. A process without any left cannot even load a module,
so the number of connections and of open files is bounded beforehand, by a share of those left.
"""

import os
import sys
from typing import Final

if sys.platform != "win32":
    import resource

# For the application, look-ups of names, and modules that are loaded late.
RESERVED: Final = 32


def within_descriptors(wanted: int, *, shares: int) -> int:
    """Return `wanted`, or one of so many `shares` of the descriptors left if that is less.

    At least 1. The descriptors are counted at the call.
    """
    left = _left()
    return wanted if left is None else max(1, min(wanted, (left - RESERVED) // shares))


def _left() -> int | None:
    if sys.platform == "win32":  # sockets are no descriptors there
        return None
    limit, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return None
    try:
        return limit - len(os.listdir("/dev/fd"))  # noqa: PTH208  # pathlib is slow to load
    except OSError as error:
        # No descriptor is left to count the others with; or this system has no such folder.
        return limit if isinstance(error, FileNotFoundError) else 0
