import pytest

from amplify_federation import AuthProvider, RefreshGrant, ValidationError
from amplify_federation._model.values import Secret

GRANT = {"issuer": "https://accounts.google.com", "client_id": "c", "refresh_token": "r"}


@pytest.mark.parametrize(
    ("issuer", "provider"),
    [
        ("https://accounts.google.com", AuthProvider.GOOGLE),
        (
            "https://cognito-idp.us-west-2.amazonaws.com/us-west-2_Ab1Cd2Ef3",
            AuthProvider.cognito_user_pool("us-west-2_Ab1Cd2Ef3"),
        ),
        (
            "https://issuer-cognito-idp.us-west-2.amazonaws.com/us-west-2_Ab1Cd2Ef3",
            AuthProvider.cognito_user_pool("us-west-2_Ab1Cd2Ef3"),
        ),
        ("https://example.okta.com/oauth2/default", "example.okta.com/oauth2/default"),
        ("http://127.0.0.1:8080/realms/x", "127.0.0.1:8080/realms/x"),
    ],
)
def test_the_issuer_names_the_provider(issuer, provider):
    expected = provider if isinstance(provider, AuthProvider) else AuthProvider.custom(provider)
    assert RefreshGrant(**GRANT | {"issuer": issuer}).provider == expected


def test_a_rotated_grant_differs_in_its_refresh_token_alone():
    grant = RefreshGrant(**GRANT, client_secret="s", discovery_url="https://d", scope="openid")
    rotated = grant.rotated(Secret("new"))
    assert rotated.refresh_token == "new"
    assert rotated != grant
    assert rotated.rotated(Secret("r")) == grant


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "accounts.google.com"},
        {"issuer": None},
        {"client_id": ""},
        {"client_id": "a\nb"},
        {"refresh_token": ""},
        {"refresh_token": None},
        {"client_secret": ""},
    ],
    ids=str,
)
def test_a_malformed_grant_is_refused(wrong):
    with pytest.raises(ValidationError):
        RefreshGrant(**GRANT | wrong)
