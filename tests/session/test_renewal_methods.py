import pytest

from amplify_federation import (
    AuthProvider,
    Expired,
    Federated,
    NetworkError,
    NotAuthorizedError,
    SessionExpiredError,
    SignedOut,
    SignedOutError,
    TooManyRequestsError,
)
from tests.concurrency import Gate, concurrently, pending
from tests.session.kit import BOTH, GET_CREDENTIALS, GET_ID, HOUR, federate

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


async def test_a_guest_is_got_once_without_logins_and_kept(world):
    world.allow_guests()
    async with world.guest_auth() as auth:
        session = await auth.fetch_auth_session()
        assert world.calls() == BOTH
        assert all("Logins" not in call.input for call in world.fake.calls)
        assert not session.is_signed_in
        assert session.identity_id
        assert session.credentials
        for result in (session.user_pool_tokens_result, session.user_sub_result):
            assert type(result.error) is SignedOutError
        assert (await auth.fetch_auth_session()).credentials == session.credentials
        assert world.calls() == []
        assert isinstance(auth.state, SignedOut)


async def test_a_pools_role_is_not_asked_for_a_guest(world):
    world.allow_guests()
    pool = world.pool(guest_access=True, custom_role_arn="arn:aws:iam::123456789012:role/reader")
    async with world.auth(pool) as auth:
        await auth.fetch_auth_session()
        assert "CustomRoleArn" not in world.last_input()


async def test_a_guest_is_kept_in_the_store(world):
    world.allow_guests()
    async with world.guest_auth() as auth:
        first = await auth.fetch_auth_session()
    world.calls()
    async with world.guest_auth() as auth:
        again = await auth.fetch_auth_session()
        assert world.calls() == []
        assert again.identity_id == first.identity_id
        assert again.credentials == first.credentials


@pytest.mark.parametrize("force", [False, True])
async def test_a_guest_is_renewed_under_the_same_identity(world, force):
    world.allow_guests()
    async with world.guest_auth() as auth:
        first = await auth.fetch_auth_session()
        world.calls()
        if not force:
            world.clock.advance(OVER)
        again = await auth.fetch_auth_session(force_refresh=force)
        assert world.calls() == [GET_CREDENTIALS]
        assert again.identity_id == first.identity_id
        assert again.credentials != first.credentials


async def test_a_guest_that_is_gone_is_replaced_by_one_get_id(world):
    world.allow_guests()
    async with world.guest_auth() as auth:
        first = await auth.fetch_auth_session()
        world.fake.delete_identity(first.identity_id)
        world.calls()
        world.clock.advance(OVER)
        again = await auth.fetch_auth_session()
        assert world.calls() == [GET_CREDENTIALS, *BOTH]
        assert again.identity_id != first.identity_id


async def test_refused_guests_are_in_the_fields_and_remembered_for_a_minute(world):
    async with world.guest_auth() as auth:
        for seconds in (0, 30, 29.9):
            world.clock.advance(seconds)
            session = await auth.fetch_auth_session()
            assert not session.is_signed_in
            assert type(session.identity_id_result.error) is NotAuthorizedError
            assert type(session.credentials_result.error) is NotAuthorizedError
            assert type(session.user_sub_result.error) is SignedOutError
        assert world.calls() == [GET_ID]
        world.allow_guests()
        world.clock.advance(0.1)
        assert (await auth.fetch_auth_session()).credentials


@pytest.mark.parametrize("force", [False, True])
async def test_a_guest_fault_on_the_way_sits_in_the_fields_and_is_tried_again(world, force):
    world.allow_guests()
    async with world.guest_auth(max_attempts=1) as auth:
        world.fake.fail_next("TooManyRequestsException")
        session = await auth.fetch_auth_session(force_refresh=force)
        assert type(session.credentials_result.error) is TooManyRequestsError
        assert (await auth.fetch_auth_session()).credentials


async def test_a_guest_in_an_outage_is_a_network_error_and_not_signed_out(world):
    world.allow_guests()
    async with world.guest_auth() as auth:
        world.transport.cut = True
        session = await auth.fetch_auth_session()
        assert isinstance(session.credentials_result.error, NetworkError)
        assert type(session.user_sub_result.error) is SignedOutError


async def test_valid_guest_credentials_stay_through_a_failed_renewal(world):
    world.allow_guests()
    async with world.guest_auth() as auth:
        first = await auth.fetch_auth_session()
        world.transport.cut = True
        again = await auth.fetch_auth_session(force_refresh=True)
        assert again.credentials == first.credentials
        assert isinstance(again.renewal_error, NetworkError)


async def test_a_hundred_callers_cause_one_guest(world):
    world.allow_guests()
    async with world.guest_auth() as auth:
        sessions = await concurrently(*(auth.fetch_auth_session() for _ in range(100)))
        assert world.calls() == BOTH
        assert len({session.identity_id for session in sessions}) == 1


async def test_a_stored_guest_is_not_shown_where_guests_are_not_allowed_any_more(world):
    world.allow_guests()
    async with world.guest_auth() as auth:
        await auth.fetch_auth_session()
    async with world.auth() as auth:
        session = await auth.fetch_auth_session()
        assert type(session.credentials_result.error) is SignedOutError


async def test_a_guest_that_arrives_after_a_federation_does_not_replace_it(world):
    world.allow_guests()
    async with world.guest_auth() as auth:
        gate = world.transport.after[GET_ID] = Gate()
        async with pending(auth.fetch_auth_session(), at=gate) as fetch:
            del world.transport.after[GET_ID]
            result = await federate(auth, world.token())
        assert fetch.result.is_signed_in
        assert fetch.result.identity_id == result.identity_id
        assert auth.state.identity_id == result.identity_id
