"""A contract is worth what it refuses: each of these stores breaks one promise."""

from contextlib import asynccontextmanager
from functools import cached_property

import anyio
import pytest
import sniffio

from amplify_federation import MemoryStore, Record
from amplify_federation.errors import StoreError, StoreLockedError
from amplify_federation.testing import StoreContract
from amplify_federation.testing.store_contract import on_every_backend, refused


class Sample(StoreContract):
    def __init__(self):
        self.seen = []
        self.closed = []

    def make_store(self):
        return MemoryStore()

    async def close_store(self, store):
        self.closed.append(store)

    @on_every_backend
    async def test_sample(self, store, name):
        """Look where we are."""
        self.seen.append((sniffio.current_async_library(), store, name))

    @on_every_backend
    async def test_broken(self, store, name):
        raise LookupError(name)


def test_scenario_runs_on_every_backend_with_a_store_and_a_name_of_its_own():
    sample = Sample()
    sample.test_sample()
    assert [library for library, _, _ in sample.seen] == ["asyncio", "trio"]
    assert sample.closed == [store for _, store, _ in sample.seen]
    assert len({name for _, _, name in sample.seen}) == 2
    assert Sample.test_sample.__doc__ == "Look where we are."


def test_backends_may_be_chosen():
    sample = Sample()
    sample.backends = ("asyncio",)
    sample.test_sample()
    assert len(sample.seen) == 1


def test_backend_that_is_not_installed_is_left_out():
    sample = Sample()
    sample.backends = ("asyncio", "no_such_backend")
    sample.test_sample()
    assert len(sample.seen) == 1


def test_store_is_closed_after_a_failure():
    sample = Sample()
    with pytest.raises(LookupError):
        sample.test_broken()
    assert len(sample.closed) == 1


def test_expected_refusal_that_does_not_come_is_a_failure():
    with pytest.raises(AssertionError, match="LookupError was not raised"), refused(LookupError):
        pass
    with refused(LookupError):
        raise KeyError
    with pytest.raises(ValueError, match="other"), refused(LookupError):
        raise ValueError("other")


def test_contract_without_a_store_says_so():
    with pytest.raises(NotImplementedError):
        StoreContract().test_reads_what_was_written()


class Inventive(MemoryStore):
    async def read(self, name):
        return await super().read(name) or Record("0", b"")


class Truncating(MemoryStore):
    async def compare_and_set(self, name, data, *, expected):
        return await super().compare_and_set(name, data[:1000], expected=expected)


class CaseBlind(MemoryStore):
    async def compare_and_set(self, name, data, *, expected):
        return await super().compare_and_set(name.lower(), data, expected=expected)

    async def read(self, name):
        return await super().read(name.lower())


class LastWriterWins(MemoryStore):
    async def compare_and_set(self, name, data, *, expected):
        record = await self.read(name)
        return await super().compare_and_set(
            name, data, expected=record.version if record else None
        )


class Racing(MemoryStore):
    """Looks, waits, and then writes."""

    async def compare_and_set(self, name, data, *, expected):
        import anyio  # noqa: PLC0415  # only here

        record = await self.read(name)
        self._expect(name, expected)
        await anyio.lowlevel.checkpoint()
        return (
            await super().compare_and_set(
                name, data, expected=(now.version if (now := await self.read(name)) else None)
            )
            if record or expected is None
            else ""
        )


class Forgetful(MemoryStore):
    """Counts versions anew after a delete."""

    async def delete(self, name, *, expected):
        await super().delete(name, expected=expected)
        self._writes = 0


class Reckless(MemoryStore):
    async def delete(self, name, *, expected):
        await super().delete(name, expected=None)


class Strict(MemoryStore):
    async def delete(self, name, *, expected):
        if await self.read(name) is None:
            raise StoreError("there is no such record")
        await super().delete(name, expected=expected)


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
    (Inventive, "test_reads_nothing_where_nothing_was_written"),
    (Truncating, "test_keeps_any_bytes"),
    (CaseBlind, "test_keeps_names_apart"),
    (LastWriterWins, "test_refuses_a_write_that_expects_another_version"),
    (Racing, "test_lets_one_of_many_racing_writers_win"),
    (Forgetful, "test_deletes_the_expected_version"),
    (Strict, "test_deletes_nothing_without_complaint"),
    (Reckless, "test_refuses_to_delete_another_version"),
    (Open, "test_gives_a_lease_to_one_at_a_time"),
    (OneForAll, "test_leases_names_apart"),
    (Jealous, "test_lets_others_read_and_write_during_a_lease"),
    (Sticky, "test_frees_the_lease_after_an_error"),
    (Impatient, "test_gives_the_lease_to_a_waiting_task"),
    (Open, "test_gives_the_lease_to_a_waiting_task"),
    (Open, "test_forgets_a_waiter_that_was_cancelled"),
]


def contract_of(make):
    class Contract(StoreContract):
        def __init__(self):
            self.only = make()

        def make_store(self):
            return self.only

    return Contract()


@pytest.mark.parametrize(("store", "promise"), BROKEN)
def test_store_that_breaks_a_promise_fails_the_test_of_it(store, promise):
    with pytest.raises((AssertionError, StoreError, ExceptionGroup)):
        getattr(contract_of(store), promise)()
    getattr(contract_of(MemoryStore), promise)()


def test_store_that_keeps_its_records_to_itself_fails():
    class Contract(StoreContract):
        def make_store(self):
            return MemoryStore()

    with pytest.raises((AssertionError, StoreError)):
        Contract().test_shows_a_write_to_another_handle()


class TestMemoryStore(StoreContract):
    @cached_property
    def _only(self):
        return MemoryStore()

    def make_store(self):
        return self._only
