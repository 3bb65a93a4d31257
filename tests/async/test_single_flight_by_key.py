"""KeyedSingleFlight: one piece of work for each key."""

import anyio
import pytest

from amplify_federation._async.single_flight import KeyedSingleFlight


async def test_callers_of_one_key_share_the_work_and_others_do_not():
    flights, begun, go = KeyedSingleFlight(), [], anyio.Event()
    outcomes = []

    async def join(key):
        async def work():
            begun.append(key)
            await go.wait()
            return key

        outcomes.append(await flights.join(key, work))

    async with anyio.create_task_group() as tasks:
        for key in "aabbb":
            tasks.start_soon(join, key)
        await anyio.wait_all_tasks_blocked()
        go.set()
    assert sorted(begun) == ["a", "b"]
    assert sorted(outcomes) == list("aabbb")
    assert len(flights) == 0


async def test_work_whose_first_caller_was_cancelled_is_joined_by_newcomers():
    flights, begun, go, outcomes = KeyedSingleFlight(), [], anyio.Event(), []

    async def work():
        begun.append(1)
        await go.wait()
        return len(begun)

    async def join():
        outcomes.append(await flights.join("a", work))

    async with anyio.create_task_group() as tasks:
        async with anyio.create_task_group() as leader:
            leader.start_soon(join)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(join)
            await anyio.wait_all_tasks_blocked()
            leader.cancel_scope.cancel()
        tasks.start_soon(join)
        await anyio.wait_all_tasks_blocked()
        go.set()
    assert outcomes == [1, 1]


async def test_nothing_is_left_of_work_that_fails():
    flights = KeyedSingleFlight()

    async def work():
        raise LookupError

    with pytest.raises(LookupError):
        await flights.join("a", work)
    assert len(flights) == 0
