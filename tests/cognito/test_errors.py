import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_federation import errors
from amplify_federation._cognito.errors import (
    MAX_MESSAGE,
    Refusal,
    error_code,
    error_message,
    error_of,
    identity_is_lost,
    is_about_the_token,
    reason_of,
    redacted,
)
from amplify_federation._cognito.requests import Call
from amplify_federation._model.values import Secret
from amplify_federation.errors import (
    InvalidParameterError,
    NotAuthorizedError,
    NotAuthorizedReason,
    ResourceConflictError,
    ResourceNotFoundError,
)
from tests.cognito.calls import GET_ID, TOKEN

R = NotAuthorizedReason
THROTTLING = (
    "TooManyRequestsException", "Throttling", "ThrottlingException", "ThrottledException",
    "RequestThrottled", "RequestThrottledException", "RequestLimitExceeded",
    "BandwidthLimitExceeded", "SlowDown", "PriorRequestNotComplete",
)  # fmt: skip
TABLE = {
    "NotAuthorizedException": (errors.NotAuthorizedError, False),
    "InvalidParameterException": (errors.InvalidParameterError, False),
    "ValidationException": (errors.InvalidParameterError, False),
    "ResourceNotFoundException": (errors.ResourceNotFoundError, False),
    "ResourceConflictException": (errors.ResourceConflictError, False),
    "LimitExceededException": (errors.LimitExceededError, False),
    "InvalidIdentityPoolConfigurationException": (
        errors.InvalidIdentityPoolConfigurationError,
        False,
    ),
    "ExternalServiceException": (errors.ExternalServiceError, True),
    "InternalErrorException": (errors.InternalServiceError, True),
    **dict.fromkeys(THROTTLING, (errors.TooManyRequestsError, True)),
}
SAID = {
    "Invalid login token. Token expired: 1800000001 >= 1800000000": (R.TOKEN_EXPIRED, True),
    "Invalid login token. Not a valid OpenId Connect identity token.": (R.TOKEN_MALFORMED, True),
    "Invalid login token. Couldn't verify signed token.": (R.TOKEN_SIGNATURE, True),
    "Invalid login token. Couldn\u2019t verify signed token.": (R.TOKEN_SIGNATURE, True),
    "Token is inactive": (R.TOKEN_INACTIVE, True),
    "Invalid login token. Issuer doesn't match providerName": (R.WRONG_PROVIDER, False),
    "Invalid login token. Can't pass in a Cognito token.": (R.WRONG_PROVIDER, False),
    "Token is not from a supported provider of this identity pool.": (
        R.PROVIDER_NOT_CONFIGURED,
        False,
    ),
    "Unauthenticated access is not supported for this identity pool.": (R.GUESTS_OFF, False),
    "Logins don't match. Please include at least one valid login for this identity or identity "
    "pool.": (R.IDENTITY_MISMATCH, False),
    "Access to Identity 'us-west-2:0' is forbidden.": (R.IDENTITY_MISMATCH, False),
    "The ambiguous role mapping rules for: accounts.google.com denied this request.": (
        R.UNKNOWN,
        False,
    ),
    "Something that nobody has seen": (R.UNKNOWN, True),
    "": (R.UNKNOWN, True),
}


def refused(message="", *, code="NotAuthorizedException", status=400, call=GET_ID):
    return error_of(call, Refusal(status, code, message, None))


@pytest.mark.parametrize(("code", "expected"), TABLE.items())
@pytest.mark.parametrize("status", [400, 403, 429, 500])
def test_a_known_code_decides_whatever_the_status(code, expected, status):
    error = refused("said", code=code, status=status)
    assert (type(error), error.retryable) == expected
    assert error.code == code


@pytest.mark.parametrize("code", [None, "NobodyKnowsException"])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, errors.TooManyRequestsError),
        (500, errors.InternalServiceError),
        (502, errors.InternalServiceError),
        (503, errors.InternalServiceError),
        (504, errors.InternalServiceError),
        (400, errors.UnknownServiceError),
        (401, errors.UnknownServiceError),
        (403, errors.UnknownServiceError),
        (404, errors.UnknownServiceError),
        (501, errors.UnknownServiceError),
        (505, errors.UnknownServiceError),
    ],
)
def test_without_a_known_code_the_status_tells_faults_and_nothing_else(code, status, kind):
    assert type(refused("said", code=code, status=status)) is kind


@pytest.mark.parametrize(("message", "expected"), SAID.items())
def test_a_refusal_is_read_for_its_reason(message, expected):
    reason, about_the_token = expected
    error = refused(message)
    assert isinstance(error, NotAuthorizedError)
    assert reason_of(message) is error.reason is reason
    assert is_about_the_token(error) is about_the_token


def test_every_reason_has_a_message_that_was_seen():
    assert {reason for reason, _ in SAID.values()} == set(R)


def test_the_advice_fits_the_reason():
    assert "token" in refused("Token is inactive").recovery_suggestion
    assert "guest access" in refused("Unauthenticated access is not supported").recovery_suggestion
    assert "settings" in refused("not from a supported provider").recovery_suggestion
    assert "issued this token" in refused("Issuer doesn't match").recovery_suggestion
    assert "linked" in refused("Logins don't match").recovery_suggestion


