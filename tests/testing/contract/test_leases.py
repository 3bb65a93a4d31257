"""A contract is worth what it refuses: each of these stores breaks one promise about leases."""

from contextlib import asynccontextmanager

import anyio
import pytest

from amplify_federation import MemoryStore
from amplify_federation.errors import StoreError, StoreLockedError
from amplify_federation.testing import StoreContract


class Open(MemoryStore):
    @asynccontextmanager
    async def lock(self, name, *, timeout):  # noqa: ASYNC109  # the protocol's word
        await anyio.lowlevel.checkpoint()
        yield


class OneForAll(MemoryStore):
    @asynccontextmanager
    async def lock(self, name, *, timeout):  # noqa: ASYNC109  # the protocol's word
        async with super().lock("all", timeout=timeout):
            yield


class Sticky(MemoryStore):
    """Frees a lease only if all went well."""

    @asynccontextmanager
    async def lock(self, name, *, timeout):  # noqa: ASYNC109  # the protocol's word
        if name in self._leases:
            raise StoreLockedError("held")
        self._leases[name] = anyio.Event()
        yield
        del self._leases[name]


class Impatient(MemoryStore):
    """Never waits."""

    @asynccontextmanager
    async def lock(self, name, *, timeout):  # noqa: ASYNC109  # the protocol's word
        async with super().lock(name, timeout=0):
            yield


class Jealous(MemoryStore):
    """Keeps others from writing during a lease."""

    async def compare_and_set(self, name, data, *, expected):
        if name in self._leases:
            raise StoreLockedError("held")
        return await super().compare_and_set(name, data, expected=expected)


BROKEN = [
    (Open, "test_gives_a_lease_to_one_at_a_time"),
    (OneForAll, "test_leases_names_apart"),
    (Jealous, "test_lets_others_read_and_write_during_a_lease"),
    (Sticky, "test_frees_the_lease_of_a_holder_that_fails"),
    (Impatient, "test_hands_the_lease_to_a_waiter"),
    (Open, "test_hands_the_lease_to_a_waiter"),
    (Open, "test_forgets_a_waiter_that_was_cancelled"),
]


@pytest.mark.parametrize(("store", "promise"), BROKEN)
def test_store_that_breaks_a_promise_fails_the_test_of_it(store, promise):
    class Contract(StoreContract):
        def __init__(self, only):
            self.only = only

        def make_store(self):
            return self.only

    with pytest.raises((AssertionError, StoreError, ExceptionGroup)):
        getattr(Contract(store()), promise)()
    getattr(Contract(MemoryStore()), promise)()
