"""StoreContract: what every `SessionStore` promises, as a test class to subclass.

class TestMyStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def make_store(self):
        return MyStore(self.folder)

The tests are plain functions that start their own event loop, so no plugin for async tests is
needed. This file must not import pytest: programs without it import the wing too.
"""

import uuid
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import anyio
import anyio.lowlevel

from amplify_federation import SessionStore
from amplify_federation.errors import StoreConflictError, StoreLockedError

_Scenario = Callable[[Any, SessionStore, str], Awaitable[None]]
MANY = 20  # tasks that race; enough to lose updates in a store that has a gap
BRIEFLY = 0.05  # seconds that a wait which must fail takes


def on_every_backend(scenario: _Scenario) -> Callable[["StoreContract"], None]:
    """Make a test of a scenario, run on each event loop that is installed."""

    def test(self: "StoreContract") -> None:
        for backend in filter(find_spec, self.backends):  # trio is not everybody's
            anyio.run(_with_store, self, scenario, backend=backend)

    # Not functools.wraps: pytest would take the scenario's parameters for fixtures.
    test.__doc__ = scenario.__doc__
    return test


async def _with_store(contract: "StoreContract", scenario: _Scenario) -> None:
    store = contract.make_store()
    try:
        await scenario(contract, store, f"contract-{uuid.uuid4()}")
    finally:
        await contract.close_store(store)


@contextmanager
def refused(error: type[Exception]) -> Generator[None]:
    """Expect the block to raise; pytest's `raises` would need pytest."""
    refused = False
    try:
        yield
    except error:
        refused = True
    assert refused, f"{error.__name__} was not raised"


