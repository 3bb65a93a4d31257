"""Opening and reading one file that no other user can have replaced, and the errors of files.

Every file is opened without following a link and checked by its descriptor: a regular file, owned
by this user, with one name, closed to group and others. Every `OSError` becomes a `StoreError`
with the path and the name of the errno.

On Windows owner, mode and links are not checked: the folder is protected by the access list that it
inherits from the user's profile. macOS is checked like Linux.

The functions block.
"""

import errno
import os
import shlex
import stat
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import wraps
from typing import Concatenate, Final, Never, ParamSpec, TypeVar

from amplify_federation.errors import (
    SessionFileCorruptError,
    StoreError,
    StoreUnavailableError,
    UnsafePermissionsError,
)

# Paths are text inside: loading `pathlib` takes 3 % of a restart, and its calls are slower.
AnyPath = str | os.PathLike[str]
P = ParamSpec("P")
T = TypeVar("T")
Where = TypeVar("Where", bound=AnyPath)

# The errors of opening a link (EMLINK on FreeBSD), a folder or a socket with `SAFE_FLAGS`.
_NO_FILE: Final = frozenset({errno.ELOOP, errno.EMLINK, errno.EISDIR, errno.ENXIO})
# Of network and user-space file systems without locks, modes or forced writes.
_NOT_SUPPORTED: Final = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP})
_LOCAL_DISK: Final = "Use a folder on a local disk; this file system lacks what the store needs."


def as_store_errors(
    function: Callable[Concatenate[Where, P], T],
) -> Callable[Concatenate[Where, P], T]:
    """Turn each `OSError` of a function of a path into a `StoreError`, without a chain."""

    @wraps(function)
    def guarded(path: Where, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(path, *args, **kwargs)
        except OSError as error:
            failure = store_error(path, error)
        try:
            raise failure
        finally:
            del failure  # a frame and the exception in it would keep each other alive

    return guarded


def store_error(path: AnyPath, error: OSError) -> StoreError:
    """Return the `StoreError` for an `OSError` at a path."""
    number = error.errno or 0
    if number in _NO_FILE:
        return unsafe(path, "it is not a regular file", move_aside(path))
    name = errno.errorcode.get(number, type(error).__name__)
    message = f"The session store cannot use {path}: {name} ({os.strerror(number)})."
    advice = _LOCAL_DISK if number in _NOT_SUPPORTED else None
    return StoreUnavailableError(message, recovery_suggestion=advice)


def unsafe(path: AnyPath, why: str, command: str) -> UnsafePermissionsError:
    """Return the error for a path that is unsafe, with the command that repairs it."""
    message = f"The session store does not trust {path}: {why}. To mend it, run: {command}"
    return UnsafePermissionsError(message)


def not_ours(path: AnyPath, owner: int) -> UnsafePermissionsError:
    """Return the error for a path of another user, such as this one's under `sudo`."""
    own = os.geteuid()
    why = f"it belongs to user {owner}, and this process runs as user {own}, perhaps by mistake"
    return unsafe(path, why, f"sudo chown {own} {in_shell(path)}")


def move_aside(path: AnyPath) -> str:
    """Return the command that renames what is at a path."""
    quoted = in_shell(path)
    return f"mv {quoted} {quoted}.aside"


def in_shell(path: AnyPath) -> str:
    """Quote a path for a command in a message."""
    return shlex.quote(os.fspath(path))


WINDOWS: Final = sys.platform == "win32"
# Absent on Windows. O_NONBLOCK: opening a FIFO must not wait for its other end.
SAFE_FLAGS: Final[int] = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NOINHERIT", 0)
)
TRUST_VARIABLE: Final = "AMPLIFY_FEDERATION_TRUST_DIRECTORY"
TEMP_SUFFIX: Final = ".tmp"  # of a file that is being written, see `atomic_write`
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@as_store_errors
def read_file(path: AnyPath, limit: int) -> tuple[bytes, os.stat_result] | None:
    """Read a file of at most `limit` bytes, with its status; `None` if there is none.

    Raises `SessionFileCorruptError` if it is larger, `UnsafePermissionsError` if another user could
    have replaced it.
    """
    return _read(path, limit, check_own)


@as_store_errors
def read_mounted(path: AnyPath, limit: int) -> tuple[bytes, os.stat_result] | None:
    """Read a mounted file, such as a secret of an orchestrator, through its links."""
    return _read(os.path.realpath(path), limit, _check_mounted)


