"""The issuers: their keys, what a JWT is, and tokens of every kind."""

import base64
import re
from xml.etree import ElementTree as ET

import pytest
from attrs import evolve

from amplify_federation import AuthProvider
from amplify_federation.testing._openid.issuers import (
    Jwt,
    SigningKey,
    decoded,
    encoded,
    signing_key,
)


def test_issuer_has_one_key_in_the_process_and_no_other_has_it():
    first, again, other = (signing_key(name) for name in ("a.test", "a.test", "b.test"))
    assert first is again
    assert first.jwk["n"] != other.jwk["n"]


def test_key_verifies_its_own_signature_alone():
    first, other = signing_key("a.test"), signing_key("b.test")
    jwt = Jwt.parse(first.sign({"sub": "alice"}))
    assert jwt.claims == {"sub": "alice"}
    assert jwt.header == {"alg": "RS256", "kid": first.jwk["kid"], "typ": "JWT"}
    assert first.verifies(jwt)
    assert not other.verifies(jwt)


@pytest.mark.parametrize("changed", [{"alg": "RS512"}, {"alg": None}, {"kid": "another"}], ids=str)
def test_key_takes_no_token_of_another_algorithm_or_key_id(changed):
    key = signing_key("a.test")
    jwt = Jwt.parse(key.sign({"sub": "alice"}))
    assert not key.verifies(evolve(jwt, header={**jwt.header, **changed}))


def test_broken_signature_under_the_right_key_id_is_not_verified():
    key = signing_key("a.test")
    head, _, _ = key.sign({"sub": "alice"}).rpartition(".")
    assert not key.verifies(Jwt.parse(f"{head}.{encoded(b'x' * 256)}"))


def test_published_key_holds_nothing_private():
    jwk = SigningKey().jwk
    assert set(jwk) == {"kty", "n", "e", "kid", "alg", "use"}
    assert decoded(jwk["e"]) == b"\x01\x00\x01"
    assert len(decoded(jwk["n"])) == 256


@pytest.mark.parametrize("text", ["A", "AB==", "A B", "AB\n", "é", "-_=", "AC"])
def test_only_canonical_base64url_is_decoded(text):
    with pytest.raises(ValueError, match="base64url"):
        decoded(text)


def test_base64url_round_trips():
    for length in range(10):
        data = bytes(range(250, 250 + min(length, 6))) + b"\xff" * max(0, length - 6)
        assert decoded(encoded(data)) == data


def test_deeply_nested_token_is_no_jwt():
    nested = encoded(b"[" * 50_000)
    assert Jwt.parse(f"{nested}.{nested}.AA") is None


def test_repr_shows_no_signature():
    token = signing_key("a.test").sign({"sub": "alice"})
    assert token.rpartition(".")[2] not in repr(Jwt.parse(token))


SAML = AuthProvider.saml("arn:aws:iam::123456789012:saml-provider/Example")
USER_POOL = AuthProvider.cognito_user_pool("us-west-2_Ab1Cd2Ef3")


def claims_of(token):
    return Jwt.parse(token).claims


def test_id_token_says_who_for_whom_and_how_long(fake):
    token = fake.issue_token(AuthProvider.GOOGLE, "alice", audience="web", lifetime=60)
    claims = claims_of(token)
    now = int(fake.time())
    assert claims.pop("jti")
    assert claims == {
        "iss": "https://accounts.google.com",
        "sub": "alice",
        "aud": "web",
        "iat": now,
        "exp": now + 60,
    }


def test_two_tokens_of_one_user_differ(fake):
    for provider in (AuthProvider.GOOGLE, AuthProvider.FACEBOOK, SAML):
        assert fake.issue_token(provider, "alice") != fake.issue_token(provider, "alice")


def test_claims_are_added_replaced_and_left_out(fake):
    claims = {"email": "a@example.com", "sub": "bob", "aud": None}
    issued = claims_of(fake.issue_token(AuthProvider.APPLE, "alice", claims=claims))
    assert (issued["email"], issued["sub"]) == ("a@example.com", "bob")
    assert "aud" not in issued


def test_user_pool_token_is_an_id_token(fake):
    claims = claims_of(fake.issue_token(USER_POOL, "alice"))
    assert claims["iss"] == "https://cognito-idp.us-west-2.amazonaws.com/us-west-2_Ab1Cd2Ef3"
    assert (claims["token_use"], claims["cognito:username"]) == ("id", "alice")


def test_audience_is_that_of_the_newest_pool_with_the_provider(fake):
    assert claims_of(fake.issue_token(AuthProvider.GOOGLE, "a"))["aud"] == "test-client"
    fake.create_identity_pool({AuthProvider.GOOGLE: ["first"]})
    fake.create_identity_pool({AuthProvider.GOOGLE: ["web", "ios"]})
    fake.create_identity_pool([AuthProvider.APPLE])
    assert claims_of(fake.issue_token(AuthProvider.GOOGLE, "a"))["aud"] == "ios"


@pytest.mark.parametrize(
    ("provider", "form"),
    [
        (AuthProvider.FACEBOOK, r"EAA\S+"),
        (AuthProvider.AMAZON, r"Atza\|\S+"),
        (AuthProvider.TWITTER, r"[^;]+;[^;]+"),
    ],
)
def test_access_tokens_look_like_those_of_their_provider(fake, provider, form):
    token = fake.issue_token(provider, "alice")
    assert re.fullmatch(form, token)
    assert Jwt.parse(token) is None


def test_saml_response_is_xml_that_names_the_user(fake):
    token = fake.issue_token(SAML, "<alice> & co")
    response = ET.fromstring(base64.b64decode(token, validate=True))  # noqa: S314  # our own
    assert response.tag.endswith("}Response")
    [name] = response.iter("{urn:oasis:names:tc:SAML:2.0:assertion}NameID")
    assert name.text == "<alice> & co"
