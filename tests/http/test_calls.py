import logging
import random

import anyio
import pytest
import trio
import trio.testing

from amplify_federation._cognito.decoding import Answer, Reply
from amplify_federation._cognito.flow import PoolMembers, by_known_identity, by_login
from amplify_federation._cognito.requests import get_id
from amplify_federation._cognito.retry import QUOTA, RetryQuota
from amplify_federation._http.calls import Calls
from amplify_federation._http.server_clock import ServerClock
from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.values import Secret
from amplify_federation.errors import (
    AuthError,
    ConfigurationError,
    ExternalServiceError,
    InternalServiceError,
    MalformedResponseError,
    NetworkError,
    NotAuthorizedError,
    TooManyRequestsError,
    UnknownServiceError,
    ValidationError,
)
from amplify_federation.testing import ManualClock
from tests.cognito.calls import GET_ID, GIVEN, IDENTITY, LOGINS, POOL, TOKEN, http
from tests.fire.secrecy import leaks_of
from tests.model.samples import jwt

DATE = "Fri, 15 Jan 2027 08:00:00 GMT"  # 1_800_000_000
GOOD = http({"IdentityId": IDENTITY})
MEMBERS = PoolMembers(POOL)


def bad(code, status=400, **headers):
    return http({"__type": code, "message": "said"}, status, headers)


THROTTLED = bad("TooManyRequestsException")
BROKEN = bad("InternalErrorException", 500)
REFUSED = bad("NotAuthorizedException")


class ScriptedSender:
    """Gives each attempt what its script has next; the last stays. With a clock and a quota."""

    def __init__(self, *script):
        self.script = list(script)
        self.quota = RetryQuota()
        self.clock = ServerClock(ManualClock(time=1_800_000_000.0))
        self.sent = []
        self.bounds = []
        self.times = []

    async def send(self, call, sdk_headers, bound):
        self.sent.append((sdk_headers, call.body))
        self.bounds.append(bound)
        self.times.append(anyio.current_time())
        given = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(given, Reply):
            return given
        if callable(given):
            return await given()
        raise given

    async def run(self, flow, max_attempts=3):
        return await Calls(self, self.clock, self.quota, max_attempts).run(flow)


def one(call=GET_ID):
    return (yield call)


def called(sender, *, seconds=1e6, max_attempts=3, call=GET_ID):
    """Make one call in a loop whose time jumps; return how it ended and the seconds it took."""

    async def main():
        outcome, began = None, trio.current_time()
        with trio.move_on_after(seconds):
            try:
                outcome = await sender.run(one(call), max_attempts)
            except AuthError as error:
                outcome = error
        return outcome, trio.current_time() - began

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


@pytest.fixture(autouse=True)
def chance(monkeypatch):
    """Let the dice fall on one half."""
    monkeypatch.setattr(random, "random", lambda: 0.5)


@pytest.mark.parametrize(
    ("trouble", "kind", "attempts"),
    [
        (THROTTLED, TooManyRequestsError, 3),
        (BROKEN, InternalServiceError, 3),
        (http(b"", 503), InternalServiceError, 3),
        (http(b"", 429), TooManyRequestsError, 3),
        (NetworkError("cut"), NetworkError, 3),
        (bad("ExternalServiceException"), ExternalServiceError, 2),
        (REFUSED, NotAuthorizedError, 1),
        (http(b"<html>", 403), UnknownServiceError, 1),
        (http(b"<html>", 200), MalformedResponseError, 1),
    ],
)
def test_trouble_is_tried_as_often_as_it_may_help(trouble, kind, attempts):
    sender = ScriptedSender(trouble)
    outcome, _ = called(sender)
    assert type(outcome) is kind
    assert len(sender.sent) == attempts


@pytest.mark.parametrize("date", [DATE, None])
def test_whether_an_unknown_refusal_is_the_pools_fault_is_judged_by_the_answers_time(date):
    headers = {"date": date} if date else {}
    sender = ScriptedSender(bad("NotAuthorizedException", **headers))
    sender.clock = ServerClock(ManualClock(time=1_800_900_000.0))  # wrong by ten days
    token = Secret(jwt({"iss": "https://a.test", "sub": "1", "exp": 1_800_003_600}))
    outcome, _ = called(sender, call=get_id(POOL, {AuthProvider.GOOGLE: token}))
    assert outcome.pools_fault is bool(date)


@pytest.mark.parametrize("attempts", [1, 2, 10])
def test_the_number_of_attempts_is_the_callers(attempts):
    sender = ScriptedSender(BROKEN)
    called(sender, max_attempts=attempts)
    assert len(sender.sent) == attempts
    assert sender.sent[-1][0][1] == f"attempt={attempts}; max={attempts}"


def test_all_attempts_of_one_call_share_an_invocation_and_count():
    sender = ScriptedSender(BROKEN, BROKEN, GOOD)
    outcome, _ = called(sender)
    assert outcome == Answer(IDENTITY)
    assert len({sdk_headers[0] for sdk_headers, _ in sender.sent}) == 1
    counted = [sdk_headers[1] for sdk_headers, _ in sender.sent]
    assert counted == [f"attempt={n}; max=3" for n in (1, 2, 3)]
    assert len({body for _, body in sender.sent}) == 1


def test_two_calls_have_two_invocations():
    sender = ScriptedSender(GOOD)
    called(sender)
    called(sender)
    assert len({sdk_headers[0] for sdk_headers, _ in sender.sent}) == 2