def _read(
    path: AnyPath, limit: int, check: Callable[[AnyPath, int], os.stat_result]
) -> tuple[bytes, os.stat_result] | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | SAFE_FLAGS)
    except FileNotFoundError:
        return None
    try:
        status = check(path, descriptor)
        if status.st_size > limit:
            _too_large(path, status.st_size, limit)
        return _read_whole(descriptor, status.st_size + 1), status
    finally:
        os.close(descriptor)


def _too_large(path: AnyPath, size: int, limit: int) -> Never:
    message = f"{path} has {size} bytes, more than the limit of {limit}; it was not read."
    raise SessionFileCorruptError(message)


def _read_whole(descriptor: int, size: int) -> bytes:
    chunks: list[bytes] = []
    while chunk := os.read(descriptor, size):
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def is_trusted() -> bool:
    """Tell whether the environment turns the checks of folders off."""
    return os.environ.get(TRUST_VARIABLE, "").lower() == "true"


def check_own(path: AnyPath, descriptor: int) -> os.stat_result:
    """Return the status of an open file that only this user can use.

    Raises `UnsafePermissionsError` for any other. Where folders are trusted, a file of this user is
    set to mode 0600 instead: Kubernetes' fsGroup makes 0660 of it at each start.
    """
    status = os.fstat(descriptor)
    if _is_to_be_closed(status):
        own_only(descriptor)
        status = os.fstat(descriptor)
    check_file(path, status)
    return status


def _is_to_be_closed(status: os.stat_result) -> bool:
    open_to_others = not WINDOWS and status.st_mode & _OTHERS and status.st_uid == os.geteuid()
    return bool(open_to_others and is_trusted())


def _check_mounted(path: AnyPath, descriptor: int) -> os.stat_result:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise unsafe(path, "it is not a regular file", move_aside(path))
    if WINDOWS:
        return status
    own, quoted = os.geteuid(), in_shell(path)
    if status.st_uid not in {0, own}:
        why = f"it belongs to user {status.st_uid}, and a key file must be this user's or root's"
        raise unsafe(path, why, f"sudo chown {own} {quoted}")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        why = f"its mode is {stat.S_IMODE(status.st_mode):04o}, so that others can write it"
        raise unsafe(path, why, f"chmod go-w {quoted}")
    folder = os.stat(os.path.dirname(path))
    closed = folder.st_uid == own and not folder.st_mode & (stat.S_IXGRP | stat.S_IXOTH)
    if status.st_mode & _OTHERS and folder.st_uid != 0 and not closed:
        why = (
            f"its mode is {stat.S_IMODE(status.st_mode):04o}, and its folder is neither root's nor "
            "closed to others"
        )
        raise unsafe(path, why, f"chmod 600 {quoted}")
    return status


def check_file(path: AnyPath, status: os.stat_result) -> None:
    """Raise `UnsafePermissionsError` unless it is the status of a private file of this user."""
    if not stat.S_ISREG(status.st_mode):
        raise unsafe(path, "it is not a regular file", move_aside(path))
    if WINDOWS:
        return
    if status.st_uid != os.geteuid():
        raise not_ours(path, status.st_uid)
    if status.st_mode & _OTHERS:
        command = f"chmod 600 {in_shell(path)}"
        raise unsafe(path, f"its mode is {stat.S_IMODE(status.st_mode):04o}", command)
    if status.st_nlink > 1:
        quoted = in_shell(path)
        command = f"cp -p {quoted} {quoted}.copy && mv {quoted}.copy {quoted}"
        raise unsafe(path, f"it has {status.st_nlink} names (hard links)", command)


def check_unopened(path: str) -> None:
    """Raise what opening a file of the store would end with; a missing one is no error."""
    with suppress(FileNotFoundError):
        status = os.lstat(path)
        if not _is_to_be_closed(status):
            check_file(path, status)


def faults_of(check: Callable[[str], object], paths: Iterable[str]) -> list[StoreError]:
    """Return what a check raises for these paths."""
    faults: list[StoreError] = []
    for path in paths:
        try:
            check(path)
        except OSError as error:
            faults.append(store_error(path, error))
        except StoreError as error:
            faults.append(error.with_traceback(None))
    return faults


def own_only(descriptor: int) -> None:
    """Set mode 0600, whatever the umask is."""
    if not WINDOWS:
        os.fchmod(descriptor, 0o600)


@as_store_errors
def listed(folder: AnyPath, suffix: str) -> list[os.DirEntry[str]]:
    """List the files of a folder whose names end with `suffix`, by name."""
    with os.scandir(os.fspath(folder)) as entries:
        found = [entry for entry in entries if entry.name.endswith(suffix)]
    return sorted(found, key=lambda entry: entry.name)