@pytest.mark.parametrize(
    ("members", "headers", "code"),
    [
        ({"__type": "X"}, {}, "X"),
        ({"code": "X"}, {}, "X"),
        ({}, {"x-amzn-errortype": "X"}, "X"),
        ({"__type": "A", "code": "B"}, {"x-amzn-errortype": "C"}, "A"),
        ({"code": "B"}, {"x-amzn-errortype": "C"}, "B"),
        ({"__type": 7, "code": ""}, {"x-amzn-errortype": "C"}, "C"),
        ({"__type": "com.amazonaws.cognito.v1#X"}, {}, "X"),
        ({}, {"x-amzn-errortype": "X:http://internal.amazon.com/coral/"}, "X"),
        ({"__type": "aws.x#X:http://y/,http://z"}, {}, "X"),
        ({}, {"x-amzn-errortype": "X, Y"}, "X"),
        ({"__type": "#", "code": "B"}, {}, "B"),
        ({"__type": " "}, {}, None),
        ({}, {}, None),
    ],
)
def test_the_code_is_found_where_services_put_it(members, headers, code):
    assert error_code(members, headers) == code


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"message": "a"}, "a"),
        ({"Message": "b"}, "b"),
        ({"message": 7, "Message": "b"}, "b"),
        ({}, ""),
    ],
)
def test_the_message_is_found_in_both_spellings(members, message):
    assert error_message(members) == message


def test_without_a_message_the_error_says_the_code_and_without_that_the_status():
    assert refused("", code="SlowDown").message == "GetId: SlowDown"
    assert refused("", code=None, status=418).message == "GetId: HTTP status 418"


def test_a_token_that_is_echoed_is_blotted_out():
    assert refused(f"Bad token {TOKEN}!").message == "GetId: Bad token [secure]!"


@pytest.mark.parametrize(
    "echo",
    [
        TOKEN[:30], TOKEN[10:60], f"{TOKEN[:30]}...", f"({TOKEN[:20]}\u2026)",
        f"token={TOKEN[:30]}", f"...{TOKEN[-20:]}", f"Bearer:{TOKEN[:40]}",
    ],
)  # fmt: skip
def test_a_piece_of_a_token_is_blotted_out(echo):
    shown = refused(f"Bad token {echo}").message
    assert "[secure]" in shown
    assert TOKEN[15:25] not in shown
    assert TOKEN[-12:] not in shown


def test_words_that_are_in_no_token_stay():
    said = "Token is not from a supported provider of this identity pool."
    assert refused(said).message == f"GetId: {said}"


def test_a_message_is_capped_and_on_one_line():
    shown = refused("a\nb\tc\0d" + "x" * 1000).message
    assert shown.startswith("GetId: a b c d")
    assert len(shown) == len("GetId: ") + MAX_MESSAGE == 507


def test_a_token_cut_by_the_cap_is_blotted_out_too():
    shown = refused("x" * (MAX_MESSAGE - 20) + " " + TOKEN).message
    assert TOKEN[:12] not in shown


def test_a_token_of_one_letter_does_not_change_what_the_error_is():
    call = Call("GetId", b"", (Secret("e"),))
    error = refused("Token expired: 2 >= 1", call=call)
    assert isinstance(error, NotAuthorizedError)
    assert (error.code, error.reason) == ("NotAuthorizedException", R.TOKEN_EXPIRED)


@pytest.mark.parametrize("code", [TOKEN, f"x#{TOKEN}", "C" * 1000, "a\nb"])
def test_a_code_that_is_none_is_not_shown(code):
    error = refused("", code=error_code({"__type": code}, {}))
    assert error.code is None
    assert TOKEN not in f"{error!r}{error}{error.__dict__}"


@given(st.text(min_size=20), st.text(), st.text())
def test_no_message_shows_a_whole_token(token, before, after):
    call = Call("GetId", b"", (Secret(token),))
    shown = redacted(call, before + token + after)
    assert token not in shown


def refusal_for(reason):
    error = NotAuthorizedError("said")
    error.reason = reason
    return error


def test_only_a_refusal_is_about_the_token():
    assert is_about_the_token(refusal_for(R.TOKEN_EXPIRED))
    assert not is_about_the_token(refusal_for(R.IDENTITY_MISMATCH))
    assert not is_about_the_token(InvalidParameterError("Token expired"))
    assert not is_about_the_token(ValueError())


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (refusal_for(R.IDENTITY_MISMATCH), True),
        (ResourceNotFoundError("gone"), True),
        (refusal_for(R.TOKEN_INACTIVE), False),
        (ResourceConflictError("linked elsewhere"), False),
        (ValueError(), False),
    ],
)
def test_an_identity_is_lost_if_cognito_does_not_give_it(error, lost):
    assert identity_is_lost(error) is lost


def test_a_short_secret_is_hidden_only_where_it_is_a_word():
    call = Call("GetId", b"{}", (Secret("t"),))
    text = "IdentityPool: the token t of tenant t-1 is not taken"
    assert redacted(call, text) == (
        "IdentityPool: the token [secure] of tenant [secure]-1 is not taken"
    )
