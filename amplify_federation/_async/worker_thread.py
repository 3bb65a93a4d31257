"""Blocking functions in a worker thread, and the error where no thread can be started.

Python raises a bare `RuntimeError` then. Here it is an `OSError` like any other lack of a resource,
so that code that handles a full disk or a missing file descriptor handles it, too.
"""

import errno
from collections.abc import Awaitable, Callable
from typing import ClassVar, TypeVar

import anyio

from amplify_federation.errors import StoreUnavailableError

T = TypeVar("T")
_MESSAGE = "can't start new thread"  # CPython's, of any version


class NoThreadError(OSError):
    """The process can start no further thread; `advice` tells what to do about it."""

    reason: ClassVar[str] = "the process can start no further thread"
    advice: ClassVar[str] = (
        "End processes or threads, or raise their limit (`ulimit -u`, the `pids` limit of the "
        "container, `TasksMax` of the systemd unit), then call again."
    )

    def __init__(self) -> None:
        super().__init__(errno.EAGAIN, self.reason)


def is_lack_of_thread(error: BaseException) -> bool:
    """Tell whether an error is Python's own where no thread can be started."""
    return isinstance(error, RuntimeError) and str(error) == _MESSAGE


async def in_thread(function: Callable[[], T], *, abandon_on_cancel: bool = False) -> T:
    """Return what a blocking function returns, called in a worker thread of anyio's.

    Raises `NoThreadError` where none can be started.
    """
    return await threaded(anyio.to_thread.run_sync(function, abandon_on_cancel=abandon_on_cancel))


async def in_store_thread(function: Callable[[], T], *, abandon_on_cancel: bool = False) -> T:
    """Do as `in_thread` for a store or its key; raises `StoreUnavailableError` instead."""
    try:
        return await in_thread(function, abandon_on_cancel=abandon_on_cancel)
    except NoThreadError:
        message = f"The session store cannot work now: {NoThreadError.reason}."
    raise StoreUnavailableError(message, recovery_suggestion=NoThreadError.advice)


async def threaded(work: Awaitable[T]) -> T:
    """Await what starts a thread of its own; raises `NoThreadError` where it cannot."""
    try:
        return await work
    except RuntimeError as error:
        if not is_lack_of_thread(error):
            raise
    raise NoThreadError
