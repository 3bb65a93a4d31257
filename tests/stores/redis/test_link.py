"""Commands to a Redis that is away, hangs, or comes back."""

import time

import anyio
import pytest

from amplify_federation import (
    ConfigurationError,
    StoreUnavailableError,
)
from amplify_federation.stores.redis import RedisStore
from tests.stores.redis_server import KEY, PLENTY, a_moment, free_port, needs_redis, suspended


def _calls(store, version):
    return (
        lambda: store.read("a"),
        lambda: store.compare_and_set("a", b"two", expected=version),
        lambda: store.delete("a", expected=None),
        lambda: store.lock("a", timeout=10).__aenter__(),
    )


@needs_redis
async def test_redis_that_was_killed_is_told_in_each_call(store, server):
    version = await store.compare_and_set("a", b"one", expected=None)
    server.kill()
    for call in _calls(store, version):
        with pytest.raises(StoreUnavailableError) as caught:
            await call()
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None


@needs_redis
async def test_redis_that_hangs_is_told_at_once_in_each_call(store, server):
    version = await store.compare_and_set("a", b"one", expected=None)
    with suspended(server):
        for call in _calls(store, version):
            began = time.monotonic()
            with pytest.raises(StoreUnavailableError, match="300 ms"):
                await call()
            assert time.monotonic() - began < PLENTY


@needs_redis
async def test_a_command_is_never_sent_twice(store, server):
    await store.read("a")
    before = _reads(server)
    with suspended(server), pytest.raises(StoreUnavailableError):
        await store.read("a")
    assert _reads(server) - before <= 1


def _reads(server):
    said = server.ask("INFO", "commandstats")
    return int(said.partition("cmdstat_get:calls=")[2].partition(",")[0])


@needs_redis
async def test_a_redis_that_comes_back_serves_the_next_call(store, server):
    version = await store.compare_and_set("a", b"one", expected=None)
    with suspended(server), pytest.raises(StoreUnavailableError):
        await store.read("a")
    assert (await store.read("a")).version == version
    server.restart()
    await a_moment()
    assert await store.read("a") is None
    await store.compare_and_set("a", b"two", expected=None)


@needs_redis
async def test_connections_that_a_restart_cut_cost_no_call(store, server):
    async def read():
        await store.read("a")

    async with anyio.create_task_group() as tasks:
        for _ in range(40):
            tasks.start_soon(read)  # opens many connections
    server.restart()
    await a_moment()
    for _ in range(60):
        await store.read("a")


@needs_redis
async def test_calls_that_are_cut_off_never_mix_up_answers(store, server):
    for number in range(20):
        await store.compare_and_set(f"u{number}", b"%d" % number, expected=None)
    wrong = []

    async def read(number, patience):
        with anyio.move_on_after(patience):
            record = await store.read(f"u{number}")
            if record is None or record.data != b"%d" % number:
                wrong.append(number)

    for round_ in range(15):
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(read, number, 0.0002 * (number + round_))
    assert wrong == []
    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(read, number, PLENTY)
    assert wrong == []


@needs_redis
async def test_a_second_event_loop_is_refused(server):
    store = RedisStore(server.url, key=KEY)
    await store.read("a")

    def elsewhere():
        anyio.run(store.read, "a")

    with pytest.raises(Exception, match="second event loop"):
        await anyio.to_thread.run_sync(elsewhere)
    await store.aclose()


def test_trio_is_told_to_use_asyncio():
    store = RedisStore("redis://127.0.0.1", key=KEY)

    async def read():
        await store.read("a")

    with pytest.raises(ConfigurationError, match="asyncio"):
        anyio.run(read, backend="trio")


async def test_nobody_listening_is_unavailable():
    async with RedisStore(f"redis://127.0.0.1:{free_port()}", key=KEY) as store:
        with pytest.raises(StoreUnavailableError):
            await store.read("a")
