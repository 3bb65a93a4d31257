import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_federation._http.server_clock import ServerClock
from amplify_federation.testing import ManualClock

DATE = "Fri, 15 Jan 2027 08:00:00 GMT"  # 1_800_000_000


def clock_at(seconds):
    return ServerClock(ManualClock(time=seconds))


def test_until_it_learned_the_local_clock_counts():
    clock = clock_at(5.0)
    assert (clock.now(), clock.offset) == (5.0, 0.0)
    assert clock.monotonic() == clock.local.monotonic()


@pytest.mark.parametrize("behind", [-90_000.0, -2.0, 2.0, 90_000.0])
def test_a_wrong_local_clock_is_corrected(behind):
    clock = clock_at(1_800_000_000.0 - behind)
    clock.learn(DATE)
    assert clock.now() == 1_800_000_000.0
    clock.local.advance(10)
    assert clock.now() == 1_800_000_010.0


@pytest.mark.parametrize("behind", [-1.9, 0.0, 1.9])
def test_less_than_2_seconds_are_noise(behind):
    clock = clock_at(1_800_000_000.0 - behind)
    clock.learn(DATE)
    assert clock.offset == 0.0


def test_it_says_whether_the_service_told_the_time():
    clock = clock_at(5.0)
    assert not clock.is_known
    clock.learn("soon")
    assert not clock.is_known
    clock.learn(DATE)
    assert clock.is_known


def test_the_same_header_is_measured_against_the_present_again():
    clock = clock_at(1_800_000_000.0)
    clock.learn(DATE)
    clock.local.jump_wall(-3600)
    clock.learn(DATE)
    assert clock.now() == 1_800_000_000.0


def test_the_newest_answer_wins():
    clock = clock_at(1_799_999_000.0)
    clock.learn(DATE)
    clock.learn("Fri, 15 Jan 2027 07:43:20 GMT")
    assert clock.offset == 0.0


@pytest.mark.parametrize(
    "header",
    [None, "", "soon", "Fri, 99 Jan 2027 08:00:00 GMT", "0",
     "Fri, 15 Jan 99999999 08:00:00 GMT"],
)  # fmt: skip
def test_what_is_no_date_teaches_nothing(header):
    clock = clock_at(5.0)
    clock.offset = 7.0
    clock.learn(header)
    assert clock.offset == 7.0


def test_a_date_without_a_zone_is_utc_wherever_this_machine_is(monkeypatch):
    if not hasattr(time, "tzset"):
        pytest.skip("this platform cannot change its time zone")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        clock = clock_at(1_800_000_000.0)
        clock.learn(DATE.replace("GMT", "-0000"))
        assert clock.offset == 0.0
    finally:
        monkeypatch.undo()
        time.tzset()


WORDS = st.lists(
    st.sampled_from(
        ["Fri,", "15", "Jan", "2027", "08:00:00", "GMT", "-0000", "+9999", "99", ":", "0"]
    )
    | st.text(max_size=5)
)


@given(st.text() | WORDS.map(" ".join))
def test_no_header_breaks_the_clock(header):
    clock = clock_at(5.0)
    clock.learn(header)
    assert abs(clock.now()) < 1e12
