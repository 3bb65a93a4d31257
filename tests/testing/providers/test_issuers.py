import base64
import re
from xml.etree import ElementTree as ET

import pytest

from amplify_federation import AuthProvider
from amplify_federation.testing._providers.keys import Jwt

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
