import anyio
import pytest

from amplify_federation._async.broadcast import KEPT, Broadcast
from tests.concurrency import concurrently
from tests.virtual_time import virtual_time


async def look():
    """Look at nothing."""


def listening(broadcast):
    return broadcast.listen(look, 3600.0)


async def read(stream):
    return [event async for event in stream]


async def outcome_of(reading, act):
    """Return what a listener gets that waits when something is done."""

    async def act_later():
        await anyio.wait_all_tasks_blocked()
        act()

    _, outcome = await concurrently(act_later(), reading)
    return outcome


async def test_every_listener_gets_every_event_in_order():
    broadcast = Broadcast()
    async with listening(broadcast) as one, listening(broadcast) as other:
        for event in range(3):
            broadcast.send(event)
        broadcast.close()
        assert await read(one) == await read(other) == [0, 1, 2]


async def test_a_listener_gets_what_came_since_it_listens():
    broadcast = Broadcast()
    broadcast.send("before")
    async with listening(broadcast) as stream:
        broadcast.send("since")
        broadcast.close()
        assert await read(stream) == ["since"]


async def test_a_listener_that_waits_is_woken():
    broadcast = Broadcast()
    async with listening(broadcast) as stream:
        assert await outcome_of(anext(stream), lambda: broadcast.send("event")) == "event"


async def test_a_slow_listener_loses_the_oldest_and_is_told_how_many():
    broadcast = Broadcast()
    async with listening(broadcast) as slow, listening(broadcast) as quick:
        for event in range(KEPT + 3):
            broadcast.send(event)
            assert await anext(quick) == event
        broadcast.close()
        assert await read(slow) == list(range(3, KEPT + 3))
        assert (slow.dropped, quick.dropped) == (3, 0)
    assert KEPT == 64


async def test_exactly_as_many_as_are_kept_are_not_too_many():
    broadcast = Broadcast()
    async with listening(broadcast) as stream:
        for event in range(KEPT):
            broadcast.send(event)
        assert stream.dropped == 0


async def test_the_end_wakes_a_listener_that_waits():
    broadcast = Broadcast()
    async with listening(broadcast) as stream:
        assert await outcome_of(read(stream), broadcast.close) == []


async def test_an_ended_stream_stays_ended():
    broadcast = Broadcast()
    async with listening(broadcast) as stream:
        broadcast.close()
        for _ in range(2):
            with pytest.raises(StopAsyncIteration):
                await anext(stream)


async def test_a_listener_that_stopped_is_forgotten():
    broadcast = Broadcast()
    async with listening(broadcast) as stream:
        pass
    broadcast.send("event")
    broadcast.close()
    assert not broadcast._streams
    assert not stream._waiting


async def test_cancelling_a_listener_loses_no_event():
    broadcast = Broadcast()
    async with listening(broadcast) as stream:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anext(stream)
        broadcast.send("event")
        assert await anext(stream) == "event"


@virtual_time
async def test_a_listener_that_waits_looks_again_and_again():
    broadcast, looks = Broadcast(), []

    async def look():
        looks.append(anyio.current_time() - began)
        if len(looks) == 3:
            broadcast.send("seen")

    began = anyio.current_time()
    async with broadcast.listen(look, 0.5) as stream:
        assert await anext(stream) == "seen"
    assert looks == pytest.approx([0.5, 1.0, 1.5])
