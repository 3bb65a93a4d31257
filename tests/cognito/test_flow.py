import json

import pytest

from amplify_federation._cognito.decoding import Answer
from amplify_federation._cognito.flow import (
    PoolMembers,
    by_good_logins,
    by_identity,
    by_known_identity,
    by_login,
    by_same_identity,
    unlinking,
)
from amplify_federation._model.classic_flow import ClassicFlow
from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.values import Secret
from amplify_federation.errors import (
    InvalidStateError,
    MalformedResponseError,
    NetworkError,
    NotAuthorizedError,
    NotAuthorizedReason,
    ResourceNotFoundError,
    ServiceError,
    TooManyRequestsError,
)
from tests.cognito.calls import IDENTITY, LOGINS, POOL

ROLE = "arn:aws:iam::123456789012:role/Reader"
MEMBERS = PoolMembers(POOL, "123456789012", ROLE)
OTHER = "us-west-2:99999999-2222-3333-4444-555555555555"
LAST = Answer(OTHER)


def mismatch():
    error = NotAuthorizedError("mismatch")
    error.reason = NotAuthorizedReason.IDENTITY_MISMATCH
    return error


def run(flow, *answers):
    """Drive a flow with answers and errors; return its calls and its result."""
    calls = [next(flow)]
    try:
        for answer in answers:
            go_on = flow.throw if isinstance(answer, Exception) else flow.send
            calls += [go_on(answer)]
    except StopIteration as done:
        return [(call.operation, json.loads(call.body)) for call in calls], done.value
    raise AssertionError("the flow goes on")


def test_a_login_is_asked_for_its_identity_then_for_credentials():
    calls, result = run(by_login(MEMBERS, LOGINS), Answer(IDENTITY), LAST)
    assert [operation for operation, _ in calls] == ["GetId", "GetCredentialsForIdentity"]
    assert calls[0][1]["IdentityPoolId"] == POOL
    assert calls[0][1]["AccountId"] == "123456789012"
    assert calls[1][1]["IdentityId"] == IDENTITY
    assert calls[1][1]["CustomRoleArn"] == ROLE
    assert calls[0][1]["Logins"] == calls[1][1]["Logins"]
    assert result is LAST


def test_a_guest_sends_neither_logins_nor_a_role():
    calls, _ = run(by_login(MEMBERS, {}), Answer(IDENTITY), LAST)
    assert calls[0][1] == {"IdentityPoolId": POOL, "AccountId": "123456789012"}
    assert calls[1][1] == {"IdentityId": IDENTITY}


def test_a_given_identity_costs_one_call():
    calls, result = run(by_identity(MEMBERS, IDENTITY, LOGINS), LAST)
    assert [operation for operation, _ in calls] == ["GetCredentialsForIdentity"]
    assert result is LAST


@pytest.mark.parametrize("error", [mismatch(), ResourceNotFoundError("gone")])
def test_a_given_identity_is_never_replaced(error):
    flow = by_identity(MEMBERS, IDENTITY, LOGINS)
    next(flow)
    with pytest.raises(type(error)):
        flow.throw(error)


def test_a_known_identity_costs_one_call():
    calls, _ = run(by_known_identity(MEMBERS, IDENTITY, LOGINS), LAST)
    assert [operation for operation, _ in calls] == ["GetCredentialsForIdentity"]


@pytest.mark.parametrize("error", [mismatch(), ResourceNotFoundError("gone")])
def test_a_known_identity_that_is_lost_is_asked_for_once_more(error):
    calls, result = run(by_known_identity(MEMBERS, IDENTITY, LOGINS), error, Answer(OTHER), LAST)
    assert [operation for operation, _ in calls] == [
        "GetCredentialsForIdentity", "GetId", "GetCredentialsForIdentity",
    ]  # fmt: skip
    assert calls[2][1]["IdentityId"] == OTHER
    assert result is LAST


def test_an_identity_that_is_lost_twice_is_an_error_that_drags_nothing_along():
    flow = by_known_identity(MEMBERS, IDENTITY, LOGINS)
    next(flow)
    flow.throw(mismatch())
    flow.send(Answer(OTHER))
    with pytest.raises(ResourceNotFoundError) as caught:
        flow.throw(ResourceNotFoundError("again"))
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "error", [NotAuthorizedError("token"), TooManyRequestsError("slow"), NetworkError("no route")]
)
def test_any_other_trouble_leaves_a_known_identity_alone(error):
    flow = by_known_identity(MEMBERS, IDENTITY, LOGINS)
    next(flow)
    with pytest.raises((ServiceError, NetworkError)) as caught:
        flow.throw(error)
    assert caught.value is error


