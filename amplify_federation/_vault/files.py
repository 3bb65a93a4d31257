"""Opening, replacing and removing one file so that no other user can slip something in.

Every file is opened without following a link, and judged by its descriptor: a regular file, owned
by this user, with one name, closed to group and others. What replaces it is written whole beside
it, forced to disk, and renamed over it.

On Windows there is no owner, mode or link check here: what protects the folder there is the
access list that it inherits from the user's profile. macOS is checked like Linux; its `fsync`
empties the page cache and not the drive's, so the last second before a power cut may be lost,
never half a file.

This file must not know what is in the files. Its functions block; each `OSError` leaves it as a
`StoreError` without a chain.
"""

import contextlib
import os
import secrets
import shlex
import stat
import sys
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Concatenate, Final, Never, ParamSpec, TypeVar

from amplify_federation.errors import (
    SessionFileCorruptError,
    StoreError,
    StoreUnavailableError,
    UnsafePermissionsError,
)

P = ParamSpec("P")
T = TypeVar("T")

WINDOWS: Final = sys.platform == "win32"
TEMP_SUFFIX: Final = ".tmp"
# Absent on Windows. O_NONBLOCK: opening a FIFO must not wait for its other end.
SAFE_FLAGS: Final[int] = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NOINHERIT", 0)
)
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_SHARING_TRIES: Final = 40  # with the pauses below: two seconds, as long as a virus scanner looks
_SHARING_PAUSE: Final = 0.05


def as_store_errors(
    function: Callable[Concatenate[Path, P], T],
) -> Callable[Concatenate[Path, P], T]:
    """Turn each `OSError` of a function of a path into a `StoreError`, without a chain."""

    @wraps(function)
    def guarded(path: Path, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(path, *args, **kwargs)
        except OSError as error:
            failure = store_error(path, error)
        raise failure

    return guarded


def store_error(path: Path, error: OSError) -> StoreError:
    """Describe an `OSError` at a path as the `StoreError` it is."""
    import errno  # noqa: PLC0415 - a table of names, needed here alone

    number = error.errno or 0
    if number in {errno.ELOOP, errno.EMLINK} or (number == errno.EISDIR):
        return unsafe(path, "a link or a folder stands where a file should be", _aside(path))
    name = errno.errorcode.get(number, type(error).__name__)
    message = f"The session store cannot use {path}: {name} ({os.strerror(number)})."
    return StoreUnavailableError(message)


def unsafe(path: Path, why: str, command: str) -> UnsafePermissionsError:
    """Describe what is unsafe about a path, and the command that mends it."""
    message = f"The session store does not trust {path}: {why}. To mend it, run: {command}"
    return UnsafePermissionsError(message)


@as_store_errors
def read_file(path: Path, limit: int) -> tuple[bytes, os.stat_result] | None:
    """Read a file of at most `limit` bytes, with its status; `None` if there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | SAFE_FLAGS)
    except FileNotFoundError:
        return None
    try:
        status = os.fstat(descriptor)
        check_file(path, status)
        if status.st_size > limit:
            _too_large(path, status.st_size, limit)
        return _read_whole(descriptor, limit), status
    finally:
        os.close(descriptor)


def _too_large(path: Path, size: int, limit: int) -> Never:
    message = f"{path} has {size} bytes, more than the {limit} that it can have; it was not read."
    raise SessionFileCorruptError(message)


def _read_whole(descriptor: int, limit: int) -> bytes:
    chunks: list[bytes] = []
    while chunk := os.read(descriptor, limit + 1):
        chunks.append(chunk)
        if sum(map(len, chunks)) > limit:  # it grew while we read: not one of our writers
            break
    return b"".join(chunks)


def check_file(path: Path, status: os.stat_result) -> None:
    """Raise `UnsafePermissionsError` unless a file's status is what ours have."""
    if not stat.S_ISREG(status.st_mode):
        raise unsafe(path, "it is not a regular file", _aside(path))
    if WINDOWS:
        return
    if status.st_uid != os.geteuid():
        command = f"sudo chown {os.geteuid()} {shlex.quote(str(path))}"
        raise unsafe(path, f"it belongs to user {status.st_uid}", command)
    if status.st_mode & _OTHERS:
        command = f"chmod 600 {shlex.quote(str(path))}"
        raise unsafe(path, f"its mode is {stat.S_IMODE(status.st_mode):04o}", command)
    if status.st_nlink > 1:
        quoted = shlex.quote(str(path))
        command = f"cp -p {quoted} {quoted}.copy && mv {quoted}.copy {quoted}"
        raise unsafe(path, f"it has {status.st_nlink} names (hard links)", command)


@as_store_errors
def replace_file(path: Path, data: bytes) -> os.stat_result:
    """Write a file whole: after any failure the old one stands and no temporary remains."""
    temp = path.with_name(f"{path.name}.{secrets.token_hex(8)}{TEMP_SUFFIX}")
    try:
        status = _write_new(temp, data)
        rename(temp, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temp.unlink()
        raise
    sync_folder(path.parent)
    return status


def _write_new(path: Path, data: bytes) -> os.stat_result:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | SAFE_FLAGS, 0o600)
    try:
        own_only(descriptor)
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def own_only(descriptor: int) -> None:
    """Set mode 0600 whatever the umask took away."""
    if not WINDOWS:
        os.fchmod(descriptor, 0o600)


def rename(source: Path, target: Path) -> None:
    """Rename over the target; on Windows patiently, for a reader or scanner may hold it open."""
    for _ in range(_SHARING_TRIES if WINDOWS else 0):
        try:
            source.replace(target)
        except PermissionError:
            time.sleep(_SHARING_PAUSE)
        else:
            return
    source.replace(target)


def sync_folder(folder: Path) -> None:
    """Force a folder's names to disk. Windows has no such call and does it by itself."""
    if WINDOWS:
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | SAFE_FLAGS)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@as_store_errors
def move_file(path: Path, target: Path) -> None:
    """Rename a file over another, and force the names to disk."""
    rename(path, target)
    sync_folder(path.parent)


@as_store_errors
def remove_files(path: Path, *others: Path) -> None:
    """Remove files of one folder; those that are not there are no error."""
    missing = 0
    for each in (path, *others):
        try:
            each.unlink()
        except FileNotFoundError:
            missing += 1
    if missing <= len(others):
        sync_folder(path.parent)


@as_store_errors
def listed(folder: Path, suffix: str) -> list[Path]:
    """List the files of a folder whose names end so."""
    with os.scandir(folder) as entries:
        return sorted(Path(entry.path) for entry in entries if entry.name.endswith(suffix))


def _aside(path: Path) -> str:
    quoted = shlex.quote(str(path))
    return f"mv {quoted} {quoted}.aside"
