from functools import partial

import anyio
import pytest

from amplify_federation._async.serial_queue import SerialQueue
from tests.concurrency import Gate, concurrently, pending
from tests.virtual_time import virtual_time


class Jobs:
    """A queue, and work for it that notes when it begins and ends, and waits at a gate between."""

    def __init__(self):
        self.queue = SerialQueue()
        self.gate = Gate()
        self.order = []

    def run(self, number):
        return self.queue.run(partial(self._work, number), seconds=30)

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
    done = [first.result, second.result, third.result]
    assert [(job.cancelled, job.result) for job in done] == [(False, [n]) for n in range(3)]


async def test_cancelling_all_ends_the_one_at_work_and_all_that_wait():
    jobs = Jobs()
    async with pending(*(jobs.run(number) for number in range(3)), at=jobs.gate) as calls:
        jobs.queue.cancel_all()
        await calls.wait()
    assert len(jobs.order) == 1
    assert [(job.cancelled, job.result) for job in calls.results] == [(True, [])] * 3


async def test_a_caller_that_comes_after_all_were_cancelled_works():
    jobs = Jobs()
    async with pending(jobs.run(0), at=jobs.gate) as call:
        jobs.queue.cancel_all()
        jobs.gate.open()
        last = await jobs.run(1)
    assert (call.result.cancelled, call.result.result) == (True, [])
    assert (last.cancelled, last.result) == (False, [1])


async def test_cancelling_nobody_is_nothing():
    jobs = Jobs()
    jobs.queue.cancel_all()
    jobs.gate.open()
    assert (await jobs.run(0)).result == [0]


async def test_what_the_work_raises_reaches_its_caller_and_frees_the_next():
    jobs = Jobs()

    async def fail():
        raise ValueError

    with pytest.raises(ValueError):
        await jobs.queue.run(fail, seconds=30)
    jobs.gate.open()
    assert (await jobs.run(0)).result == [0]


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
    assert second.result.result == [1]


@virtual_time
async def test_the_deadline_counts_the_wait_for_the_turn():
    queue = SerialQueue()

    async def call(after, work, limit):
        await anyio.sleep(after)
        job = await queue.run(partial(anyio.sleep, work), seconds=limit)
        return anyio.current_time() - began, job.result

    began = anyio.current_time()
    ended = await concurrently(call(0, 5, 10), call(1, 3, 6), call(2, 1, 3.5))
    assert [seconds for seconds, _ in ended] == pytest.approx([5, 5.5, 7])
    assert [result for _, result in ended] == [[None], [], []]