@pytest.mark.parametrize(
    ("trouble", "waits"),
    [
        (THROTTLED, [0.5, 1.0]),
        (BROKEN, [0.025, 0.05]),
        (NetworkError("cut"), [0.025, 0.05]),
        (bad("SlowDown", **{"x-amz-retry-after": "3000"}), [3.0, 3.0]),
        (bad("SlowDown", **{"x-amz-retry-after": "60000"}), [5.5, 6.0]),
        (bad("SlowDown", **{"x-amz-retry-after": "never"}), [0.5, 1.0]),
    ],
)
def test_between_attempts_it_waits_as_aws_has_it(trouble, waits):
    sender = ScriptedSender(trouble)
    _, seconds = called(sender)
    assert [b - a for a, b in zip(sender.times, sender.times[1:], strict=False)] == pytest.approx(
        waits
    )
    assert seconds == pytest.approx(sum(waits))


def test_a_wait_beyond_the_deadline_is_not_begun_and_the_last_error_counts():
    sender = ScriptedSender(bad("SlowDown", **{"x-amz-retry-after": "3000"}))
    outcome, seconds = called(sender, seconds=4.0)
    assert type(outcome) is TooManyRequestsError
    assert len(sender.sent) == 2
    assert seconds == pytest.approx(3.0)


def test_the_deadline_ends_an_attempt_that_hangs():
    outcome, seconds = called(ScriptedSender(trio.sleep_forever), seconds=4.0)
    assert outcome is None
    assert seconds == pytest.approx(4.0)


def test_retries_are_paid_for_and_a_success_gives_the_last_cost_back():
    sender = ScriptedSender(BROKEN, THROTTLED, GOOD)
    sender.quota.left = 100
    called(sender)
    assert sender.quota.left == 100 - 14 - 5 + 5


def test_a_first_success_gives_back_one():
    sender = ScriptedSender(GOOD)
    sender.quota.left = 100
    called(sender)
    assert sender.quota.left == 101


def test_without_quota_it_fails_at_once():
    sender = ScriptedSender(BROKEN)
    sender.quota.left = 13
    outcome, seconds = called(sender)
    assert type(outcome) is InternalServiceError
    assert (len(sender.sent), seconds, sender.quota.left) == (1, 0.0, 13)


def test_a_fleet_in_trouble_stops_retrying():
    sender = ScriptedSender(BROKEN)
    for _ in range(100):
        called(sender)
    assert len(sender.sent) == 100 + QUOTA // 14


def test_a_retry_is_logged_without_a_secret(caplog):
    with caplog.at_level(logging.INFO, "amplify_federation"):
        called(ScriptedSender(THROTTLED, GOOD))
    [record] = caplog.records
    assert (record.event, record.operation, record.attempt) == ("retry", "GetId", 2)
    assert (record.error, record.delay) == ("TooManyRequestsError", 0.5)
    assert TOKEN not in caplog.text


@pytest.mark.parametrize(
    ("answer", "learned"),
    [
        (http({"IdentityId": IDENTITY}, 200, {"date": DATE}), True),
        (bad("NotAuthorizedException", date=DATE), True),
        (http(b"<html>", 403, {"date": DATE}), False),
        (bad("NobodyKnowsException", date=DATE), False),
        (http(b"{}", 200, {"date": DATE}), False),
        (GOOD, False),
    ],
)
def test_the_time_is_learned_from_answers_that_are_cognitos(answer, learned):
    sender = ScriptedSender(answer)
    sender.clock = ServerClock(ManualClock(time=1_800_000_000.0 - 3600))
    called(sender, max_attempts=1)
    assert sender.clock.offset == (3600.0 if learned else 0.0)


async def test_a_flow_is_driven_to_its_end():
    sender = ScriptedSender(GOOD, http(GIVEN))
    answer = await sender.run(by_login(MEMBERS, LOGINS))
    assert answer.credentials is not None
    assert len(sender.sent) == 2


async def test_an_error_is_thrown_into_the_flow_which_may_go_on():
    lost = bad("ResourceNotFoundException")
    sender = ScriptedSender(lost, GOOD, http(GIVEN))
    answer = await sender.run(by_known_identity(MEMBERS, IDENTITY, LOGINS))
    assert answer.credentials is not None
    assert len(sender.sent) == 3


@pytest.mark.parametrize(
    "trouble", [REFUSED, NetworkError("cut"), ConfigurationError("no CA file")]
)
async def test_a_flow_raises_the_error_that_it_ended_with_without_a_context(trouble):
    # The second error of each flow comes after another one.
    for flow, first in (
        (by_login(MEMBERS, LOGINS), []),
        (by_known_identity(MEMBERS, IDENTITY, LOGINS), [bad("ResourceNotFoundException")]),
    ):
        with pytest.raises((NotAuthorizedError, NetworkError, ConfigurationError)) as caught:
            await ScriptedSender(*first, trouble).run(flow, max_attempts=1)
        assert caught.value.__context__ is None
        assert leaks_of(caught.value, (TOKEN,)) == []


async def test_a_flow_that_cannot_begin_raises_its_error():
    crowd = {type(p)(f"p{n}.test"): Secret("t") for n, p in enumerate([*LOGINS] * 11)}
    with pytest.raises(ValidationError):
        await ScriptedSender(GOOD).run(by_login(MEMBERS, crowd))


async def test_what_nobody_expected_comes_through():
    with pytest.raises(LookupError):
        await ScriptedSender(LookupError()).run(by_login(MEMBERS, LOGINS))


def test_each_attempt_leaves_time_for_those_after_it():
    sender = ScriptedSender(NetworkError("silent"))
    called(sender, seconds=30.0)
    first, second, last = sender.bounds
    assert first == pytest.approx(10.0)
    assert second == pytest.approx((30.0 - 0.025) / 2)
    assert last is None  # the deadline of the call ends it
