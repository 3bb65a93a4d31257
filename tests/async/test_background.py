import asyncio
import logging

import anyio
import pytest
from anyio.lowlevel import checkpoint

from amplify_federation._async.background import Background, shielded
from tests.concurrency import Gate, pending
from tests.cycles import frames_in_cycles


async def test_work_goes_on_beside_its_caller():
    background, may_end, done = Background(), anyio.Event(), []

    async def work():
        await may_end.wait()
        done.append(True)

    ended = background.start(work)
    await anyio.wait_all_tasks_blocked()
    assert not ended.is_set()
    may_end.set()
    await ended.wait()
    assert done == [True]


async def test_it_outlives_the_task_that_started_it():
    background, may_end, done = Background(), anyio.Event(), []

    async def work():
        await may_end.wait()
        done.append(True)

    async with anyio.create_task_group() as group:
        group.start_soon(checkpoint)
        ended = background.start(work)
        group.cancel_scope.cancel()
    may_end.set()
    await ended.wait()
    assert done == [True]


async def test_the_end_cancels_what_runs_and_waits_for_it():
    background, log = Background(), []

    async def work():
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await checkpoint()
                log.append("tidied")

    events = [background.start(work) for _ in range(3)]
    await anyio.wait_all_tasks_blocked()
    await background.end()
    assert log == ["tidied"] * 3
    assert all(event.is_set() for event in events)


async def test_work_that_has_not_begun_is_ended_too():
    background, log = Background(), []

    async def work():
        await checkpoint()
        log.append("worked")

    background.start(work)
    await background.end()
    assert log == []


async def test_ending_nothing_is_nothing():
    await Background().end()


async def test_a_failure_is_logged_by_its_class_and_not_raised(caplog):
    background = Background()

    async def fail():
        canary = "canary"
        raise ValueError(canary)

    with caplog.at_level(logging.ERROR, "amplify_federation"):
        await background.start(fail).wait()
    assert [record.event for record in caplog.records] == ["background_failed"]
    assert "ValueError" in caplog.text
    assert "canary" not in caplog.text
    await background.end()


class Writing:
    """A write in two steps, with a gate between them."""

    def __init__(self):
        self.steps = []
        self.gate = Gate()

    async def __call__(self):
        self.steps.append("begun")
        await self.gate.wait()
        await checkpoint()
        self.steps.append("done")


async def test_work_is_done():
    writing = Writing()
    writing.gate.open()
    await shielded(writing)
    assert writing.steps == ["begun", "done"]


async def test_an_exception_comes_out_as_it_is_and_not_in_a_group():
    async def fail():
        raise ValueError("disk full")

    with pytest.raises(ValueError, match="disk full"):
        await shielded(fail)


async def test_an_exception_leaves_nothing_to_the_garbage_collector():
    async def broken():
        raise ValueError

    with frames_in_cycles() as frames, pytest.raises(ValueError):
        await shielded(broken)
    assert frames == []


async def test_cancelled_work_is_done_whole_and_the_cancellation_comes_after():
    writing, after = Writing(), []

    async def caller():
        await shielded(writing)
        await checkpoint()
        after.append("never")

    async with pending(caller(), at=writing.gate) as call:
        call.cancel()
        await anyio.wait_all_tasks_blocked()
        assert writing.steps == ["begun"]
    assert writing.steps == ["begun", "done"]
    assert after == call.results == []


@pytest.mark.parametrize("times", [1, 3])
def test_asyncios_own_cancel_does_not_break_it_however_often_it_comes(times):
    async def main():
        writing = Writing()
        task = asyncio.create_task(shielded(writing))
        await anyio.wait_all_tasks_blocked()
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert writing.steps == ["begun"]
        assert not task.done()
        writing.gate.open()
        with pytest.raises(asyncio.CancelledError):
            await task
        return writing.steps

    assert asyncio.run(main()) == ["begun", "done"]


def test_a_cancel_before_it_began_leaves_all_or_nothing():
    async def main():
        writing = Writing()
        writing.gate.open()
        task = asyncio.create_task(shielded(writing))
        await asyncio.sleep(0)  # in the task group, the child not yet run
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return writing.steps

    assert asyncio.run(main()) in ([], ["begun", "done"])


async def test_a_failure_of_cancelled_work_is_told_all_the_same():
    gate = Gate()

    async def fail():
        await gate.wait()
        raise ValueError

    async with pending(shielded(fail), at=gate, raises=ValueError) as call:
        call.cancel()
        await anyio.wait_all_tasks_blocked()
    assert len(call.errors) == 1
