"""KeyedSingleFlight: one piece of work for each key."""

from functools import partial

import pytest

from amplify_federation._async.single_flight import KeyedSingleFlight
from tests.concurrency import Gate, pending


async def test_callers_of_one_key_share_the_work_and_others_do_not():
    flights, begun, gate = KeyedSingleFlight(), [], Gate()

    async def work(key):
        begun.append(key)
        await gate.wait()
        return key

    joins = [flights.join(key, partial(work, key)) for key in "aabbb"]
    async with pending(*joins, at=gate) as calls:
        assert sorted(begun) == ["a", "b"]
    assert sorted(calls.results) == list("aabbb")
    assert len(flights) == 0


async def test_work_whose_first_caller_was_cancelled_is_joined_by_newcomers():
    flights, gate = KeyedSingleFlight(), Gate()

    async def work():
        await gate.wait()
        return gate.waiters

    async with (
        pending(flights.join("a", work), at=gate) as leader,
        pending(flights.join("a", work), at=gate) as follower,
    ):
        leader.cancel()
        await leader.wait()
        async with pending(flights.join("a", work), at=gate) as newcomer:
            pass
    assert follower.results == newcomer.results == [1]


async def test_nothing_is_left_of_work_that_fails():
    flights = KeyedSingleFlight()

    async def work():
        raise LookupError

    with pytest.raises(LookupError):
        await flights.join("a", work)
    assert len(flights) == 0
