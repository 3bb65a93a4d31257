import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_federation._cognito.decoding import MAX_BODY, Answer, decode
from amplify_federation._cognito.requests import (
    assume_role,
    get_credentials,
    get_open_id_token,
    unlink_identity,
)
from amplify_federation._model.classic_flow import ClassicFlow
from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.values import AWSCredentials, Secret
from amplify_federation.errors import (
    InternalServiceError,
    MalformedResponseError,
    NotAuthorizedError,
    ServiceError,
    UnknownServiceError,
)
from tests.cognito.calls import GET_CREDENTIALS, GET_ID, GIVEN, IDENTITY, LOGINS, TOKEN, http
from tests.fire.secrecy import leaks_of

LATER = datetime(2027, 1, 15, 9, tzinfo=UTC)  # 1_800_003_600
GET_TOKEN = get_open_id_token(IDENTITY, LOGINS)
UNLINK = unlink_identity(IDENTITY, LOGINS, (AuthProvider.GOOGLE,))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(TOKEN),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = ["IdentityId", "Credentials", "Token", "__type", "code", "message", "Message"]
PARTS = ["AccessKeyId", "SecretKey", "SessionToken", "Expiration"]


def with_credentials(**members):
    return {**GIVEN, "Credentials": {**GIVEN["Credentials"], **members}}


def failure(call, reply):
    with pytest.raises(ServiceError) as caught:
        decode(call, reply)
    return caught.value


def test_the_answer_of_get_id_is_an_identity():
    assert decode(GET_ID, http({"IdentityId": IDENTITY})) == Answer(IDENTITY)


def test_the_answer_of_get_credentials_is_an_identity_with_credentials():
    answer = decode(GET_CREDENTIALS, http(GIVEN))
    expected = AWSCredentials("ASIAEXAMPLE", "made-up-secret-key", "made-up-session-token", LATER)
    assert answer == Answer(IDENTITY, expected)


def test_the_answer_of_get_open_id_token_is_a_token():
    answer = decode(GET_TOKEN, http({"IdentityId": IDENTITY, "Token": "t"}))
    assert answer == Answer(IDENTITY, open_id_token=Secret("t"))


@pytest.mark.parametrize("body", [{}, {"anything": 1}])
def test_the_answer_of_unlink_identity_is_empty(body):
    assert decode(UNLINK, http(body)) == Answer()


def test_members_that_nobody_promised_are_ignored():
    assert decode(GET_ID, http({"IdentityId": IDENTITY, "New": [1]})) == Answer(IDENTITY)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (1_800_003_600, LATER),
        (1_800_003_600.5, LATER.replace(microsecond=500_000)),
        ("1800003600", LATER),
        ("1.8000036E9", LATER),
        ("2027-01-15T09:00:00Z", LATER),
        ("2027-01-15T10:00:00+01:00", LATER),
        ("2027-01-15T09:00:00", LATER),
    ],
)
def test_an_expiration_is_read_in_every_form_that_was_seen(written, read):
    answer = decode(GET_CREDENTIALS, http(with_credentials(Expiration=written)))
    assert isinstance(answer, Answer)
    assert answer.credentials is not None
    assert answer.credentials.expiration == read
    assert answer.credentials.expiration.tzinfo is UTC


def test_an_expiration_in_exponent_form_is_read():
    body = json.dumps(GIVEN).replace("1800003600.0", "1.8000036E9").encode()
    assert b"E9" in body
    assert decode(GET_CREDENTIALS, http(body)) == decode(GET_CREDENTIALS, http(GIVEN))


@pytest.mark.parametrize(
    "written",
    [None, True, "", "soon", "nan", "inf", "-inf", 1e300, 10**400, -1e15, [], {}, "9" * 400,
     "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"],
)  # fmt: skip
def test_what_is_no_expiration_is_refused(written):
    error = failure(GET_CREDENTIALS, http(with_credentials(Expiration=written)))
    assert isinstance(error, MalformedResponseError)
    assert "Expiration is no time" in error.message


@pytest.mark.parametrize("part", PARTS[:3])
@pytest.mark.parametrize("written", [None, "", 7, [], {}])
def test_credentials_without_a_promised_member_are_refused(part, written):
    error = failure(GET_CREDENTIALS, http(with_credentials(**{part: written})))
    assert isinstance(error, MalformedResponseError)
    assert f"{part} is missing" in error.message
    assert "made-up" not in str(error)


@pytest.mark.parametrize("written", [None, "text", [], 7])
def test_an_answer_without_credentials_is_refused(written):
    error = failure(GET_CREDENTIALS, http({**GIVEN, "Credentials": written}))
    assert isinstance(error, MalformedResponseError)
    assert "Credentials is missing" in error.message


def test_a_token_that_is_missing_is_refused():
    error = failure(GET_TOKEN, http({"IdentityId": IDENTITY}))
    assert isinstance(error, MalformedResponseError)
    assert "Token is missing" in error.message


@pytest.mark.parametrize(
    "identity_id", [None, "", 7, "no id", "us-west-2:XYZ", "a:" + "0" * 54, "us-west-2:0\n"]
)
def test_an_identity_id_that_cognito_would_not_give_is_refused(identity_id):
    error = failure(GET_ID, http({"IdentityId": identity_id}))
    assert isinstance(error, MalformedResponseError)
    assert "IdentityId" in error.message


