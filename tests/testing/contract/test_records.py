"""A contract is worth what it refuses: each of these stores breaks one promise about records."""

import pytest

from amplify_federation import MemoryStore, Record
from amplify_federation.errors import StoreError
from amplify_federation.testing import StoreContract


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


BROKEN = [
    (Inventive, "test_reads_nothing_where_nothing_was_written"),
    (Truncating, "test_keeps_any_bytes"),
    (CaseBlind, "test_keeps_names_apart"),
    (LastWriterWins, "test_refuses_a_write_that_expects_another_version"),
    (Racing, "test_lets_one_of_many_racing_writers_win"),
    (Forgetful, "test_deletes_the_expected_version"),
    (Strict, "test_deletes_nothing_without_complaint"),
    (Reckless, "test_refuses_to_delete_another_version"),
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
