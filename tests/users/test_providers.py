"""Which of several allowed providers a bearer token is of."""

import pytest

from amplify_federation import AuthProvider, NotAuthorizedError, ValidationError

GOOGLE, FACEBOOK, APPLE = AuthProvider.GOOGLE, AuthProvider.FACEBOOK, AuthProvider.APPLE
USER_POOL = AuthProvider.cognito_user_pool("us-west-2_Ab1Cd2Ef3")


@pytest.mark.parametrize(
    ("issuer", "expected"),
    [
        ("https://accounts.google.com", GOOGLE),
        ("accounts.google.com", GOOGLE),
        ("https://cognito-idp.us-west-2.amazonaws.com/us-west-2_Ab1Cd2Ef3", USER_POOL),
        (None, FACEBOOK),
    ],
)
def test_a_tokens_issuer_chooses_among_the_allowed_providers(town, issuer, expected):
    given = {None: town.opaque()}.get(issuer) or town.token(claims={"iss": issuer})
    chosen = town.users().bearer(given, (APPLE, GOOGLE, USER_POOL, FACEBOOK)).provider
    assert chosen == expected


def test_a_token_of_no_allowed_provider_is_refused_before_any_call(town):
    users = town.users()
    for token, allowed in (
        (town.token(), (APPLE, FACEBOOK)),
        (town.opaque(), (GOOGLE, APPLE)),
        (town.opaque(), (AuthProvider.AMAZON, FACEBOOK)),  # whose tokens look alike
    ):
        with pytest.raises(ValidationError, match="does not name its issuer"):
            users.bearer(token, allowed)
    assert town.calls() == []


async def test_cognito_decides_whether_the_token_is_of_its_issuer(town):
    users = town.users()
    lying = town.token(provider=APPLE, claims={"iss": "https://accounts.google.com"})
    with pytest.raises(NotAuthorizedError):
        await users.session_for(lying, (GOOGLE, APPLE))


@pytest.mark.parametrize("providers", [(), None, 7, "google", (None,), (AuthProvider.DEVELOPER,)])
def test_what_are_no_providers_of_bearer_tokens_is_refused(town, providers):
    with pytest.raises(ValidationError):
        town.users().bearer(town.token(), providers)