def test_an_identity_id_of_55_characters_is_taken():
    identity_id = "us-west-2:" + "0" * 45
    assert decode(GET_ID, http({"IdentityId": identity_id})) == Answer(identity_id)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"[]", b"null", b'"text"', b"7", b"\xff\xff", b'{"IdentityId":',
        b'{"IdentityId": NaN}', b'{"x": Infinity}', b'{"x": -Infinity}',
        b'{"x":' + b"1" * 5000 + b"}",
    ],
)  # fmt: skip
def test_a_body_that_is_no_json_object_is_refused(body):
    error = failure(GET_ID, http(body))
    assert isinstance(error, MalformedResponseError)
    assert "no JSON object" in error.message


def test_a_body_nested_beyond_reason_is_refused():
    def nested(depth):
        inner = "[" * depth + "]" * depth
        return f'{{"IdentityId": "{IDENTITY}", "x": {inner}}}'.encode()

    assert decode(GET_ID, http(nested(31))) == Answer(IDENTITY)
    assert type(failure(GET_ID, http(nested(32)))) is MalformedResponseError
    assert type(failure(GET_ID, http(nested(100_000)))) is MalformedResponseError


def test_a_body_over_the_cap_is_refused():
    error = failure(GET_ID, http(None))
    assert isinstance(error, MalformedResponseError)
    assert MAX_BODY == 256 * 1024
    assert str(MAX_BODY) in error.message


@pytest.mark.parametrize("status", [201, 204, 299])
def test_a_success_that_cognito_does_not_give_is_refused(status):
    error = failure(GET_ID, http({"IdentityId": IDENTITY}, status))
    assert isinstance(error, MalformedResponseError)
    assert error.status == status


@pytest.mark.parametrize("status", [100, 301, 302, 307, 399, 400, 403, 404])
def test_an_answer_that_is_no_success_is_an_error_of_the_service(status):
    error = failure(GET_ID, http({"IdentityId": IDENTITY}, status))
    assert type(error) is UnknownServiceError
    assert error.status == status


def test_an_error_without_a_body_goes_by_its_status():
    error = failure(GET_ID, http(None, 503))
    assert type(error) is InternalServiceError
    assert error.message == "GetId: HTTP status 503"


def test_an_error_says_operation_code_status_and_request_id():
    headers = {"x-amzn-requestid": "r-1"}
    body = {"__type": "NotAuthorizedException", "message": "Token is inactive"}
    error = failure(GET_ID, http(body, 400, headers))
    assert isinstance(error, NotAuthorizedError)
    assert (error.operation, error.code, error.status, error.request_id) == (
        "GetId", "NotAuthorizedException", 400, "r-1",
    )  # fmt: skip


def test_a_malformed_answer_says_its_request_id():
    error = failure(GET_ID, http(b"{}", 200, {"x-amzn-requestid": "r-1"}))
    assert isinstance(error, MalformedResponseError)
    assert (error.request_id, error.code, error.retryable) == ("r-1", None, False)


CALLS = st.sampled_from([GET_ID, GET_CREDENTIALS, GET_TOKEN, UNLINK])
SHAPED = st.dictionaries(st.sampled_from(MEMBERS), JSON)
CREDENTIALS = st.fixed_dictionaries(
    {"IdentityId": st.just(IDENTITY), "Credentials": st.dictionaries(st.sampled_from(PARTS), JSON)}
)
BODIES = (
    st.none()
    | st.binary()
    | (JSON | SHAPED | CREDENTIALS).map(lambda value: json.dumps(value).encode())
)
HEADERS = st.dictionaries(
    st.sampled_from(["x-amzn-errortype", "x-amzn-requestid", "date"]), st.text() | st.just(TOKEN)
)


@given(CALLS, BODIES, st.integers(100, 599) | st.just(200), HEADERS)
def test_whatever_comes_is_an_answer_or_an_error_of_the_service(call, body, status, headers):
    try:
        assert isinstance(decode(call, http(body, status, headers)), Answer)
    except ServiceError as error:
        refusal = error
    else:
        return
    assert leaks_of(refusal, (TOKEN,)) == []
    assert TOKEN not in refusal.recovery_suggestion
    assert refusal.__context__ is None
    assert refusal.__cause__ is None
    assert len(refusal.message) < 600


@pytest.mark.parametrize("part", PARTS)
def test_no_frame_of_a_refused_answer_shows_its_secrets(part):
    error = failure(GET_CREDENTIALS, http(with_credentials(**{part: None})))
    assert leaks_of(error, ("made-up", TOKEN)) == []
    refusal = {"__type": "NotAuthorizedException", "message": TOKEN, "SecretKey": "made-up"}
    assert leaks_of(failure(GET_ID, http(refusal, 400)), ("made-up", TOKEN)) == []


def test_an_identity_may_be_another_only_if_logins_prove_a_merge():
    other = IDENTITY[:-1] + "6"
    merged = http({**GIVEN, "IdentityId": other})
    assert decode(GET_CREDENTIALS, merged).identity_id == other
    guests = get_credentials(IDENTITY, {})
    assert type(failure(guests, merged)) is MalformedResponseError
    assert isinstance(decode(guests, http(GIVEN)), Answer)
    elsewhere = http({**GIVEN, "IdentityId": IDENTITY.replace("us-west-2", "eu-west-1")})
    assert type(failure(GET_CREDENTIALS, elsewhere)) is MalformedResponseError


@pytest.mark.parametrize("body", [b"\xff\xfe<a>", b"", b"no element at all", None])
def test_what_is_no_xml_is_no_answer_of_sts(body):
    call = assume_role(
        "https://sts.us-west-2.amazonaws.com",
        ClassicFlow("arn:aws:iam::123456789012:role/player"),
        Secret(TOKEN),
    )
    assert type(failure(call, http(body))) is MalformedResponseError
