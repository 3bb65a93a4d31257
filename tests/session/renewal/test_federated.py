"""What each refusal means for the session of a federated user."""

import pytest

from amplify_federation import (
    AuthProvider,
    Expired,
    Federated,
    NotAuthorizedError,
    SessionExpiredError,
)
from tests.session.kit import BOTH, GET_CREDENTIALS, HOUR, federate

OVER = HOUR - 5
# Message, and whether the token, which is good by its own `exp`, is at fault.
REFUSALS = [
    ("Invalid login token. Token expired: 1800000000 >= 1700000000", True),
    ("Invalid login token. Not a valid OpenId Connect identity token.", True),
    ("Invalid login token. Couldn't verify signed token.", True),
    ("Token is inactive", True),
    ("Something that Cognito never said before", False),
    ("Incorrect token audience.", False),
    ("The role of the token is not one of the pool's", False),
    ("Invalid login token. Issuer doesn't match providerName", False),
    ("Token is not from a supported provider of this identity pool.", False),
    ("Unauthenticated access is not supported for this identity pool.", False),
]


@pytest.mark.parametrize(("message", "tokens_fault"), REFUSALS)
async def test_a_refusal_ends_a_session_only_if_it_is_about_the_token(world, message, tokens_fault):
    async with world.auth() as auth:
        await federate(auth, world.token())
        world.clock.advance(OVER)
        world.fake.fail_next("NotAuthorizedException", message=message)
        session = await auth.fetch_auth_session()
        assert session.is_signed_in is not tokens_fault
        expected = SessionExpiredError if tokens_fault else NotAuthorizedError
        assert type(session.credentials_result.error) is expected
        assert type(auth.state) is (Expired if tokens_fault else Federated)


@pytest.mark.parametrize(("message", "tokens_fault"), REFUSALS)
async def test_a_token_is_tried_again_only_if_it_was_not_at_fault(world, message, tokens_fault):
    async with world.auth() as auth:
        await federate(auth, world.token())
        world.calls()
        world.fake.fail_next("NotAuthorizedException", message=message)
        session = await auth.fetch_auth_session(force_refresh=True)
        assert session.credentials == auth.state.credentials
        assert type(session.renewal_error) is NotAuthorizedError
        await auth.fetch_auth_session(force_refresh=True)
        assert world.calls() == [GET_CREDENTIALS] * (1 if tokens_fault else 2)


async def test_an_unknown_refusal_counts_against_an_opaque_token(world):
    facebook = AuthProvider.FACEBOOK
    async with world.auth() as auth:
        await federate(auth, world.token(provider=facebook), facebook)
        world.clock.advance(OVER)
        world.fake.fail_next("NotAuthorizedException", message="Something new")
        session = await auth.fetch_auth_session()
    assert not session.is_signed_in
    assert isinstance(auth.state, Expired)


async def test_the_advice_of_an_unknown_refusal_is_about_the_pool(world):
    async with world.auth() as auth:
        await federate(auth, world.token())
        world.fake.fail_next("NotAuthorizedException", message="Something new")
        session = await auth.fetch_auth_session(force_refresh=True)
    assert "identity pool's settings" in session.renewal_error.recovery_suggestion


LOST = [
    ("ResourceNotFoundException", "Identity not found."),
    ("NotAuthorizedException", "Logins don't match. Please include at least one valid login."),
    ("NotAuthorizedException", "Access to Identity 'us-west-2:0' is forbidden."),
]


@pytest.mark.parametrize(("code", "message"), LOST)
async def test_an_identity_that_is_lost_is_asked_for_anew_once(world, code, message):
    async with world.auth() as auth:
        result = await federate(auth, world.token())
        if code == "ResourceNotFoundException":
            world.fake.delete_identity(result.identity_id)
        else:
            world.fake.fail_next(code, message=message)
        world.calls()
        world.clock.advance(OVER)
        session = await auth.fetch_auth_session()
        assert world.calls() == [GET_CREDENTIALS, *BOTH]
        assert session.is_signed_in
        assert session.credentials == auth.state.credentials != result.credentials
        assert (session.identity_id == result.identity_id) is (code != "ResourceNotFoundException")
        assert auth.state.identity_id == session.identity_id
