import base64
import json

import pytest

from amplify_federation._cognito.advice import advice_on_refusal
from amplify_federation._cognito.requests import get_id
from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.values import Secret
from amplify_federation.errors import NotAuthorizedReason as R
from tests.cognito.calls import POOL

GOOGLE, FACEBOOK = AuthProvider.GOOGLE, AuthProvider.FACEBOOK
ISSUER = AuthProvider.oidc("https://issuer.example.com")
OPAQUE = "ya29.an-access-token"


def jwt(**claims):
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJSUzI1NiJ9.{payload}.c2lnbmF0dXJl"


def advice(provider, token, reason, message=""):
    return advice_on_refusal(get_id(POOL, {provider: Secret(token)}), reason, message)


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (OPAQUE, R.TOKEN_MALFORMED),
        (jwt(iss="https://accounts.google.com", token_use="access"), R.TOKEN_MALFORMED),
        (jwt(iss="https://accounts.google.com", token_use="access"), R.UNKNOWN),
    ],
)
def test_an_access_token_is_to_be_replaced_by_the_id_token(token, reason):
    assert "Pass the ID token" in advice(GOOGLE, token, reason)


@pytest.mark.parametrize(
    ("issuer", "written"),
    [
        ("https://accounts.google.com", "AuthProvider.GOOGLE"),
        ("accounts.google.com", "AuthProvider.GOOGLE"),
        ("https://appleid.apple.com", "AuthProvider.APPLE"),
        (
            "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Ab1",
            "AuthProvider.cognito_user_pool('eu-west-1_Ab1')",
        ),
        (
            "https://issuer-cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Ab1",
            "AuthProvider.cognito_user_pool('eu-west-1_Ab1')",
        ),
        ("https://tenant.example.com/", "AuthProvider.oidc('https://tenant.example.com')"),
        ("https://Issuer.example.com", "AuthProvider.oidc('https://Issuer.example.com')"),
    ],
)
@pytest.mark.parametrize("provider", [FACEBOOK, ISSUER])
@pytest.mark.parametrize("reason", [R.WRONG_PROVIDER, R.PROVIDER_NOT_CONFIGURED, R.UNKNOWN])
def test_the_provider_that_the_token_names_is_written_out(provider, reason, issuer, written):
    said = advice(provider, jwt(iss=issuer), reason)
    assert said == f"The token's issuer is {issuer}: pass {written} as its provider."


def test_an_issuer_that_is_anybodys_text_is_not_shown():
    said = advice(ISSUER, jwt(iss="<script> or a secret"), R.WRONG_PROVIDER)
    assert said == "Pass the provider that issued this token."


@pytest.mark.parametrize("aud", ["my-app.example", ["my-app.example", "other"]])
def test_the_audience_that_the_pool_lacks_is_named(aud):
    token = jwt(iss="https://issuer.example.com", aud=aud)
    said = advice(ISSUER, token, R.PROVIDER_NOT_CONFIGURED, "Incorrect token audience.")
    assert said.startswith("Add the token's audience, my-app.example, to the client ids")


@pytest.mark.parametrize("aud", [None, "a b", [], 7])
def test_an_audience_that_cannot_be_shown_is_not_named(aud):
    token = jwt(iss="https://issuer.example.com", aud=aud)
    said = advice(ISSUER, token, R.PROVIDER_NOT_CONFIGURED, "Incorrect token audience.")
    assert said.startswith("Add the token's audience to the client ids")


@pytest.mark.parametrize("reason", [R.TOKEN_EXPIRED, R.TOKEN_SIGNATURE, R.TOKEN_INACTIVE])
def test_a_token_that_is_over_or_forged_is_replaced_by_a_new_one_whatever_it_says(reason):
    assert advice(FACEBOOK, jwt(iss="https://accounts.google.com"), reason) is None


@pytest.mark.parametrize("provider", [FACEBOOK, AuthProvider.AMAZON])
def test_an_opaque_token_of_a_provider_of_such_has_no_other_kind(provider):
    assert advice(provider, OPAQUE, R.TOKEN_MALFORMED) is None
    assert advice(provider, OPAQUE, R.UNKNOWN) is None