class StoreContract:
    """Tests the promises of `SessionStore`; subclass it and write `make_store`.

    `make_store()` returns a store, is called with the event loop running, and several times in a
    test: each call must reach the same records. `close_store(store)`, async, closes what it
    opened. `backends` are the event loops that each test runs on, as far as they are installed.
    """

    backends: tuple[str, ...] = ("asyncio", "trio")

    def make_store(self) -> SessionStore:
        """Return a store; each call within one test must reach the same records.

        Called with the event loop running.
        """
        raise NotImplementedError

    async def close_store(self, store: Any) -> None:  # noqa: ANN401  # the subclass knows its type
        """Close what `make_store` opened; does nothing unless overridden."""

    # -- read, compare_and_set, delete

    @on_every_backend
    async def test_reads_nothing_where_nothing_was_written(
        self, store: SessionStore, name: str
    ) -> None:
        """There is no record under a new name."""
        assert await store.read(name) is None

    @on_every_backend
    async def test_reads_what_was_written(self, store: SessionStore, name: str) -> None:
        """A record has the bytes and the version of its write."""
        version = await store.compare_and_set(name, b"one", expected=None)
        record = await store.read(name)
        assert record is not None
        assert (record.version, record.data) == (version, b"one")

    @on_every_backend
    async def test_keeps_any_bytes(self, store: SessionStore, name: str) -> None:
        """Neither zero bytes, nor line ends, nor 64 KiB are changed."""
        version = None
        for data in (bytes(range(256)), b"\r\n\n\r", b"\0" * 65_536, b"x"):
            version = await store.compare_and_set(name, data, expected=version)
            record = await store.read(name)
            assert record is not None
            assert record.data == data

    @on_every_backend
    async def test_keeps_names_apart(self, store: SessionStore, name: str) -> None:
        """Names may hold any text of up to 256 characters, and differ in case alone."""
        odd = ("a/b", "a:b", "../a", ".", "A", "a", "a ", "é", "a\n", "a*?", "x" * 200)
        names = [f"{name}{suffix}" for suffix in odd]
        for one in names:
            await store.compare_and_set(one, one.encode(), expected=None)
        for one in names:
            record = await store.read(one)
            assert record is not None
            assert record.data == one.encode()

    @on_every_backend
    async def test_replaces_the_expected_version(self, store: SessionStore, name: str) -> None:
        """A write that knows the version replaces the record and gives it another version."""
        first = await store.compare_and_set(name, b"one", expected=None)
        second = await store.compare_and_set(name, b"two", expected=first)
        record = await store.read(name)
        assert record is not None
        assert (record.version, record.data) == (second, b"two")
        assert second != first

    @on_every_backend
    async def test_refuses_a_write_that_expects_another_version(
        self, store: SessionStore, name: str
    ) -> None:
        """A write that missed a write in between changes nothing."""
        with refused(StoreConflictError):
            await store.compare_and_set(name, b"lost", expected="no such version")
        assert await store.read(name) is None
        first = await store.compare_and_set(name, b"one", expected=None)
        await store.compare_and_set(name, b"two", expected=first)
        for stale in (first, None):
            with refused(StoreConflictError):
                await store.compare_and_set(name, b"lost", expected=stale)
        record = await store.read(name)
        assert record is not None
        assert record.data == b"two"

    @on_every_backend
    async def test_lets_one_of_many_racing_writers_win(
        self, store: SessionStore, name: str
    ) -> None:
        """Of many writes that expect the same version, one succeeds and the others know."""
        won: list[bytes] = []
        lost: list[bytes] = []

        async def write(data: bytes) -> None:
            try:
                await store.compare_and_set(name, data, expected=None)
            except StoreConflictError:
                lost.append(data)
            else:
                won.append(data)

        async with anyio.create_task_group() as tasks:
            for number in range(MANY):
                tasks.start_soon(write, b"%d" % number)
        record = await store.read(name)
        assert record is not None
        assert (won, len(lost)) == ([record.data], MANY - 1)

    @on_every_backend
    async def test_deletes_the_expected_version(self, store: SessionStore, name: str) -> None:
        """A deleted record is gone, and the next one has a version that was never used."""
        first = await store.compare_and_set(name, b"one", expected=None)
        await store.delete(name, expected=first)
        assert await store.read(name) is None
        second = await store.compare_and_set(name, b"two", expected=None)
        assert second != first
        await store.delete(name, expected=None)
        assert await store.read(name) is None

    @on_every_backend
    async def test_deletes_nothing_without_complaint(self, store: SessionStore, name: str) -> None:
        """No record is no error."""
        await store.delete(name, expected=None)
        version = await store.compare_and_set(name, b"one", expected=None)
        await store.delete(name, expected=version)
        await store.delete(name, expected=version)

    @on_every_backend
    async def test_refuses_to_delete_another_version(self, store: SessionStore, name: str) -> None:
        """A delete that missed a write in between deletes nothing."""
        first = await store.compare_and_set(name, b"one", expected=None)
        await store.compare_and_set(name, b"two", expected=first)
        with refused(StoreConflictError):
            await store.delete(name, expected=first)
        record = await store.read(name)
        assert record is not None
        assert record.data == b"two"

    @on_every_backend
    async def test_shows_a_write_to_another_handle(self, store: SessionStore, name: str) -> None:
        """Two stores over the same records see each other's writes."""
        other = self.make_store()
        try:
            assert await other.read(name) is None
            first = await store.compare_and_set(name, b"one", expected=None)
            second = await other.compare_and_set(name, b"two", expected=first)
            record = await store.read(name)
            assert record is not None
            assert (record.version, record.data) == (second, b"two")
        finally:
            await self.close_store(other)

    # -- lock

    @on_every_backend
    async def test_gives_a_lease_to_one_at_a_time(self, store: SessionStore, name: str) -> None:
        """A lease that is taken is refused, at once with timeout 0, and is free after its end."""
        async with store.lock(name, timeout=0):
            for timeout in (0, BRIEFLY):
                with refused(StoreLockedError):
                    async with store.lock(name, timeout=timeout):
                        pass
        async with store.lock(name, timeout=0):
            pass

    @on_every_backend
    async def test_leases_names_apart(self, store: SessionStore, name: str) -> None:
        """A lease on one name is no lease on another."""
        async with store.lock(name, timeout=0), store.lock(f"{name}-other", timeout=0):
            pass

    @on_every_backend
    async def test_lets_others_read_and_write_during_a_lease(
        self, store: SessionStore, name: str
    ) -> None:
        """A lease does not prevent access to the record."""
        async with store.lock(name, timeout=0):
            version = await store.compare_and_set(name, b"one", expected=None)
            assert await store.read(name) is not None
            await store.delete(name, expected=version)

    @on_every_backend
    async def test_frees_the_lease_after_an_error(self, store: SessionStore, name: str) -> None:
        """An error inside the lease passes through, and the lease is free."""
        with refused(LookupError):
            async with store.lock(name, timeout=0):
                raise LookupError(name)
        async with store.lock(name, timeout=0):
            pass

    @on_every_backend
    async def test_gives_the_lease_to_a_waiting_task(self, store: SessionStore, name: str) -> None:
        """A waiting task gets the lease when it is free; of many tasks one has it at a time."""
        owners: list[int] = []
        served: list[int] = []

        async def take(number: int) -> None:
            async with store.lock(name, timeout=30):
                assert not owners, "two tasks have the lease"
                owners.append(number)
                await anyio.lowlevel.checkpoint()
                owners.remove(number)
                served.append(number)

        async with anyio.create_task_group() as tasks:
            for number in range(MANY):
                tasks.start_soon(take, number)
        assert sorted(served) == list(range(MANY))

    @on_every_backend
    async def test_forgets_a_waiter_that_was_cancelled(
        self, store: SessionStore, name: str
    ) -> None:
        """A cancelled wait changes nothing for the owner of the lease, nor for the next one."""
        async with store.lock(name, timeout=0):
            with anyio.move_on_after(BRIEFLY) as waiting:
                async with store.lock(name, timeout=30):
                    pass
            assert waiting.cancelled_caught, "two tasks have the lease"
        async with store.lock(name, timeout=0):
            pass