GOOGLE, APPLE = AuthProvider.GOOGLE, AuthProvider.APPLE
BOTH = {GOOGLE: Secret("g"), APPLE: Secret("a")}


def refusal():
    return NotAuthorizedError("this token")


def logins_of(calls):
    return [tuple(members["Logins"]) for _, members in calls]


def test_all_good_logins_go_out_together():
    refused = []
    calls, result = run(by_good_logins(MEMBERS, IDENTITY, BOTH, refused=refused), LAST)
    assert logins_of(calls) == [("accounts.google.com", "appleid.apple.com")]
    assert result is LAST
    assert refused == []


def test_a_refused_login_among_several_is_found_by_asking_with_each():
    refused = []
    flow = by_good_logins(MEMBERS, IDENTITY, BOTH, refused=refused)
    calls, result = run(flow, refusal(), refusal(), LAST)
    assert logins_of(calls)[1:] == [("accounts.google.com",), ("appleid.apple.com",)]
    assert result is LAST
    assert refused == [GOOGLE]


@pytest.mark.parametrize("logins", [BOTH, LOGINS])
def test_logins_that_are_all_refused_are_all_named(logins):
    refused = []
    flow = by_good_logins(MEMBERS, IDENTITY, logins, refused=refused)
    next(flow)
    tries = len(logins) if len(logins) > 1 else 0
    for _ in range(tries):
        flow.throw(refusal())
    with pytest.raises(NotAuthorizedError) as caught:
        flow.throw(refusal())
    assert refused == list(logins)
    assert caught.value.__context__ is None


def test_trouble_that_is_not_about_a_token_refuses_no_login():
    for before in ([], [refusal()]):
        refused = []
        flow = by_good_logins(MEMBERS, IDENTITY, BOTH, refused=refused)
        next(flow)
        for error in before:
            flow.throw(error)
        with pytest.raises(TooManyRequestsError):
            flow.throw(TooManyRequestsError("slow"))
        assert refused == []


def test_the_same_identity_is_asked_for_before_its_credentials():
    calls, result = run(by_same_identity(MEMBERS, IDENTITY, LOGINS), Answer(IDENTITY), LAST)
    assert [operation for operation, _ in calls] == ["GetId", "GetCredentialsForIdentity"]
    assert result is LAST


def test_a_login_of_somebody_else_is_never_sent_with_a_known_identity():
    flow = by_same_identity(MEMBERS, IDENTITY, LOGINS)
    assert next(flow).operation == "GetId"
    with pytest.raises(InvalidStateError, match="another user"):
        flow.send(Answer(OTHER))


def test_unlinking_is_one_call():
    calls, _ = run(unlinking(IDENTITY, BOTH, APPLE), Answer())
    assert calls == [
        (
            "UnlinkIdentity",
            {
                "IdentityId": IDENTITY,
                "LoginsToRemove": ["appleid.apple.com"],
                "Logins": {"accounts.google.com": "g", "appleid.apple.com": "a"},
            },
        )
    ]


def test_the_classic_flow_asks_for_a_token_and_then_for_the_role():
    classic = ClassicFlow("arn:aws:iam::123456789012:role/player")
    pool = PoolMembers(POOL, classic=classic, sts_url="https://sts.us-west-2.amazonaws.com")
    token = Answer(IDENTITY, open_id_token=Secret("an-open-id-token"))
    flow = by_identity(pool, IDENTITY, LOGINS)
    assert next(flow).operation == "GetOpenIdToken"
    assert flow.send(token).operation == "AssumeRoleWithWebIdentity"
    with pytest.raises(StopIteration) as done:
        flow.send(LAST)
    assert done.value.value.identity_id == IDENTITY


def test_the_classic_flow_without_a_token_is_no_answer_of_cognitos():
    classic = ClassicFlow("arn:aws:iam::123456789012:role/player")
    pool = PoolMembers(POOL, classic=classic, sts_url="https://sts.us-west-2.amazonaws.com")
    flow = by_identity(pool, IDENTITY, LOGINS)
    next(flow)
    with pytest.raises(MalformedResponseError, match="no token"):
        flow.send(Answer(IDENTITY))
