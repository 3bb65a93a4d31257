"""Replacing, moving and removing files so that a crash leaves the old or the new, nothing else.

The new content is written to a temporary file in the same folder, forced to disk, and renamed over
the old file; then the folder is forced to disk.

On Windows, a rename or removal is tried again while a reader or a virus scanner has the file open,
and folders cannot be forced to disk. On macOS `fsync` reaches the drive and not its platter, so a
power cut may undo the writes of the last second, but never leaves half a file.

The functions block.
"""

import contextlib
import functools
import os
import time
from collections.abc import Callable, Generator
from typing import Final

from amplify_federation._files.file_checks import (
    SAFE_FLAGS,
    TEMP_SUFFIX,
    WINDOWS,
    AnyPath,
    as_store_errors,
    own_only,
)

_SHARING_TRIES: Final = 40  # with the pauses below: two seconds, as long as a virus scan takes
_SHARING_PAUSE: Final = 0.05


@as_store_errors
def replace_file(path: AnyPath, data: bytes) -> None:
    """Write a file whole, and leave no temporary file.

    After a failure the old content stands; the new one, if only the last step failed, which forces
    the rename to disk.
    """
    temp = f"{os.fspath(path)}.{os.urandom(8).hex()}{TEMP_SUFFIX}"
    try:
        _write_new(temp, data)
        with _synced(os.path.dirname(path)):
            rename(temp, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temp)
        raise


def _write_new(path: str, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | SAFE_FLAGS, 0o600)
    try:
        own_only(descriptor)
        _write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


@as_store_errors
def try_writing(path: AnyPath, size: int) -> None:
    """Write `size` bytes to a temporary file and remove it. Raises what a real write would."""
    temp = f"{os.fspath(path)}.{os.urandom(8).hex()}{TEMP_SUFFIX}"
    descriptor = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | SAFE_FLAGS, 0o600)
    try:
        _write_all(descriptor, bytes(size))
    finally:
        os.close(descriptor)
        # Another process may have removed it: it is not locked, like the file of a dead process.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temp)


def rename(source: AnyPath, target: AnyPath) -> None:
    """Rename over the target."""
    _patiently(lambda: os.replace(source, target))


def _patiently(work: Callable[[], object]) -> None:
    """Call `work`; on Windows, repeat it while another process has the file open."""
    for _ in range(_SHARING_TRIES if WINDOWS else 0):
        try:
            work()
        except PermissionError:
            time.sleep(_SHARING_PAUSE)
        else:
            return
    work()


def sync_folder(folder: str) -> None:
    """Force a folder's names to disk."""
    with _synced(folder):
        pass


@contextlib.contextmanager
def _synced(folder: str) -> Generator[None]:
    """Force a folder's names to disk at the end. Windows has no such call and does it by itself.

    The folder is opened at the beginning, so that a lack of descriptors is found before a rename.
    """
    if WINDOWS:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | SAFE_FLAGS)
    try:
        yield
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@as_store_errors
def move_file(path: AnyPath, target: AnyPath) -> None:
    """Rename a file over another, and force the names to disk."""
    rename(path, target)
    sync_folder(os.path.dirname(path))


@as_store_errors
def remove_files(path: AnyPath, *others: AnyPath) -> None:
    """Remove files of one folder; a missing one is no error."""
    missing = 0
    for each in (path, *others):
        try:
            _patiently(functools.partial(os.unlink, each))
        except FileNotFoundError:
            missing += 1
    if missing <= len(others):
        sync_folder(os.path.dirname(path))
