import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_federation._model.claims import (
    COGNITO_GRACE,
    Claims,
    peek,
    same_subject,
    subject_digest,
    token_helps,
)
from amplify_federation._model.values import Secret
from tests.model.samples import ISSUED, jwt, login

KEY = b"k" * 16
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def peeked(payload: object) -> Claims | None:
    return peek(Secret(jwt(payload)))


def test_four_claims_are_read_and_no_more():
    claims = peeked({"iss": "i", "sub": "s", "exp": 7, "cognito:username": "u", "email": "e"})
    assert claims == Claims("i", "s", 7.0, "u")


@pytest.mark.parametrize(
    "token",
    [
        "",
        "opaque",
        "a.b",
        "a.b.c.d",
        "e30.e30",
        "e30.!!.c2ln",
        "e30.e.c2ln",
        ".".join("\u00e9" * 3),
    ],
)
def test_an_opaque_token_has_no_claims(token):
    assert peek(Secret(token)) is None


@pytest.mark.parametrize("payload", [b"", b"no json", b"\xff\xfe", b"[]", b"7", b"null", b'"text"'])
def test_a_payload_that_is_no_json_object_has_no_claims(payload):
    assert peeked(payload) is None


def test_a_payload_nested_without_end_has_no_claims():
    assert peeked(b"[" * 40_000) is None
    assert peeked(b'{"a":' * 30_000 + b"1" + b"}" * 30_000) is None


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1800000000", 1_800_000_000.0),
        ("1.8e9", 1_800_000_000.0),
        ("-1", -1.0),
        ("NaN", None),
        ("Infinity", None),
        ("-Infinity", None),
        ("true", None),
        ("null", None),
        ('"1800000000"', None),
        ("1" + "0" * 400, None),
        ("[1]", None),
    ],
)
def test_only_a_finite_number_is_an_expiry(written, read):
    assert peeked(f'{{"iss":"i","exp":{written}}}'.encode()) == Claims("i", None, read)


def test_a_number_with_more_digits_than_python_reads_makes_the_token_opaque():
    assert peeked(b'{"exp":' + b"1" * 5000 + b"}") is None


def test_claims_that_are_no_text_are_left_out():
    assert peeked({"iss": 1, "sub": ["s"], "cognito:username": {}}) == Claims()


def test_the_claims_of_a_user_do_not_print():
    assert "canary" not in repr(
        peeked({"iss": "canary", "sub": "canary", "cognito:username": "canary"})
    )


def test_a_digest_tells_the_same_user_again_and_names_nobody():
    first = Secret(jwt({"iss": "i", "sub": "canary", "exp": 1}))
    later = Secret(jwt({"iss": "i", "sub": "canary", "exp": 2}))
    known = subject_digest(first, KEY)
    assert same_subject(later, known)
    assert known is not None
    assert b"canary" not in known.key + known.value
    assert base64.b64encode(known.value).decode() not in repr(known)


def test_the_same_user_has_another_digest_under_another_key():
    token = Secret(jwt({"iss": "i", "sub": "s"}))
    assert subject_digest(token, KEY) != subject_digest(token, b"x" * 16)


@pytest.mark.parametrize(
    "other",
    [
        {"iss": "i", "sub": "t"}, {"iss": "j", "sub": "s"}, {"iss": "is", "sub": ""},
        {"sub": "s"}, {"iss": "i"}, {"iss": '"i", "s"', "sub": "s"},
    ],
)  # fmt: skip
def test_another_user_or_issuer_does_not_match(other):
    known = subject_digest(Secret(jwt({"iss": "i", "sub": "s"})), KEY)
    assert not same_subject(Secret(jwt(other)), known)


def test_issuer_and_subject_cannot_flow_into_one_another():
    one = subject_digest(Secret(jwt({"iss": "ab", "sub": "c"})), KEY)
    assert not same_subject(Secret(jwt({"iss": "a", "sub": "bc"})), one)


def test_without_claims_there_is_no_digest_and_no_match():
    opaque = Secret("opaque")
    assert subject_digest(opaque, KEY) is None
    assert not same_subject(opaque, None)
    assert not same_subject(Secret(jwt({"iss": "i", "sub": "s"})), None)


def test_a_subject_that_is_no_unicode_is_taken_like_any_other():
    token = Secret(jwt(b'{"iss":"i","sub":"\\ud800"}'))
    assert same_subject(token, subject_digest(token, KEY))


@given(st.text() | st.binary().map(jwt) | JSON.map(jwt))
def test_a_peek_never_raises(token):
    claims = peek(Secret(token))
    assert claims is None or claims.expires is None or claims.expires == float(claims.expires)
    digest = subject_digest(Secret(token), KEY)
    assert digest is None or len(digest.value) == 16


@given(st.dictionaries(st.text(), JSON))
def test_every_json_object_is_read(payload):
    assert peek(Secret(jwt(payload))) is not None
    assert json.loads(json.dumps(payload)) is not None


def test_a_token_helps_until_cognitos_grace_is_over():
    held = login(token=jwt({"exp": ISSUED}))
    assert COGNITO_GRACE == 300
    assert token_helps(held, ISSUED + 300)
    assert not token_helps(held, ISSUED + 300.5)


@pytest.mark.parametrize("token", ["opaque", jwt({}), jwt({"exp": "soon"})])
def test_a_token_that_does_not_say_its_end_is_worth_a_try(token):
    assert token_helps(login(token=token), 1e12)


def test_a_token_that_was_not_kept_does_not_help():
    assert not token_helps(login(token=None), 0)
