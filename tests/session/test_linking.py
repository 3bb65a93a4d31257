"""Several logins on one identity."""

import pytest

from amplify_federation import (
    AuthEventKind,
    AuthProvider,
    Federated,
    InvalidStateError,
    ResourceConflictError,
    ValidationError,
)
from tests.session.kit import GET_CREDENTIALS, HOUR

GOOGLE, FACEBOOK = AuthProvider.GOOGLE, AuthProvider.FACEBOOK


@pytest.fixture
async def auth(world):
    auth = world.auth()
    await auth.federate_to_identity_pool(world.token(), GOOGLE)
    return auth


async def test_a_further_login_is_linked_with_both_tokens(world, auth):
    before = auth.state.identity_id
    result = await auth.link_login(world.token("alice", FACEBOOK), FACEBOOK)
    assert result.identity_id == before
    assert auth.state.logins == (GOOGLE, FACEBOOK)
    assert set(world.fake.calls[-1].input["Logins"]) == {GOOGLE.login_key, FACEBOOK.login_key}


async def test_a_linked_login_leads_to_the_same_identity_afterwards(world, auth):
    linked = await auth.link_login(world.token("alice", FACEBOOK), FACEBOOK)
    other = world.auth(session_name="other device")
    result = await other.federate_to_identity_pool(world.token("alice", FACEBOOK), FACEBOOK)
    assert result.identity_id == linked.identity_id


async def test_a_login_of_another_identity_is_merged_and_the_answer_adopted(world, auth):
    before = auth.state.identity_id
    other = world.auth(session_name="other")
    strange = await other.federate_to_identity_pool(world.token("alice", FACEBOOK), FACEBOOK)
    result = await auth.link_login(world.token("alice", FACEBOOK), FACEBOOK)
    assert result.identity_id in {before, strange.identity_id}
    assert auth.state.identity_id == result.identity_id
    session = await auth.fetch_auth_session()
    assert session.identity_id == result.identity_id


async def test_a_second_login_of_one_provider_is_a_conflict_and_changes_nothing(world, auth):
    await auth.link_login(world.token("alice", FACEBOOK), FACEBOOK)
    before = auth.state
    with pytest.raises(ResourceConflictError):
        await auth.link_login(world.token("bob", FACEBOOK), FACEBOOK)
    assert auth.state == before


async def test_a_session_renews_with_the_logins_that_are_still_good(world, auth):
    await auth.link_login(world.token("alice", FACEBOOK, lifetime=5 * HOUR), FACEBOOK)
    world.fake.advance(2 * HOUR)  # Google's token is over by its own `exp`
    world.fake.calls.clear()
    assert (await auth.fetch_auth_session()).is_signed_in
    assert [set(call.input["Logins"]) for call in world.fake.calls] == [{FACEBOOK.login_key}]


async def test_a_refused_login_among_good_ones_is_left_out_and_forgotten(world):
    auth = world.auth()
    await auth.federate_to_identity_pool(world.token("alice", FACEBOOK), FACEBOOK)
    await auth.link_login(world.token("alice", lifetime=5 * HOUR), GOOGLE)
    world.fake.advance(2 * HOUR)  # Facebook's opaque token is over, which only Cognito can tell
    world.fake.calls.clear()
    assert (await auth.fetch_auth_session()).is_signed_in
    assert [set(call.input["Logins"]) for call in world.fake.calls] == [
        {FACEBOOK.login_key, GOOGLE.login_key},
        {FACEBOOK.login_key},
        {GOOGLE.login_key},
    ]
    tokens = {login.provider: login.token for login in auth.state.held}
    assert tokens[FACEBOOK] is None
    assert tokens[GOOGLE] is not None


async def test_linking_needs_a_federated_session(world):
    auth = world.auth()
    with pytest.raises(InvalidStateError):
        await auth.link_login(world.token(), GOOGLE)
    assert world.fake.calls == []


async def test_linking_needs_a_token_that_proves_the_identity(world):
    auth = world.auth(remember_token=False)
    await auth.federate_to_identity_pool(world.token(), GOOGLE)
    world.fake.calls.clear()
    with pytest.raises(InvalidStateError, match="proves its identity"):
        await auth.link_login(world.token("alice", FACEBOOK), FACEBOOK)
    assert world.fake.calls == []


async def test_a_login_is_unlinked_at_cognito_and_here(world, auth):
    await auth.link_login(world.token("alice", FACEBOOK), FACEBOOK)
    identity_id = auth.state.identity_id
    await auth.unlink_login(FACEBOOK)
    assert auth.state.logins == (GOOGLE,)
    assert world.fake.calls[-1].operation == "UnlinkIdentity"
    other = world.auth(session_name="other")
    result = await other.federate_to_identity_pool(world.token("alice", FACEBOOK), FACEBOOK)
    assert result.identity_id != identity_id


async def test_the_last_login_cannot_be_unlinked(world, auth):
    world.fake.calls.clear()
    with pytest.raises(InvalidStateError) as caught:
        await auth.unlink_login(GOOGLE)
    assert "clear_federation_to_identity_pool" in caught.value.recovery_suggestion
    assert world.fake.calls == []
    assert isinstance(auth.state, Federated)


async def test_a_login_that_is_not_linked_cannot_be_unlinked(world, auth):
    with pytest.raises(InvalidStateError):
        await auth.unlink_login(FACEBOOK)


@pytest.mark.parametrize("provider", ["accounts.google.com", None])
async def test_what_is_no_provider_is_refused_before_anything_is_sent(world, auth, provider):
    world.fake.calls.clear()
    with pytest.raises(ValidationError):
        await auth.link_login(world.token(), provider)
    with pytest.raises(ValidationError):
        await auth.unlink_login(provider)
    assert world.fake.calls == []


async def test_linking_is_told_as_a_renewal_and_unlinking_not_at_all(world, auth):
    async with auth.events() as stream:
        await auth.link_login(world.token("alice", FACEBOOK), FACEBOOK)
        await auth.unlink_login(FACEBOOK)
        await auth.clear_federation_to_identity_pool()
        kinds = [(await anext(stream)).kind for _ in range(2)]
    assert kinds == [AuthEventKind.CREDENTIALS_RENEWED, AuthEventKind.FEDERATION_CLEARED]


async def test_a_restart_finds_all_logins(world, auth):
    await auth.link_login(world.token("alice", FACEBOOK), FACEBOOK)
    async with world.auth() as again:
        assert again.state.logins == (GOOGLE, FACEBOOK)


async def test_reuse_by_a_linked_login_needs_no_get_id(world, auth):
    await auth.link_login(world.token("alice", AuthProvider.APPLE), AuthProvider.APPLE)
    world.fake.calls.clear()
    await auth.federate_to_identity_pool(
        world.token("alice", AuthProvider.APPLE), AuthProvider.APPLE
    )
    assert [call.operation for call in world.fake.calls] == [GET_CREDENTIALS]
