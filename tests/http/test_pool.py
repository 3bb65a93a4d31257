"""Who gets a connection, in which order, and how many there are."""

import anyio
import pytest
from anyio.lowlevel import checkpoint

from amplify_federation._http import pool as pool_module
from amplify_federation._http.connection import TransportFailure
from amplify_federation._http.pool import Pool
from tests.concurrency import PATIENCE


class FakeConnection:
    def __init__(self, number: int) -> None:
        self.number = number
        self.closed = False
        self.idle_since = 0.0
        self.server_holds = True

    def usable(self) -> bool:
        return self.server_holds and not self.closed

    def close(self) -> None:
        self.closed = True


class Dialler:
    """Dials fake connections; holds every call while `gate` is not set."""

    def __init__(self) -> None:
        self.connections: list[FakeConnection] = []
        self.calls = 0
        self.waiting = 0
        self.failures: list[TransportFailure] = []
        self.gate = anyio.Event()
        self.gate.set()

    async def __call__(self, _connect_timeout) -> FakeConnection:
        self.calls += 1
        self.waiting += 1
        try:
            await self.gate.wait()
        finally:
            self.waiting -= 1
        if self.failures:
            raise self.failures.pop()
        self.connections.append(FakeConnection(len(self.connections)))
        return self.connections[-1]


@pytest.fixture
def dialler():
    return Dialler()


@pytest.fixture
def pool(dialler):
    return Pool(dialler)


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.setattr(pool_module, "MAX_OPEN", 2)
    monkeypatch.setattr(pool_module, "MAX_DIALLING", 1)


async def take(pool):
    return pool.idle() or await pool.fresh()


async def settle():
    for _ in range(10):
        await checkpoint()


async def test_the_connection_used_last_is_taken_first(pool):
    first, second = await take(pool), await take(pool)
    pool.give_back(first)
    pool.give_back(second)
    assert pool.idle() is second
    assert pool.idle() is first
    assert pool.idle() is None


async def test_a_connection_that_the_server_left_is_closed_and_passed_over(pool):
    first, second = await take(pool), await take(pool)
    pool.give_back(first)
    pool.give_back(second)
    second.server_holds = False
    assert pool.idle() is first
    assert second.closed


async def test_a_closed_connection_is_forgotten(pool, dialler):
    connection = await take(pool)
    connection.close()
    pool.give_back(connection)
    assert await take(pool) is not connection
    assert repr(pool) == "<Pool: 1 open, 0 idle, 0 waiting>"


async def test_no_more_connections_are_opened_than_the_bound(narrow, dialler):
    pool = Pool(dialler)
    taken = []
    async with anyio.create_task_group() as group:

        async def hold():
            taken.append(await take(pool))

        for _ in range(5):
            group.start_soon(hold)
        await settle()
        assert len(taken) == dialler.calls == 2
        while len(taken) < 5:
            pool.give_back(taken[-1])
            await settle()
    assert dialler.calls == 2


async def test_those_who_wait_are_served_in_order(narrow, dialler):
    pool = Pool(dialler)
    held = [await take(pool), await take(pool)]
    served = []
    async with anyio.create_task_group() as group:

        async def hold(name):
            await take(pool)
            served.append(name)

        for name in range(4):
            group.start_soon(hold, name)
            await settle()
        for _ in range(4):
            pool.give_back(held[0])
            await settle()
    assert served == [0, 1, 2, 3]


async def test_a_connection_is_looked_at_again_when_its_turn_in_line_comes(narrow, dialler):
    pool = Pool(dialler)
    first, _ = await take(pool), await take(pool)
    taken = []
    async with anyio.create_task_group() as group:

        async def wait():
            taken.append(await take(pool))

        group.start_soon(wait)
        await settle()
        first.server_holds = False  # or something came unasked
        pool.give_back(first)
    assert first.closed
    assert taken == [dialler.connections[2]]
    assert repr(pool) == "<Pool: 2 open, 0 idle, 0 waiting>"


async def test_waiting_in_line_has_an_end_of_its_own(narrow, dialler):
    pool = Pool(dialler)
    first, _ = await take(pool), await take(pool)
    with pytest.raises(TransportFailure) as caught:
        await pool.fresh(pool_timeout=0)
    assert caught.value.kind == "PoolTimeout"
    pool.give_back(first)
    assert await take(pool) is first


