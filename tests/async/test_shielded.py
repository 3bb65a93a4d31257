import asyncio

import anyio
import pytest
from anyio.lowlevel import checkpoint

from amplify_federation._async.shielded import shielded


class Writing:
    """A write in two steps, which waits between them."""

    def __init__(self):
        self.steps = []
        self.may_end = anyio.Event()

    async def __call__(self):
        self.steps.append("begun")
        await self.may_end.wait()
        await checkpoint()
        self.steps.append("done")


async def test_work_is_done():
    writing = Writing()
    writing.may_end.set()
    await shielded(writing)
    assert writing.steps == ["begun", "done"]


async def test_an_exception_comes_out_as_it_is_and_not_in_a_group():
    async def fail():
        raise ValueError("disk full")

    with pytest.raises(ValueError, match="disk full"):
        await shielded(fail)


async def test_cancelled_work_is_done_whole_and_the_cancellation_comes_after():
    writing, after = Writing(), []
    scope = anyio.CancelScope()

    async def caller():
        with scope:
            await shielded(writing)
            await checkpoint()
            after.append("never")

    async with anyio.create_task_group() as group:
        group.start_soon(caller)
        await anyio.wait_all_tasks_blocked()
        scope.cancel()
        await anyio.wait_all_tasks_blocked()
        assert writing.steps == ["begun"]
        writing.may_end.set()
    assert writing.steps == ["begun", "done"]
    assert after == []
    assert scope.cancelled_caught


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
        writing.may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        return writing.steps

    assert asyncio.run(main()) == ["begun", "done"]


def test_a_cancel_before_it_began_leaves_all_or_nothing():
    async def main():
        writing = Writing()
        writing.may_end.set()
        task = asyncio.create_task(shielded(writing))
        await asyncio.sleep(0)  # in the task group, the child not yet run
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return writing.steps

    assert asyncio.run(main()) in ([], ["begun", "done"])


async def test_a_failure_of_cancelled_work_is_told_all_the_same():
    may_fail, told = anyio.Event(), []
    scope = anyio.CancelScope()

    async def fail():
        await may_fail.wait()
        raise ValueError

    async def caller():
        with scope, pytest.raises(ValueError):
            await shielded(fail)
        told.append(True)

    async with anyio.create_task_group() as group:
        group.start_soon(caller)
        await anyio.wait_all_tasks_blocked()
        scope.cancel()
        await anyio.wait_all_tasks_blocked()
        may_fail.set()
    assert told == [True]
