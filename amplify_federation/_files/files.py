"""Opening and reading one file so that no other user can slip something in.

Every file is opened without following a link, and judged by its descriptor: a regular file, owned
by this user, with one name, closed to group and others.

On Windows there is no check of owner, mode or links here: what protects the folder there is the
access list that it inherits from the user's profile. macOS is checked like Linux.

This file must not know what is in the files. Its functions block.
"""

import os
import stat
import sys
from collections.abc import Callable
from typing import Final, Never

from amplify_federation._files.faults import (
    AnyPath,
    as_store_errors,
    in_shell,
    move_aside,
    unsafe,
)
from amplify_federation.errors import SessionFileCorruptError

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
TEMP_SUFFIX: Final = ".tmp"  # of a file that is being written, see `writing`
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@as_store_errors
def read_file(path: AnyPath, limit: int) -> tuple[bytes, os.stat_result] | None:
    """Read a file of at most `limit` bytes, with its status; `None` if there is none.

    Raises `SessionFileCorruptError` if it is larger, `UnsafePermissionsError` if it is not ours
    alone.
    """
    return _read(path, limit, check_own)


@as_store_errors
def read_mounted(path: AnyPath, limit: int) -> tuple[bytes, os.stat_result] | None:
    """Read a file that somebody mounted for us: the one at the end of its links, judged as such."""
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
    message = f"{path} has {size} bytes, more than the {limit} that it can have; it was not read."
    raise SessionFileCorruptError(message)


def _read_whole(descriptor: int, size: int) -> bytes:
    chunks: list[bytes] = []
    while chunk := os.read(descriptor, size):
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def is_trusted() -> bool:
    """Whether the environment says that folders need no check, and modes are an orchestrator's."""
    return os.environ.get(TRUST_VARIABLE, "").lower() == "true"


def check_own(path: AnyPath, descriptor: int) -> os.stat_result:
    """Return the status of a file that is ours; raise `UnsafePermissionsError` if it is not.

    Where modes are an orchestrator's (Kubernetes' fsGroup makes 0660 of 0600 at each start), a file
    of ours is closed to others again instead.
    """
    status = os.fstat(descriptor)
    if is_trusted() and not WINDOWS and status.st_mode & _OTHERS and status.st_uid == os.geteuid():
        own_only(descriptor)
        status = os.fstat(descriptor)
    check_file(path, status)
    return status


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
    """Raise `UnsafePermissionsError` unless a file's status is what ours have."""
    if not stat.S_ISREG(status.st_mode):
        raise unsafe(path, "it is not a regular file", move_aside(path))
    if WINDOWS:
        return
    own = os.geteuid()
    if status.st_uid != own:
        command = f"sudo chown {own} {in_shell(path)}"
        raise unsafe(path, f"it belongs to user {status.st_uid}", command)
    if status.st_mode & _OTHERS:
        command = f"chmod 600 {in_shell(path)}"
        raise unsafe(path, f"its mode is {stat.S_IMODE(status.st_mode):04o}", command)
    if status.st_nlink > 1:
        quoted = in_shell(path)
        command = f"cp -p {quoted} {quoted}.copy && mv {quoted}.copy {quoted}"
        raise unsafe(path, f"it has {status.st_nlink} names (hard links)", command)


def own_only(descriptor: int) -> None:
    """Set mode 0600 whatever the umask took away."""
    if not WINDOWS:
        os.fchmod(descriptor, 0o600)


@as_store_errors
def listed(folder: AnyPath, suffix: str) -> list[os.DirEntry[str]]:
    """List the files of a folder whose names end so."""
    with os.scandir(os.fspath(folder)) as entries:
        found = [entry for entry in entries if entry.name.endswith(suffix)]
    return sorted(found, key=lambda entry: entry.name)
