import json
import logging
import math
import random

import anyio
import httpx
import pytest
import trio
import trio.testing

from amplify_federation._cognito.decoding import Answer, Reply
from amplify_federation._cognito.flow import PoolMembers, by_known_identity, by_login
from amplify_federation._cognito.requests import get_id
from amplify_federation._cognito.retry import QUOTA, RetryQuota
from amplify_federation._http.calls import _call, run
from amplify_federation._http.client import CognitoClient
from amplify_federation._http.server_clock import ServerClock
from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.settings import AuthSettings
from amplify_federation._model.values import Secret
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
from tests.model.samples import jwt

DATE = "Fri, 15 Jan 2027 08:00:00 GMT"  # 1_800_000_000
GOOD = http({"IdentityId": IDENTITY})
MEMBERS = PoolMembers(POOL)


def bad(code, status=400, **headers):
    return http({"__type": code, "message": "said"}, status, headers)


THROTTLED = bad("TooManyRequestsException")
BROKEN = bad("InternalErrorException", 500)
REFUSED = bad("NotAuthorizedException")


class ScriptedClient:
    """A client, and its own sender, that gives what it was told; the last stays."""

    def __init__(self, *script):
        self.script = list(script)
        self.quota = RetryQuota()
        self.max_attempts = 3
        self.clock = ServerClock(ManualClock(time=1_800_000_000.0))
        self.sent = []
        self.bounds = []
        self.times = []

    async def sender(self):
        return self

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


def called(client, *, seconds=1e6, max_attempts=3):
    """Make one call in a loop whose time jumps; return its outcome and the seconds it took."""

    async def main():
        began = trio.current_time()
        with trio.move_on_after(seconds):
            client.max_attempts = max_attempts
            outcome = await _call(GET_ID, client, anyio.current_effective_deadline())
            return outcome, trio.current_time() - began
        return None, trio.current_time() - began

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
    client = ScriptedClient(trouble)
    outcome, _ = called(client)
    assert type(outcome) is kind
    assert len(client.sent) == attempts


@pytest.mark.parametrize("date", [DATE, None])
def test_whether_a_refused_token_seems_good_is_judged_by_the_answers_time(date):
    headers = {"date": date} if date else {}
    client = ScriptedClient(bad("NotAuthorizedException", **headers))
    client.clock = ServerClock(ManualClock(time=1_800_900_000.0))  # wrong by ten days
    token = Secret(jwt({"iss": "https://a.test", "sub": "1", "exp": 1_800_003_600}))
    outcome = trio.run(_call, get_id(POOL, {AuthProvider.GOOGLE: token}), client, math.inf)
    assert outcome.token_seems_good is bool(date)


@pytest.mark.parametrize("attempts", [1, 2, 10])
def test_the_number_of_attempts_is_the_callers(attempts):
    client = ScriptedClient(BROKEN)
    called(client, max_attempts=attempts)
    assert len(client.sent) == attempts
    assert client.sent[-1][0][1] == f"attempt={attempts}; max={attempts}"


def test_all_attempts_of_one_call_share_an_invocation_and_count():
    client = ScriptedClient(BROKEN, BROKEN, GOOD)
    outcome, _ = called(client)
    assert outcome == Answer(IDENTITY)
    assert len({sdk_headers[0] for sdk_headers, _ in client.sent}) == 1
    counted = [sdk_headers[1] for sdk_headers, _ in client.sent]
    assert counted == [f"attempt={n}; max=3" for n in (1, 2, 3)]
    assert len({body for _, body in client.sent}) == 1


def test_two_calls_have_two_invocations():
    client = ScriptedClient(GOOD)
    called(client)
    called(client)
    assert len({sdk_headers[0] for sdk_headers, _ in client.sent}) == 2


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
    client = ScriptedClient(trouble)
    _, seconds = called(client)
    assert [b - a for a, b in zip(client.times, client.times[1:], strict=False)] == pytest.approx(
        waits
    )
    assert seconds == pytest.approx(sum(waits))


def test_a_wait_beyond_the_deadline_is_not_begun_and_the_last_error_counts():
    client = ScriptedClient(bad("SlowDown", **{"x-amz-retry-after": "3000"}))
    outcome, seconds = called(client, seconds=4.0)
    assert type(outcome) is TooManyRequestsError
    assert len(client.sent) == 2
    assert seconds == pytest.approx(3.0)


def test_the_deadline_ends_an_attempt_that_hangs():
    outcome, seconds = called(ScriptedClient(trio.sleep_forever), seconds=4.0)
    assert outcome is None
    assert seconds == pytest.approx(4.0)


