"""Finding, making and checking the folder of a store: no other user may be able to replace it.

As sshd does with `~/.ssh`: the folder and every folder above it must belong to this user or to
root, and be writable by no other user. Unlike sshd, a folder above may be open to all if it is
sticky (/tmp), where no user can replace the files of another.

In a container whose user is arbitrary, home folders are often writable by a group or owned by
an unknown user. With `AMPLIFY_FEDERATION_TRUST_DIRECTORY=true` folders are not checked; files are.

On Windows folders are made and not checked; they inherit the access list of the user's profile.

The functions block.
"""

import contextlib
import os
import stat
from functools import lru_cache
from typing import Final

from amplify_federation._files.file_checks import (
    TRUST_VARIABLE,
    WINDOWS,
    AnyPath,
    as_store_errors,
    faults_of,
    in_shell,
    is_trusted,
    move_aside,
    not_ours,
    unsafe,
)
from amplify_federation.errors import ConfigurationError, StoreError, StoreUnavailableError

_ANOTHER_FOLDER: Final = (
    "Set AMPLIFY_FEDERATION_HOME to a folder of this user, or give `EncryptedFileStore` its path."
)
_EFFECTIVE: Final = os.access in os.supports_effective_ids
_HINT: Final = f"; where this cannot be changed, set {TRUST_VARIABLE}=true"
_UNFINISHED: Final = frozenset({0, 0o300, 0o600})  # 0700 less the umasks 0777, 0477, 0177
_WRITABLE: Final = stat.S_IWGRP | stat.S_IWOTH
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@as_store_errors
def real_folder(path: AnyPath) -> str:
    """Return the folder's path with all links resolved; the checks are for that one.

    systemd's `StateDirectory` under `DynamicUser` is a link, and so are many home folders. A link
    must belong to this user or root, else its owner could point it at another folder.
    Raises `ConfigurationError` for a path below a home that this user does not have.
    """
    expanded = os.path.expanduser(path)
    if os.fspath(expanded).startswith("~"):
        raise no_home()
    absolute = os.path.abspath(expanded)
    if not WINDOWS:
        if all(_is_plain_folder(folder) for folder in (absolute, *_parents(absolute))):
            return absolute  # the usual case, and quicker than resolving
        _check_link(absolute)
    return os.path.realpath(absolute)


def no_home() -> ConfigurationError:
    """Return the error for a user without a home folder."""
    message = "This user has no home folder, so there is no place for the session files."
    return ConfigurationError(
        message,
        recovery_suggestion=(
            "Set AMPLIFY_FEDERATION_HOME to a folder of this user, give `EncryptedFileStore` a "
            "path, or keep sessions in memory with `MemoryStore()`."
        ),
    )


def _check_link(path: str) -> None:
    try:
        status = os.lstat(path)
    except OSError:
        return  # it is made later, or the check of the folder says what is wrong
    if stat.S_ISLNK(status.st_mode) and status.st_uid not in {0, os.geteuid()} and not is_trusted():
        why = f"it is a link of user {status.st_uid}"
        raise unsafe(path, why, f"sudo chown -h {os.geteuid()} {in_shell(path)}")


def _is_plain_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


@lru_cache(16)  # a process has a folder or two, and checks them at each write
def _parents(path: str) -> tuple[str, ...]:
    """Return the names of the folders above an absolute path, the nearest first."""
    above = os.path.dirname(path)
    return () if above == path else (above, *_parents(above))


@as_store_errors
def folder_identity(path: AnyPath) -> tuple[int, int] | None:
    """Check a folder; return its device and inode, or `None` if there is none."""
    try:
        status = _check_folder(path)
    except FileNotFoundError:
        return None
    if not WINDOWS and not is_trusted():
        for parent in _parents(os.fspath(path)):
            _check_parent(parent)
    return status.st_dev, status.st_ino


def folder_faults(path: str) -> list[StoreError]:
    """Return why a folder would be refused or, if there is none, could not be made."""
    own = [path] if os.path.lexists(path) else []
    above = [folder for folder in _parents(path) if os.path.lexists(folder)]
    faults = faults_of(_check_folder, own)
    if not WINDOWS and not is_trusted():
        faults += faults_of(_check_parent, above)
    nearest = (own + above)[0]
    if not faults and not os.access(nearest, os.W_OK | os.X_OK, effective_ids=_EFFECTIVE):
        message = f"The session store cannot use {path}: this user may not write to {nearest}."
        faults.append(StoreUnavailableError(message, recovery_suggestion=_ANOTHER_FOLDER))
    return faults


@as_store_errors
def make_folder(path: AnyPath) -> None:
    """Make a folder and the missing ones above it, each 0700 whatever the umask is."""
    for folder in (*reversed(_parents(os.fspath(path))), path):
        if not os.path.lexists(folder):
            with contextlib.suppress(FileExistsError):  # another process was faster
                os.mkdir(folder, mode=0o700)
                os.chmod(folder, 0o700)  # an umask such as 0177 removes the right to enter
        if not WINDOWS:
            _repair_unfinished(folder)


def _repair_unfinished(path: AnyPath) -> None:
    """Set the mode of a new folder whose process died before it did so."""
    status = os.lstat(path)
    mode = stat.S_IMODE(status.st_mode)
    unfinished = mode & 0o777 in _UNFINISHED
    if stat.S_ISDIR(status.st_mode) and unfinished and status.st_uid == os.geteuid():
        os.chmod(path, 0o700)


def _check_folder(path: AnyPath) -> os.stat_result:
    status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode):
        raise unsafe(path, "it is not a folder", move_aside(path))
    if WINDOWS or is_trusted():
        return status
    if status.st_uid != os.geteuid():
        raise not_ours(path, status.st_uid)
    if status.st_mode & _OTHERS:
        mode = stat.S_IMODE(status.st_mode)
        raise unsafe(path, f"its mode is {mode:04o}", f"chmod 700 {in_shell(path)}")
    return status


def _check_parent(path: str) -> None:
    status = os.stat(path)
    if not stat.S_ISDIR(status.st_mode):
        raise unsafe(path, "it is not a folder", move_aside(path))
    if status.st_uid not in {0, os.geteuid()}:
        why = f"it is above the store and belongs to user {status.st_uid}{_HINT}"
        raise unsafe(path, why, f"sudo chown {os.geteuid()} {in_shell(path)}")
    if status.st_mode & _WRITABLE and not status.st_mode & stat.S_ISVTX:
        why = f"it is above the store and others can write to it{_HINT}"
        raise unsafe(path, why, f"chmod go-w {in_shell(path)}")
