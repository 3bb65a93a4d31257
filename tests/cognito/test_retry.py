import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_federation._cognito.retry import (
    MAX_DELAY,
    QUOTA,
    RetryQuota,
    cost_of,
    delay_before,
    may_retry,
)
from amplify_federation.errors import (
    CallTimeoutError,
    ExternalServiceError,
    InternalServiceError,
    LimitExceededError,
    MalformedResponseError,
    NetworkError,
    NotAuthorizedError,
    ResourceNotFoundError,
    StoreError,
    TooManyRequestsError,
    UnknownServiceError,
)

THROTTLED = TooManyRequestsError("slow down")
BROKEN = InternalServiceError("fault")


def hopeless():
    error = NetworkError("the URL is wrong")
    error.retryable = False
    return error


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (THROTTLED, (1, 2, 3)),
        (BROKEN, (1, 2, 3)),
        (NetworkError("no route"), (1, 2, 3)),
        (CallTimeoutError("late"), (1, 2, 3)),
        (ExternalServiceError("provider"), (1,)),
        (hopeless(), ()),
        (NotAuthorizedError("no"), ()),
        (ResourceNotFoundError("no"), ()),
        (LimitExceededError("no"), ()),
        (MalformedResponseError("no"), ()),
        (UnknownServiceError("no"), ()),
        (StoreError("no"), ()),
    ],
)
def test_an_error_is_retried_as_the_table_says(error, attempts):
    assert tuple(n for n in (1, 2, 3) if may_retry(error, n)) == attempts


@pytest.mark.parametrize(
    ("retry", "throttled", "transient"),
    [(1, 1.0, 0.05), (2, 2.0, 0.1), (3, 4.0, 0.2), (5, 16.0, 0.8), (6, 20.0, 1.6), (9, 20.0, 12.8)],
)
def test_the_longest_delay_doubles_up_to_20_seconds(retry, throttled, transient):
    assert delay_before(retry, THROTTLED, chance=1, headers={}) == pytest.approx(throttled)
    assert delay_before(retry, BROKEN, chance=1, headers={}) == pytest.approx(transient)


def test_the_delay_is_drawn_evenly_from_nothing_to_the_longest():
    assert delay_before(1, THROTTLED, chance=0, headers={}) == 0
    assert delay_before(1, THROTTLED, chance=0.25, headers={}) == 0.25


@pytest.mark.parametrize(
    ("header", "delay"),
    [
        ("700", 0.7),
        ("0", 0.5),
        ("500", 0.5),
        ("5500", 5.5),
        ("5501", 5.5),
        ("999999999", 5.5),
        ("-1", 0.5),
        ("nan", 0.5),
        ("inf", 0.5),
        ("soon", 0.5),
        ("", 0.5),
    ],
)
def test_the_server_may_ask_for_up_to_5_seconds_more(header, delay):
    headers = {"x-amz-retry-after": header}
    assert delay_before(1, THROTTLED, chance=0.5, headers=headers) == pytest.approx(delay)


@given(st.integers(1, 100), st.floats(0, 1, exclude_max=True), st.text())
def test_a_delay_is_never_negative_nor_beyond_25_seconds(retry, chance, header):
    for error in (THROTTLED, BROKEN):
        delay = delay_before(retry, error, chance=chance, headers={"x-amz-retry-after": header})
        assert 0 <= delay <= MAX_DELAY + 5


def test_a_retry_after_throttling_costs_5_and_any_other_14():
    assert cost_of(THROTTLED) == 5
    assert cost_of(BROKEN) == cost_of(NetworkError("no route")) == 14


def test_a_quota_of_500_pays_for_100_throttled_retries_or_35_others():
    for cost, number in ((5, 100), (14, 35)):
        quota = RetryQuota()
        assert [quota.take(cost) for _ in range(number + 1)] == [True] * number + [False]


def test_a_retry_that_the_quota_does_not_cover_costs_nothing():
    quota = RetryQuota()
    quota.left = 13
    assert not quota.take(14)
    assert quota.left == 13
    assert quota.take(13)


def test_a_success_gives_back_what_the_last_retry_cost_or_one():
    quota = RetryQuota()
    quota.left = 100
    quota.give_back(None)
    assert quota.left == 101
    quota.give_back(14)
    assert quota.left == 115


def test_the_quota_never_grows_beyond_where_it_began():
    quota = RetryQuota()
    quota.give_back(14)
    assert quota.left == QUOTA == 500