def test_retries_are_paid_for_and_a_success_gives_the_last_cost_back():
    client = ScriptedClient(BROKEN, THROTTLED, GOOD)
    client.quota.left = 100
    called(client)
    assert client.quota.left == 100 - 14 - 5 + 5


def test_a_first_success_gives_back_one():
    client = ScriptedClient(GOOD)
    client.quota.left = 100
    called(client)
    assert client.quota.left == 101


def test_without_quota_it_fails_at_once():
    client = ScriptedClient(BROKEN)
    client.quota.left = 13
    outcome, seconds = called(client)
    assert type(outcome) is InternalServiceError
    assert (len(client.sent), seconds, client.quota.left) == (1, 0.0, 13)


def test_a_fleet_in_trouble_stops_retrying():
    client = ScriptedClient(BROKEN)
    for _ in range(100):
        called(client)
    assert len(client.sent) == 100 + QUOTA // 14


def test_a_retry_is_logged_without_a_secret(caplog):
    with caplog.at_level(logging.INFO, "amplify_federation"):
        called(ScriptedClient(THROTTLED, GOOD))
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
        client = ScriptedClient(answer)
        client.clock = ServerClock(ManualClock(time=1_800_000_000.0 - 3600))
        await _call(GET_ID, client, anyio.current_effective_deadline())
        return client.clock.offset

    assert trio.run(main) == (3600.0 if learned else 0.0)


async def test_a_flow_is_held_to_its_end():
    client = ScriptedClient(GOOD, http(GIVEN))
    outcome = await run(by_login(MEMBERS, LOGINS), client)
    assert isinstance(outcome, Answer)
    assert outcome.credentials is not None
    assert len(client.sent) == 2


async def test_a_flow_hears_of_errors_and_may_go_on():
    lost = bad("ResourceNotFoundException")
    client = ScriptedClient(lost, GOOD, http(GIVEN))
    outcome = await run(by_known_identity(MEMBERS, IDENTITY, LOGINS), client)
    assert isinstance(outcome, Answer)
    assert len(client.sent) == 3


@pytest.mark.parametrize("trouble", [REFUSED, NetworkError("cut")])
async def test_a_flow_that_fails_returns_an_error_without_a_past(trouble):
    client = ScriptedClient(trouble)
    client.max_attempts = 1
    outcome = await run(by_login(MEMBERS, LOGINS), client)
    assert isinstance(outcome, NotAuthorizedError | NetworkError)
    assert outcome.__traceback__ is None
    assert outcome.__context__ is None


async def test_a_flow_that_cannot_begin_returns_its_error():
    crowd = {type(p)(f"p{n}.test"): Secret("t") for n, p in enumerate([*LOGINS] * 11)}
    outcome = await run(by_login(MEMBERS, crowd), ScriptedClient(GOOD))
    assert isinstance(outcome, ValidationError)


async def test_a_client_that_cannot_be_opened_is_an_error_like_others():
    client = ScriptedClient(ConfigurationError("no CA file"))
    outcome = await run(by_login(MEMBERS, LOGINS), client)
    assert isinstance(outcome, ConfigurationError)


async def test_what_nobody_expected_comes_through():
    with pytest.raises(LookupError):
        await run(by_login(MEMBERS, LOGINS), ScriptedClient(LookupError()))


async def test_the_quota_is_shared_by_all_sessions_over_one_client():
    def respond(_request):
        return httpx.Response(500)

    async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as client:
        settings = AuthSettings()
        clients = [CognitoClient(f"https://{host}.test", client, settings) for host in ("a", "b")]
        clients[0].quota.left = 14 + 13
        for each in clients:
            await _call(GET_ID, each, math.inf)
        assert clients[0].quota is clients[1].quota
        assert clients[0].quota.left == 13


async def test_a_refusal_over_http_is_typed_and_silent():
    def respond(request):
        token = json.loads(request.content)["Logins"]["accounts.google.com"]
        body = {"__type": "NotAuthorizedException", "message": f"Bad {token}"}
        return httpx.Response(400, json=body, headers={"x-amzn-requestid": "r-1"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as client:
        cognito = CognitoClient("https://x.test", client, AuthSettings())
        outcome = await _call(GET_ID, cognito, math.inf)
    assert isinstance(outcome, NotAuthorizedError)
    assert outcome.message == "GetId: Bad [secure]"
    assert outcome.request_id == "r-1"


def test_each_attempt_leaves_time_for_those_after_it():
    client = ScriptedClient(NetworkError("silent"))
    called(client, seconds=30.0)
    first, second, last = client.bounds
    assert first == pytest.approx(10.0)
    assert second == pytest.approx((30.0 - 0.025) / 2)
    assert last is None  # the deadline of the call ends it
