import json

import pytest

from amplify_federation._cognito.answers import Answer
from amplify_federation._cognito.flow import (
    PoolMembers,
    by_identity,
    by_known_identity,
    by_login,
)
from amplify_federation.errors import (
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


def played(flow, *answers):
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
    calls, result = played(by_login(MEMBERS, LOGINS), Answer(IDENTITY), LAST)
    assert [operation for operation, _ in calls] == ["GetId", "GetCredentialsForIdentity"]
    assert calls[0][1]["IdentityPoolId"] == POOL
    assert calls[0][1]["AccountId"] == "123456789012"
    assert calls[1][1]["IdentityId"] == IDENTITY
    assert calls[1][1]["CustomRoleArn"] == ROLE
    assert calls[0][1]["Logins"] == calls[1][1]["Logins"]
    assert result is LAST


def test_a_guest_sends_neither_logins_nor_a_role():
    calls, _ = played(by_login(MEMBERS, {}), Answer(IDENTITY), LAST)
    assert calls[0][1] == {"IdentityPoolId": POOL, "AccountId": "123456789012"}
    assert calls[1][1] == {"IdentityId": IDENTITY}


def test_a_given_identity_costs_one_call():
    calls, result = played(by_identity(MEMBERS, IDENTITY, LOGINS), LAST)
    assert [operation for operation, _ in calls] == ["GetCredentialsForIdentity"]
    assert result is LAST


@pytest.mark.parametrize("error", [mismatch(), ResourceNotFoundError("gone")])
def test_a_given_identity_is_never_replaced(error):
    flow = by_identity(MEMBERS, IDENTITY, LOGINS)
    next(flow)
    with pytest.raises(type(error)):
        flow.throw(error)


def test_a_known_identity_costs_one_call():
    calls, _ = played(by_known_identity(MEMBERS, IDENTITY, LOGINS), LAST)
    assert [operation for operation, _ in calls] == ["GetCredentialsForIdentity"]


@pytest.mark.parametrize("error", [mismatch(), ResourceNotFoundError("gone")])
def test_a_known_identity_that_is_lost_is_asked_for_once_more(error):
    calls, result = played(by_known_identity(MEMBERS, IDENTITY, LOGINS), error, Answer(OTHER), LAST)
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
