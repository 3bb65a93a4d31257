import traceback
from contextvars import ContextVar

import anyio
import pytest
from anyio.lowlevel import checkpoint

from amplify_federation import NetworkError
from amplify_federation._async.single_flight import SingleFlight
from tests.concurrency import Gate, pending
from tests.cycles import frames_in_cycles
from tests.virtual_time import virtual_time


class Work:
    """Work that waits at a gate, and counts how often it began."""

    def __init__(self):
        self.begun = 0
        self.gate = Gate()

    async def __call__(self):
        self.begun += 1
        number = self.begun
        await self.gate.wait()
        return number


async def test_any_number_of_callers_share_one_piece_of_work():
    flight, work = SingleFlight(), Work()
    async with pending(*(flight.join(work) for _ in range(100)), at=work.gate) as calls:
        assert flight.is_running
    assert calls.results == [1] * 100
    assert work.begun == 1
    assert not flight.is_running


async def test_a_caller_that_comes_later_works_anew():
    flight, work = SingleFlight(), Work()
    work.gate.open()
    assert [await flight.join(work) for _ in range(3)] == [1, 2, 3]


async def test_work_goes_on_for_the_others_when_the_caller_that_began_it_is_cancelled():
    flight, work = SingleFlight(), Work()
    async with (
        pending(flight.join(work), at=work.gate) as leader,
        pending(*(flight.join(work) for _ in range(10)), at=work.gate) as followers,
    ):
        leader.cancel()
        await leader.wait()
        assert flight.is_running
    assert followers.results == [1] * 10
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


@virtual_time
async def test_work_has_the_deadline_and_the_context_of_the_caller_that_began_it():
    flight, seen = SingleFlight(), []
    mark = ContextVar("mark")

    async def work():
        seen.extend((mark.get(), anyio.current_effective_deadline()))
        await anyio.sleep_forever()

    mark.set("the caller's")
    with anyio.move_on_after(1) as scope:
        await flight.join(work)
    assert scope.cancelled_caught
    assert seen == ["the caller's", scope.deadline]
    assert not flight.is_running


async def test_a_cancelled_follower_disturbs_no_other():
    flight, work = SingleFlight(), Work()
    async with (
        pending(flight.join(work), at=work.gate) as leader,
        pending(flight.join(work), at=work.gate) as follower,
    ):
        follower.cancel()
        await follower.wait()
    assert leader.results == [1]


async def test_what_the_work_raises_goes_to_its_leader_and_a_follower_leads():
    flight, gate = SingleFlight(), Gate()

    async def fail():
        await gate.wait()
        raise ValueError

    async def good():
        await checkpoint()
        return "good"

    async with (
        pending(flight.join(fail), at=gate, raises=ValueError),
        pending(flight.join(good), flight.join(good), at=gate) as followers,
    ):
        pass
    assert followers.results == ["good", "good"]
    assert not flight.is_running


async def test_what_the_work_raises_leaves_nothing_to_the_garbage_collector():
    async def broken():
        raise ValueError

    with frames_in_cycles() as frames, pytest.raises(ValueError):
        await SingleFlight().join(broken)
    assert frames == []


async def test_an_error_of_ours_goes_to_every_caller_in_a_copy_without_the_frames_of_the_work():
    flight, gate = SingleFlight(), Gate()

    async def fail():
        await gate.wait()
        raise NetworkError("no route")

    joins = [flight.join(fail) for _ in range(3)]
    async with pending(*joins, at=gate, raises=NetworkError) as calls:
        pass
    assert gate.waiters == 1
    assert [error.message for error in calls.errors] == ["no route"] * 3
    assert len({id(error) for error in calls.errors}) == 3
    for error in calls.errors:
        names = {frame.name for frame in traceback.extract_tb(error.__traceback__)}
        assert "fail" not in names  # whose frame may hold a secret
    assert not flight.is_running


async def test_nothing_is_an_outcome_like_any_other():
    flight, gate = SingleFlight(), Gate()
    async with (
        pending(flight.join(gate.wait), at=gate) as leader,
        pending(flight.join(Work()), at=gate) as follower,
    ):
        pass
    assert leader.results == follower.results == [None]


@virtual_time
async def test_the_others_share_one_more_try_after_a_deadline_that_was_not_theirs():
    flight, gate, tries = SingleFlight(), Gate(), []

    async def work():
        tries.append(len(tries))
        if len(tries) == 1:
            await gate.wait()  # until the deadline
        return "done"  # without a pause: the next has ended before the others wake

    async def lead():
        with anyio.move_on_after(1):
            await flight.join(work)

    async with (
        pending(lead(), at=gate),
        pending(*(flight.join(work) for _ in range(10)), at=gate) as followers,
    ):
        await followers.wait()
    assert followers.results == ["done"] * 10
    assert len(tries) == 2
