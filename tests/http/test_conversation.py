import json
import logging
import random

import anyio
import httpx
import pytest
import trio
import trio.testing

from amplify_federation._cognito.answers import Answer
from amplify_federation._cognito.backoff import QUOTA, RetryQuota
from amplify_federation._cognito.exchange import HttpAnswer
from amplify_federation._cognito.flow import PoolMembers, by_known_identity, by_login
from amplify_federation._http.conversation import Conversation
from amplify_federation._http.line import Line
from amplify_federation._http.server_clock import ServerClock
from amplify_federation._model.values import Secret
from amplify_federation._version import VERSION
from amplify_federation.errors import (
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

DATE = "Fri, 15 Jan 2027 08:00:00 GMT"  # 1_800_000_000
GOOD = http({"IdentityId": IDENTITY})
MEMBERS = PoolMembers(POOL)


def bad(code, status=400, **headers):
    return http({"__type": code, "message": "said"}, status, headers)


THROTTLED = bad("TooManyRequestsException")
BROKEN = bad("InternalErrorException", 500)
REFUSED = bad("NotAuthorizedException")


class ScriptedLine:
    """A line, and its own exchange, that gives what it was told; the last stays."""

    def __init__(self, *script):
        self.script = list(script)
        self.quota = RetryQuota()
        self.sent = []
        self.times = []

    async def exchange(self):
        return self

    async def post(self, headers, body):
        self.sent.append((dict(headers), body))
        self.times.append(anyio.current_time())
        given = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(given, HttpAnswer):
            return given
        if callable(given):
            return await given()
        raise given


def conversation_over(line, *, max_attempts=3, time=1_800_000_000.0):
    return Conversation(line, ServerClock(ManualClock(time=time)), max_attempts)


def called(line, *, seconds=1e6, **arguments):
    """Make one call in a loop whose time jumps; return its outcome and the seconds it took."""

    async def main():
        began = trio.current_time()
        with trio.move_on_after(seconds):
            outcome = await conversation_over(line, **arguments).call(GET_ID)
            return outcome, trio.current_time() - began
        return None, trio.current_time() - began

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


@pytest.fixture(autouse=True)
def chance(monkeypatch):
    """Let the dice fall on one half."""
    monkeypatch.setattr(random, "random", lambda: 0.5)


def test_a_call_goes_out_with_the_headers_of_an_aws_sdk():
    line = ScriptedLine(GOOD)
    outcome, _ = called(line)
    assert outcome == Answer(IDENTITY)
    [(headers, body)] = line.sent
    assert body == GET_ID.body
    invocation = headers.pop("amz-sdk-invocation-id")
    assert len(invocation) == 36
    assert headers == {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "AWSCognitoIdentityService.GetId",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Cache-Control": "no-store",
        "User-Agent": f"amplify_federation/{VERSION}",
        "amz-sdk-request": "attempt=1; max=3",
    }


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
    line = ScriptedLine(trouble)
    outcome, _ = called(line)
    assert type(outcome) is kind
    assert len(line.sent) == attempts


@pytest.mark.parametrize("attempts", [1, 2, 10])
def test_the_number_of_attempts_is_the_callers(attempts):
    line = ScriptedLine(BROKEN)
    called(line, max_attempts=attempts)
    assert len(line.sent) == attempts
    assert line.sent[-1][0]["amz-sdk-request"] == f"attempt={attempts}; max={attempts}"


def test_all_attempts_of_one_call_share_an_invocation_and_count():
    line = ScriptedLine(BROKEN, BROKEN, GOOD)
    outcome, _ = called(line)
    assert outcome == Answer(IDENTITY)
    assert len({headers["amz-sdk-invocation-id"] for headers, _ in line.sent}) == 1
    counted = [headers["amz-sdk-request"] for headers, _ in line.sent]
    assert counted == [f"attempt={n}; max=3" for n in (1, 2, 3)]
    assert len({body for _, body in line.sent}) == 1


def test_two_calls_have_two_invocations():
    line = ScriptedLine(GOOD)
    called(line)
    called(line)
    assert len({headers["amz-sdk-invocation-id"] for headers, _ in line.sent}) == 2


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
    line = ScriptedLine(trouble)
    _, seconds = called(line)
    assert [b - a for a, b in zip(line.times, line.times[1:], strict=False)] == pytest.approx(waits)
    assert seconds == pytest.approx(sum(waits))


def test_a_wait_beyond_the_deadline_is_not_begun_and_the_last_error_counts():
    line = ScriptedLine(bad("SlowDown", **{"x-amz-retry-after": "3000"}))
    outcome, seconds = called(line, seconds=4.0)
    assert type(outcome) is TooManyRequestsError
    assert len(line.sent) == 2
    assert seconds == pytest.approx(3.0)


def test_the_deadline_ends_an_attempt_that_hangs():
    outcome, seconds = called(ScriptedLine(trio.sleep_forever), seconds=4.0)
    assert outcome is None
    assert seconds == pytest.approx(4.0)


def test_retries_are_paid_for_and_a_success_gives_the_last_cost_back():
    line = ScriptedLine(BROKEN, THROTTLED, GOOD)
    line.quota.left = 100
    called(line)
    assert line.quota.left == 100 - 14 - 5 + 5


def test_a_first_success_gives_back_one():
    line = ScriptedLine(GOOD)
    line.quota.left = 100
    called(line)
    assert line.quota.left == 101


def test_without_quota_it_fails_at_once():
    line = ScriptedLine(BROKEN)
    line.quota.left = 13
    outcome, seconds = called(line)
    assert type(outcome) is InternalServiceError
    assert (len(line.sent), seconds, line.quota.left) == (1, 0.0, 13)


def test_a_fleet_in_trouble_stops_retrying():
    line = ScriptedLine(BROKEN)
    for _ in range(100):
        called(line)
    assert len(line.sent) == 100 + QUOTA // 14


def test_a_retry_is_logged_without_a_secret(caplog):
    with caplog.at_level(logging.INFO, "amplify_federation"):
        called(ScriptedLine(THROTTLED, GOOD))
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
    async def main():
        conversation = conversation_over(ScriptedLine(answer), time=1_800_000_000.0 - 3600)
        await conversation.call(GET_ID)
        return conversation.clock.offset

    assert trio.run(main) == (3600.0 if learned else 0.0)


async def test_a_conversation_is_held_to_its_end():
    line = ScriptedLine(GOOD, http(GIVEN))
    outcome = await conversation_over(line).hold(by_login(MEMBERS, LOGINS))
    assert isinstance(outcome, Answer)
    assert outcome.credentials is not None
    targets = [headers["X-Amz-Target"].partition(".")[2] for headers, _ in line.sent]
    assert targets == ["GetId", "GetCredentialsForIdentity"]


async def test_a_conversation_hears_of_errors_and_may_go_on():
    lost = bad("ResourceNotFoundException")
    line = ScriptedLine(lost, GOOD, http(GIVEN))
    outcome = await conversation_over(line).hold(by_known_identity(MEMBERS, IDENTITY, LOGINS))
    assert isinstance(outcome, Answer)
    assert len(line.sent) == 3


@pytest.mark.parametrize("trouble", [REFUSED, NetworkError("cut")])
async def test_a_conversation_that_fails_returns_an_error_without_a_past(trouble):
    outcome = await conversation_over(ScriptedLine(trouble), max_attempts=1).hold(
        by_login(MEMBERS, LOGINS)
    )
    assert isinstance(outcome, NotAuthorizedError | NetworkError)
    assert outcome.__traceback__ is None
    assert outcome.__context__ is None


async def test_a_conversation_that_cannot_begin_returns_its_error():
    crowd = {type(p)(f"p{n}.test"): Secret("t") for n, p in enumerate([*LOGINS] * 11)}
    outcome = await conversation_over(ScriptedLine(GOOD)).hold(by_login(MEMBERS, crowd))
    assert isinstance(outcome, ValidationError)


async def test_a_line_that_cannot_be_opened_is_an_error_like_others():
    line = ScriptedLine(ConfigurationError("no CA file"))
    outcome = await conversation_over(line).hold(by_login(MEMBERS, LOGINS))
    assert isinstance(outcome, ConfigurationError)


async def test_what_nobody_expected_comes_through():
    with pytest.raises(LookupError):
        await conversation_over(ScriptedLine(LookupError())).hold(by_login(MEMBERS, LOGINS))


async def test_the_quota_is_shared_by_all_sessions_over_one_client():
    def respond(_request):
        return httpx.Response(500)

    async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as client:
        lines = [Line(f"https://{host}.test", client) for host in ("a", "b")]
        lines[0].quota.left = 14 + 13
        for line in lines:
            await conversation_over(line).call(GET_ID)
        assert lines[0].quota is lines[1].quota
        assert lines[0].quota.left == 13


async def test_a_refusal_over_http_is_typed_and_silent():
    def respond(request):
        token = json.loads(request.content)["Logins"]["accounts.google.com"]
        body = {"__type": "NotAuthorizedException", "message": f"Bad {token}"}
        return httpx.Response(400, json=body, headers={"x-amzn-requestid": "r-1"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as client:
        outcome = await conversation_over(Line("https://x.test", client)).call(GET_ID)
    assert isinstance(outcome, NotAuthorizedError)
    assert outcome.message == "GetId: Bad [secure]"
    assert outcome.request_id == "r-1"