async def test_few_dial_at_once_and_the_others_follow(narrow, dialler):
    pool = Pool(dialler)
    dialler.gate = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(take, pool)
        group.start_soon(take, pool)
        await settle()
        assert dialler.waiting == 1
        dialler.gate.set()
    assert dialler.calls == 2


async def test_a_failed_dial_lets_the_next_in_line_dial(narrow, dialler):
    pool = Pool(dialler)
    dialler.gate = anyio.Event()
    dialler.failures = [TransportFailure("ConnectError", "refused")]
    outcomes = []
    async with anyio.create_task_group() as group:

        async def hold():
            try:
                outcomes.append(await take(pool))
            except TransportFailure as error:
                outcomes.append(error.kind)

        group.start_soon(hold)
        await settle()
        group.start_soon(hold)
        await settle()
        dialler.gate.set()
    assert outcomes == ["ConnectError", dialler.connections[0]]


async def test_a_connection_that_closes_makes_room_for_the_next_in_line(narrow, dialler):
    pool = Pool(dialler)
    held = [await take(pool), await take(pool)]
    async with anyio.create_task_group() as group:
        group.start_soon(take, pool)
        await settle()
        held[0].close()
        pool.give_back(held[0])
    assert dialler.calls == 3


async def test_who_is_cancelled_in_line_is_passed_over(narrow, dialler):
    pool = Pool(dialler)
    held = [await take(pool), await take(pool)]
    async with anyio.create_task_group() as group:
        group.start_soon(take, pool)
        await settle()
        group.cancel_scope.cancel()
    pool.give_back(held[0])
    assert pool.idle() is held[0]


@pytest.mark.parametrize("closing", [False, True], ids=["a connection", "room to dial"])
async def test_what_was_given_to_a_cancelled_one_is_not_lost(narrow, dialler, closing):
    pool = Pool(dialler)
    held = [await take(pool), await take(pool)]
    async with anyio.create_task_group() as group:

        async def use():
            pool.give_back(await take(pool))

        group.start_soon(use)
        await settle()
        held[0].closed = closing
        pool.give_back(held[0])  # given, but its holder has not run yet
        group.cancel_scope.cancel()
    with anyio.fail_after(PATIENCE):
        assert await take(pool) is (dialler.connections[-1] if closing else held[0])
    assert repr(pool) == "<Pool: 2 open, 0 idle, 0 waiting>"


async def test_a_cancelled_dial_frees_its_room(narrow, dialler):
    pool = Pool(dialler)
    dialler.gate = anyio.Event()
    for _ in range(3):
        with anyio.move_on_after(0):
            await take(pool)
    dialler.gate.set()
    assert await take(pool) is dialler.connections[0]


async def test_without_descriptors_callers_share_the_open_connections(pool, dialler):
    connection = await take(pool)
    no_descriptor = TransportFailure("ConnectError", "Too many open files", cause=OSError(24, ""))
    dialler.failures = [no_descriptor, no_descriptor]
    shared = []
    async with anyio.create_task_group() as group:

        async def hold():
            shared.append(await take(pool))

        group.start_soon(hold)
        group.start_soon(hold)
        await settle()
        for _ in range(2):
            pool.give_back(connection)
            await settle()
    assert shared == [connection, connection]


async def test_without_descriptors_and_connections_the_caller_hears_it(pool, dialler):
    dialler.failures = [
        TransportFailure("ConnectError", "Too many open files", cause=OSError(24, ""))
    ]
    with pytest.raises(TransportFailure, match="Too many open files"):
        await take(pool)
    assert await take(pool) is dialler.connections[0]


async def test_a_connection_that_idles_for_long_is_closed(pool, monkeypatch):
    now = 1_000.0
    monkeypatch.setattr(pool_module, "monotonic", lambda: now)
    old, young = await take(pool), await take(pool)
    pool.give_back(old)
    now += pool_module.MAX_IDLE + 1
    pool.give_back(young)
    assert old.closed
    assert pool.idle() is young


async def test_closing_closes_idle_connections_now_and_used_ones_when_given_back(pool):
    used, idle = await take(pool), await take(pool)
    pool.give_back(idle)
    pool.close()
    assert idle.closed
    assert not used.closed
    pool.give_back(used)
    assert used.closed
    assert repr(pool) == "<Pool: 0 open, 0 idle, 0 waiting>"
