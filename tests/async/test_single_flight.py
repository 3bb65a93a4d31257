from contextvars import ContextVar

import anyio
import pytest
from anyio.lowlevel import checkpoint

from amplify_federation import NetworkError
from amplify_federation._async.single_flight import SingleFlight


class Work:
    """Work that waits until it may end, and counts who began it."""

    def __init__(self):
        self.begun = 0
        self.may_end = anyio.Event()

    async def __call__(self):
        self.begun += 1
        number = self.begun
        await self.may_end.wait()
        return number


async def into(results, flight, work):
    results.append(await flight.join(work))


async def test_any_number_of_callers_share_one_piece_of_work():
    flight, work, results = SingleFlight(), Work(), []
    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(into, results, flight, work)
        await anyio.wait_all_tasks_blocked()
        assert flight.is_running
        work.may_end.set()
    assert results == [1] * 100
    assert work.begun == 1
    assert not flight.is_running


async def test_a_caller_who_comes_later_works_anew():
    flight, work = SingleFlight(), Work()
    work.may_end.set()
    assert [await flight.join(work) for _ in range(3)] == [1, 2, 3]


async def test_work_goes_on_for_the_others_when_the_caller_that_began_it_is_cancelled():
    flight, work, results = SingleFlight(), Work(), []
    leader = anyio.CancelScope()

    async def lead():
        with leader:
            await into(results, flight, work)

    async with anyio.create_task_group() as group:
        group.start_soon(lead)
        await anyio.wait_all_tasks_blocked()
        for _ in range(10):
            group.start_soon(into, results, flight, work)
        await anyio.wait_all_tasks_blocked()
        leader.cancel()
        await anyio.wait_all_tasks_blocked()
        assert flight.is_running
        work.may_end.set()
    assert results == [1] * 10
    assert work.begun == 1


async def test_work_ends_with_its_last_caller_and_is_waited_for():
    flight, ended = SingleFlight(), []
    scopes = [anyio.CancelScope() for _ in range(3)]

    async def work():
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await checkpoint()
            ended.append(True)

    async def call(scope):
        with scope:
            await flight.join(work)
        assert scope is not scopes[-1] or ended == [True]

    async with anyio.create_task_group() as group:
        for scope in scopes:
            group.start_soon(call, scope)
            await anyio.wait_all_tasks_blocked()
        for scope in scopes:
            assert not ended
            scope.cancel()
            await anyio.wait_all_tasks_blocked()
    assert ended == [True]
    assert not flight.is_running


async def test_work_has_the_deadline_and_the_context_of_the_caller_that_began_it():
    flight, seen = SingleFlight(), []
    mark = ContextVar("mark")

    async def work():
        seen.extend((mark.get(), anyio.current_effective_deadline()))
        await anyio.sleep_forever()

    mark.set("the caller's")
    with anyio.move_on_after(0.05) as scope:
        await flight.join(work)
    assert scope.cancelled_caught
    assert seen == ["the caller's", scope.deadline]
    assert not flight.is_running


async def test_a_cancelled_follower_disturbs_nobody():
    flight, work, results = SingleFlight(), Work(), []
    follower = anyio.CancelScope()

    async def follow():
        with follower:
            await into(results, flight, work)

    async with anyio.create_task_group() as group:
        group.start_soon(into, results, flight, work)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(follow)
        await anyio.wait_all_tasks_blocked()
        follower.cancel()
        await anyio.wait_all_tasks_blocked()
        work.may_end.set()
    assert results == [1]


async def test_what_the_work_raises_goes_to_its_leader_and_a_follower_leads():
    flight, results, raised = SingleFlight(), [], []
    may_fail = anyio.Event()

    async def fail():
        await may_fail.wait()
        raise ValueError

    async def good():
        await checkpoint()
        return "good"

    async def lead():
        with pytest.raises(ValueError):
            await flight.join(fail)
        raised.append(True)

    async with anyio.create_task_group() as group:
        group.start_soon(lead)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(into, results, flight, good)
        group.start_soon(into, results, flight, good)
        await anyio.wait_all_tasks_blocked()
        may_fail.set()
    assert raised == [True]
    assert results == ["good", "good"]
    assert not flight.is_running


async def test_an_error_of_ours_goes_to_every_caller_in_a_copy_without_the_frames_of_the_work():
    flight, raised, may_fail, begun = SingleFlight(), [], anyio.Event(), []

    async def fail():
        begun.append(True)
        await may_fail.wait()
        raise NetworkError("no route")

    async def join():
        with pytest.raises(NetworkError, match="no route") as caught:
            await flight.join(fail)
        raised.append(caught.value)

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(join)
        await anyio.wait_all_tasks_blocked()
        may_fail.set()
    assert len(begun) == 1
    assert len({id(error) for error in raised}) == 3
    for error in raised:
        trace = error.__traceback__
        names = []
        while trace is not None:
            names.append(trace.tb_frame.f_code.co_name)
            trace = trace.tb_next
        assert "fail" not in names  # whose frame may hold a secret
    assert not flight.is_running


async def test_nothing_is_an_outcome_like_any_other():
    flight, results, may_end = SingleFlight(), [], anyio.Event()

    async def nothing():
        await may_end.wait()

    async with anyio.create_task_group() as group:
        group.start_soon(into, results, flight, nothing)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(into, results, flight, Work())
        await anyio.wait_all_tasks_blocked()
        may_end.set()
    assert results == [None, None]


async def test_the_others_share_one_more_try_after_a_deadline_that_was_not_theirs():
    flight, tries, outcomes = SingleFlight(), [], []

    async def work():
        tries.append(len(tries))
        if len(tries) == 1:
            await anyio.sleep_forever()  # until the deadline
        return "done"  # without a pause: the next has ended before the others wake

    async def lead():
        with anyio.move_on_after(0.05):
            await flight.join(work)

    async def follow():
        outcomes.append(await flight.join(work))

    async with anyio.create_task_group() as group:
        group.start_soon(lead)
        await anyio.wait_all_tasks_blocked()
        for _ in range(10):
            group.start_soon(follow)
    assert outcomes == ["done"] * 10
    assert len(tries) == 2
