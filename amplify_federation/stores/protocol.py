"""SessionStore: the protocol of a store. Applications may write their own.

`amplify_federation.testing.StoreContract` tests that one keeps to it.
"""

from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeGuard, runtime_checkable

from attrs import field, frozen

from amplify_federation._model.values import Value
from amplify_federation.errors import StoreConflictError


@frozen(weakref_slot=False, eq=False, repr=False)  # a process holds one for each session
class Record(Value):
    """The bytes kept under a name, and their version.

    A version is opaque; two records of one name with equal versions hold the same bytes.
    """

    version: str
    data: bytes = field(repr=False)


class SessionStore(Protocol):
    """Keeps bytes by name with a version. Names are any text of up to 256 characters."""

    async def read(self, name: str) -> Record | None:
        """Return the record, or `None` if there is none.

        Called often to notice what other processes wrote, so an unchanged record must be cheap.
        Raises `StoreError` if the store cannot tell.
        """
        ...

    async def compare_and_set(self, name: str, data: bytes, *, expected: str | None) -> str:
        """Write the record whole if its version is `expected` (`None`: there is no record).

        Return the new version. Raises `StoreConflictError` if the version is another, and any
        other `StoreError` with the old record left as it was.
        """
        ...

    async def delete(self, name: str, *, expected: str | None) -> None:
        """Delete the record if its version is `expected` (`None`: whatever is there).

        Also deletes what was set aside under this name as corrupt. No record is no error.
        Raises `StoreConflictError` if the version is another.
        """
        ...

    def lock(self, name: str, *, timeout: float) -> AbstractAsyncContextManager[None]:
        """Hold a lease on a name across all users of the store, waiting at most `timeout` seconds.

        A lease prevents no read or write; it chooses one of many to renew a session.
        Entering raises `StoreLockedError` when the time is over; 0 tries once.
        """
        ...


@runtime_checkable
class DiscardsSetAside(Protocol):
    """A store that sets damaged records aside."""

    async def discard_set_aside(self, name: str) -> None:
        """Delete what was set aside under a name, and leave its record."""
        ...


@runtime_checkable
class ChecksService(Protocol):
    """A store that can tell whether its server serves and its key fits."""

    async def check(self) -> None:
        """Raise the `StoreError` or `ConfigurationError` that a session would meet."""
        ...


@runtime_checkable
class ChecksWriting(Protocol):
    """A store that can tell beforehand whether a write would fail."""

    async def check_writable(self) -> None:
        """Raise the `StoreError` or `ConfigurationError` that a write would end with."""
        ...


def conflict() -> StoreConflictError:
    """Return the error of a write that expects another version than it finds."""
    return StoreConflictError("Another process or task wrote this session in between.")


# From Python 3.12 on, `isinstance` of these protocols does not see what a store that wraps another
# passes on by `__getattr__`. The engine uses these functions instead.


def checks_writing(store: object) -> TypeGuard[ChecksWriting]:
    """Tell whether a store has `check_writable`."""
    return hasattr(store, "check_writable")


def discards_set_aside(store: object) -> TypeGuard[DiscardsSetAside]:
    """Tell whether a store has `discard_set_aside`."""
    return hasattr(store, "discard_set_aside")


def writes_at_once(store: object) -> bool:
    """Tell whether a store's writes never suspend, so that no cancellation ends one half way."""
    return bool(getattr(store, "writes_at_once", False))
