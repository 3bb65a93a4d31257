import anyio
import pytest
import trio
import trio.testing

from amplify_federation._async.serial_queue import SerialQueue


class Works:
    """Work of several callers, each of which ends when it may."""

    def __init__(self, count):
        self.order = []
        self.may_end = [anyio.Event() for _ in range(count)]

    def of(self, number):
        async def work():
            self.order.append(f"{number} begins")
            await self.may_end[number].wait()
            self.order.append(f"{number} ends")
            return number

        return work


async def taken(turns, work, into, seconds=30.0):
    into.append(await turns.run(work, seconds=seconds))


async def test_callers_work_one_at_a_time_in_order_of_call():
    turns, works, done = SerialQueue(), Works(3), []
    async with anyio.create_task_group() as group:
        for number in range(3):
            group.start_soon(taken, turns, works.of(number), done)
            await anyio.wait_all_tasks_blocked()
        assert works.order == ["0 begins"]
        for event in reversed(works.may_end):
            event.set()
    assert works.order == [f"{n} {word}" for n in range(3) for word in ("begins", "ends")]
    assert [job.result for job in done] == [[0], [1], [2]]
    assert not any(job.cancelled for job in done)


async def test_overtaking_ends_the_one_at_work_and_all_who_wait():
    turns, works, done = SerialQueue(), Works(3), []
    async with anyio.create_task_group() as group:
        for number in range(3):
            group.start_soon(taken, turns, works.of(number), done)
            await anyio.wait_all_tasks_blocked()
        turns.cancel_all()
    assert works.order == ["0 begins"]
    assert [(job.cancelled, job.result) for job in done] == [(True, [])] * 3


async def test_who_comes_after_the_overtaking_works():
    turns, works, done = SerialQueue(), Works(2), []
    async with anyio.create_task_group() as group:
        group.start_soon(taken, turns, works.of(0), done)
        await anyio.wait_all_tasks_blocked()
        turns.cancel_all()
        works.may_end[1].set()
        group.start_soon(taken, turns, works.of(1), done)
    assert sorted((job.cancelled, job.result) for job in done) == [(False, [1]), (True, [])]


async def test_overtaking_nobody_is_nothing():
    turns, works = SerialQueue(), Works(1)
    turns.cancel_all()
    works.may_end[0].set()
    assert (await turns.run(works.of(0), seconds=30)).result == [0]


async def test_what_the_work_raises_reaches_its_caller_and_frees_the_next():
    turns, works = SerialQueue(), Works(1)

    async def fail():
        raise ValueError

    with pytest.raises(ValueError):
        await turns.run(fail, seconds=30)
    works.may_end[0].set()
    assert (await turns.run(works.of(0), seconds=30)).result == [0]


async def test_a_caller_who_is_cancelled_frees_the_next():
    turns, works, done = SerialQueue(), Works(2), []
    async with anyio.create_task_group() as group:
        first = anyio.CancelScope()

        async def cancelled():
            with first:
                await taken(turns, works.of(0), done)

        group.start_soon(cancelled)
        await anyio.wait_all_tasks_blocked()
        works.may_end[1].set()
        group.start_soon(taken, turns, works.of(1), done)
        await anyio.wait_all_tasks_blocked()
        first.cancel()
    assert [job.result for job in done] == [[1]]
    assert first.cancelled_caught


def test_the_deadline_counts_the_wait_for_the_turn():
    async def main():
        turns, done = SerialQueue(), []
        async with anyio.create_task_group() as group:
            group.start_soon(taken, turns, lambda: anyio.sleep(50), done, 100.0)
            await anyio.wait_all_tasks_blocked()
            group.start_soon(taken, turns, lambda: anyio.sleep(30), done, 60.0)
            await anyio.wait_all_tasks_blocked()
            group.start_soon(taken, turns, lambda: anyio.sleep(1), done, 40.0)
        return [(job.result, job.cancelled) for job in done], trio.current_time()

    clock = trio.testing.MockClock(autojump_threshold=0)
    began = clock.current_time()
    done, ended = trio.run(main, clock=clock)
    assert done == [([], False), ([None], False), ([], False)]
    assert ended - began == pytest.approx(60)
