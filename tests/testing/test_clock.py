import pytest

from amplify_federation.testing import FakeCognito, ManualClock


def test_manual_clock_stands_still_until_it_is_moved():
    clock = ManualClock(time=100.0, monotonic=5.0)
    assert (clock.time(), clock.monotonic()) == (100.0, 5.0)
    clock.advance(2.5)
    assert (clock.time(), clock.monotonic()) == (102.5, 7.5)
    assert repr(clock) == "ManualClock(time=102.5, monotonic=7.5)"


def test_jump_of_the_wall_clock_leaves_the_monotonic_one():
    clock = ManualClock(time=100.0, monotonic=5.0)
    clock.jump_wall(-50)
    assert (clock.time(), clock.monotonic()) == (50.0, 5.0)


def test_suspended_machine_wakes_with_a_later_wall_clock_alone():
    clock = ManualClock(time=100.0, monotonic=5.0)
    clock.suspend(3600)
    assert (clock.time(), clock.monotonic()) == (3700.0, 5.0)


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_time_does_not_pass_backwards(seconds):
    clock = ManualClock()
    before = clock.time(), clock.monotonic()
    for move in (clock.advance, clock.suspend, FakeCognito().advance):
        with pytest.raises(ValueError, match="forward"):
            move(seconds)
    assert (clock.time(), clock.monotonic()) == before


def test_advance_of_the_fake_moves_the_clock_it_shares():
    clock = ManualClock(time=100.0)
    fake = FakeCognito(clock=clock)
    fake.advance(10)
    assert clock.time() == fake.time() == 110.0


def test_advance_of_a_fake_on_the_machines_clock_moves_the_fake_alone():
    class Stopped:
        def time(self):
            return 100.0

    source = Stopped()
    fake = FakeCognito(clock=source)
    fake.advance(10)
    assert (source.time(), fake.time()) == (100.0, 110.0)


def test_skew_sets_the_server_ahead_of_the_shared_clock(call, fake, clock):
    fake.skew = 90.0
    assert fake.skew == 90.0
    assert fake.time() == clock.time() + 90
    assert call("GetId").headers["date"] == "Fri, 15 Jan 2027 08:01:30 GMT"
