"""Of several allowed providers, the own `iss` of a token chooses one; else no call is made."""

import pytest

from amplify_federation import AuthProvider, NotAuthorizedError, ValidationError

GOOGLE, FACEBOOK, APPLE = AuthProvider.GOOGLE, AuthProvider.FACEBOOK, AuthProvider.APPLE
USER_POOL = AuthProvider.cognito_user_pool("us-west-2_Ab1Cd2Ef3")


@pytest.mark.parametrize("provider", ["accounts.google.com", None, AuthProvider.DEVELOPER])
async def test_a_provider_that_gives_no_bearer_tokens_is_refused(world, provider):
    with pytest.raises(ValidationError):
        await world.users().session_for("x.y.z", provider)
    assert world.calls() == []


@pytest.mark.parametrize(
    ("issuer", "expected"),
    [
        ("https://accounts.google.com", GOOGLE),
        ("accounts.google.com", GOOGLE),
        ("https://cognito-idp.us-west-2.amazonaws.com/us-west-2_Ab1Cd2Ef3", USER_POOL),
        ("https://issuer-cognito-idp.us-west-2.amazonaws.com/us-west-2_Ab1Cd2Ef3", USER_POOL),
        (None, FACEBOOK),
    ],
)
def test_a_tokens_issuer_chooses_among_the_allowed_providers(world, issuer, expected):
    given = {None: world.opaque()}.get(issuer) or world.token(claims={"iss": issuer})
    chosen = world.users().bearer(given, (APPLE, GOOGLE, USER_POOL, FACEBOOK)).provider
    assert chosen == expected


def test_a_token_of_no_allowed_provider_is_refused_before_any_call(world):
    users = world.users()
    for token, allowed in (
        (world.token(), (APPLE, FACEBOOK)),
        (world.opaque(), (GOOGLE, APPLE)),
        (world.opaque(), (AuthProvider.AMAZON, FACEBOOK)),  # whose tokens look alike
    ):
        with pytest.raises(ValidationError, match="does not name its issuer"):
            users.bearer(token, allowed)
    assert world.calls() == []


async def test_cognito_decides_whether_the_token_is_of_its_issuer(world):
    users = world.users()
    lying = world.token(provider=APPLE, claims={"iss": "https://accounts.google.com"})
    with pytest.raises(NotAuthorizedError):
        await users.session_for(lying, (GOOGLE, APPLE))


@pytest.mark.parametrize("providers", [(), None, 7, "google", (None,), (AuthProvider.DEVELOPER,)])
def test_what_are_no_providers_of_bearer_tokens_is_refused(world, providers):
    with pytest.raises(ValidationError):
        world.users().bearer(world.token(), providers)
