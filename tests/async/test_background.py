import logging

import anyio
from anyio.lowlevel import checkpoint

from amplify_federation._async.background import Background


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


async def test_a_failure_is_logged_by_its_class_and_takes_nobody_down(caplog):
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
