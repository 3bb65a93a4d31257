"""Every fault of the disk as the `StoreError` that it is, naming the path and the errno.

This file must not know what is done to the paths.
"""

import errno
import os
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, Final, ParamSpec, TypeVar

from amplify_federation.errors import StoreError, StoreUnavailableError, UnsafePermissionsError

# Text within, for `pathlib` costs more to load and to call than what is done to the paths.
AnyPath = str | os.PathLike[str]
P = ParamSpec("P")
T = TypeVar("T")
Where = TypeVar("Where", bound=AnyPath)

# What opening without following answers to a link (EMLINK on FreeBSD), a folder, a socket.
_NO_FILE: Final = frozenset({errno.ELOOP, errno.EMLINK, errno.EISDIR, errno.ENXIO})


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
        raise failure

    return guarded


def store_error(path: AnyPath, error: OSError) -> StoreError:
    """Describe an `OSError` at a path as the `StoreError` it is."""
    number = error.errno or 0
    if number in _NO_FILE:
        return unsafe(path, "what stands there is not a regular file", move_aside(path))
    name = errno.errorcode.get(number, type(error).__name__)
    message = f"The session store cannot use {path}: {name} ({os.strerror(number)})."
    return StoreUnavailableError(message)


def unsafe(path: AnyPath, why: str, command: str) -> UnsafePermissionsError:
    """Describe what is unsafe about a path, and the command that mends it."""
    message = f"The session store does not trust {path}: {why}. To mend it, run: {command}"
    return UnsafePermissionsError(message)


def move_aside(path: AnyPath) -> str:
    """Return the command that takes a path out of the way and loses nothing."""
    quoted = in_shell(path)
    return f"mv {quoted} {quoted}.aside"


def in_shell(path: AnyPath) -> str:
    """Write a path as the commands in messages have it."""
    from shlex import quote  # noqa: PLC0415 - for faults alone

    return quote(os.fspath(path))
