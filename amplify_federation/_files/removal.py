"""Removing what is no longer needed from a store's folder.

    <record>.corrupt   the last content of a record that could not be read
    <record>.lease     locked during a renewal
    <file>.*.tmp       a file that is being written
    <file>.lock        locked during one write

A record is removed with the first two. A temporary file is removed if its lock is free: then the
process that was writing it is dead.

The functions block.
"""

import contextlib
import os
import time

from amplify_federation._files import atomic_write, lock
from amplify_federation._files.file_checks import TEMP_SUFFIX, listed
from amplify_federation.errors import StoreError


def aside_of(path: str) -> str:
    """Return where a damaged record is moved to."""
    return f"{path}.corrupt"


def lease_of(path: str) -> str:
    """Return the lease file of a record's file."""
    return f"{path}.lease"


def remove_record(path: str) -> None:
    """Remove a record's file, the one set aside, and the lease file unless it is locked."""
    atomic_write.remove_files(path, aside_of(path))
    lease = lease_of(path)
    if os.path.lexists(lease) and (taken := lock.try_lock(lease)) is not None:
        taken.release(remove=True)


def remove_old_records(folder: str, suffix: str, *, life: float) -> None:
    """Remove the records with this suffix whose last write was more than `life` seconds ago."""
    oldest = time.time() - life
    for entry in listed(folder, suffix):
        with contextlib.suppress(OSError, StoreError):  # one bad file must not keep the others
            if entry.stat(follow_symlinks=False).st_mtime < oldest:
                _remove_if_old(entry.path, oldest)


def _remove_if_old(path: str, oldest: float) -> None:
    taken = lock.try_lock(lock.lock_of(path))
    if taken is None:
        return
    try:
        if os.lstat(path).st_mtime < oldest:  # it may have been written before it was locked
            remove_record(path)
    finally:
        taken.release(remove=True)


def remove_abandoned(folder: str) -> None:
    """Remove the temporary files of dead processes."""
    for entry in listed(folder, TEMP_SUFFIX):
        with contextlib.suppress(StoreError):  # as above
            _remove_if_abandoned(entry.path)


def _remove_if_abandoned(temp: str) -> None:
    record = temp.rsplit(".", 2)[0]
    taken = lock.try_lock(lock.lock_of(record))
    if taken is None:
        return
    try:
        atomic_write.remove_files(temp)
    finally:
        taken.release(remove=not os.path.lexists(record))
