"""The queue of a session's federations, with work that does not come to Cognito."""

from functools import partial
from types import SimpleNamespace

import anyio
import pytest

from amplify_federation._session.federation import Federations
from amplify_federation.errors import CallTimeoutError, InvalidStateError
from tests.concurrency import Gate, concurrently, pending
from tests.virtual_time import virtual_time


class Jobs:
    """A queue, and work for it that notes when it begins and ends, and waits at a gate between."""

    def __init__(self):
        self.settings = SimpleNamespace(timeout=30)
        self.queue = Federations(SimpleNamespace(settings=self.settings, limiter=None))
        self.gate = Gate()
        self.order = []

    def run(self, number):
        return self.queue.in_order(partial(self._work, number))

    async def _work(self, number):
        self.order.append(f"{number} begins")
        await self.gate.wait()
        self.order.append(f"{number} ends")
        return number


async def test_callers_work_one_at_a_time_in_order_of_call():
    jobs = Jobs()
    async with (
        pending(jobs.run(0), at=jobs.gate) as first,
        pending(jobs.run(1), at=jobs.gate) as second,
        pending(jobs.run(2), at=jobs.gate) as third,
    ):
        assert jobs.order == ["0 begins"]
    assert jobs.order == [f"{n} {word}" for n in range(3) for word in ("begins", "ends")]
    assert [first.result, second.result, third.result] == [0, 1, 2]


async def test_cancelling_all_ends_the_one_at_work_and_all_that_wait():
    jobs = Jobs()
    calls = [jobs.run(number) for number in range(3)]
    async with pending(*calls, at=jobs.gate, raises=InvalidStateError) as calls:
        jobs.queue.cancel_all()
        await calls.wait()
    assert len(jobs.order) == 1


async def test_a_caller_that_comes_after_all_were_cancelled_works():
    jobs = Jobs()
    async with pending(jobs.run(0), at=jobs.gate, raises=InvalidStateError):
        jobs.queue.cancel_all()
        jobs.gate.open()
        assert await jobs.run(1) == 1


async def test_cancelling_nobody_is_nothing():
    jobs = Jobs()
    jobs.queue.cancel_all()
    jobs.gate.open()
    assert await jobs.run(1) == 1


async def test_what_the_work_raises_reaches_its_caller_and_frees_the_next():
    jobs = Jobs()

    async def fail():
        raise ValueError

    with pytest.raises(ValueError):
        await jobs.queue.in_order(fail)
    jobs.gate.open()
    assert await jobs.run(1) == 1


async def test_a_caller_that_is_cancelled_frees_the_next():
    jobs = Jobs()
    async with (
        pending(jobs.run(0), at=jobs.gate) as first,
        pending(jobs.run(1), at=jobs.gate) as second,
    ):
        first.cancel()
        await first.wait()
        assert first.results == []
        await anyio.wait_all_tasks_blocked()
        assert jobs.order == ["0 begins", "1 begins"]
    assert second.result == 1


@virtual_time
async def test_the_deadline_counts_the_wait_for_those_before():
    jobs = Jobs()

    async def sleeping(seconds):
        await anyio.sleep(seconds)
        return True

    async def call(after, work, limit):
        await anyio.sleep(after)
        jobs.settings.timeout = limit
        try:
            done = await jobs.queue.in_order(partial(sleeping, work))
        except CallTimeoutError:
            done = False
        return anyio.current_time() - began, done

    began = anyio.current_time()
    ended = await concurrently(call(0, 5, 10), call(1, 3, 6), call(2, 1, 3.5))
    assert [seconds for seconds, _ in ended] == pytest.approx([5, 5.5, 7])
    assert [done for _, done in ended] == [True, False, False]
