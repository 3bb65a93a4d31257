"""FederatedUsers: handles, bounds, and what is refused."""

import gc
import weakref

import anyio
import pytest

from amplify_federation import (
    AuthProvider,
    FederatedUsers,
    InvalidStateError,
    MemoryStore,
    SignedOut,
    ValidationError,
)
from tests.session.kit import federate
from tests.users.kit import BOTH, GET_CREDENTIALS


async def test_two_handles_of_one_user_share_one_session(town):
    users = town.users()
    one, two = users.auth("alice"), users.auth("alice")
    result = await federate(one, town.token())
    assert two.state == one.state
    assert (await two.fetch_auth_session()).credentials == result.credentials
    assert town.calls() == BOTH


async def test_two_users_have_two_sessions(town):
    users = town.users()
    await federate(users.auth("alice"), town.token("alice"))
    bob = await federate(users.auth("bob"), town.token("bob"))
    alice = await users.auth("alice").fetch_auth_session()
    assert alice.identity_id != bob.identity_id
    assert town.identity_of(alice) == alice.identity_id


async def test_a_user_is_the_session_of_that_name_in_the_store(town):
    users = town.users()
    result = await federate(users.auth("alice"), town.token())
    async with town.auth(session_name="alice") as auth:
        assert (await auth.fetch_auth_session()).credentials == result.credentials


async def test_closing_a_handle_leaves_the_session_to_the_others(town):
    users = town.users()
    other = users.auth("alice")
    async with users.auth("alice") as auth:
        await federate(auth, town.token())
    assert (await other.fetch_auth_session()).is_signed_in
    assert (await users.auth("alice").fetch_auth_session()).is_signed_in


async def test_a_dropped_user_comes_back_from_the_store_without_a_call(town):
    users = town.users(max_users=1)
    result = await federate(users.auth("alice"), town.token())
    users.auth("bob")
    assert "1 in memory" in repr(users)
    assert (await users.auth("alice").fetch_auth_session()).credentials == result.credentials
    assert town.calls() == BOTH


async def test_nothing_is_held_of_a_dropped_user(town):
    users = town.users(max_users=1)
    await federate(users.auth("alice"), town.token())
    session = weakref.ref(users.auth("alice")._session)
    users.auth("bob")
    gc.collect()
    assert session() is None


async def test_a_dropped_user_whose_handle_lives_keeps_one_session(town):
    users = town.users(max_users=1)
    held = users.auth("alice")
    users.auth("bob")
    again = users.auth("alice")
    await federate(held, town.token())
    assert again.state == held.state
    assert not isinstance(again.state, SignedOut)


async def test_the_least_recently_used_user_is_dropped(town):
    users = town.users(max_users=2)
    alice, bob = weakref.ref(users.auth("a")._session), weakref.ref(users.auth("b")._session)
    users.auth("a")
    users.auth("c")
    gc.collect()
    assert alice() is not None
    assert bob() is None


async def test_all_users_share_one_retry_quota(town):
    users = town.users()
    alice, bob = users.auth("alice")._session, users.auth("bob")._session
    assert alice.context.channel is bob.context.channel


async def test_many_callers_of_one_user_cause_one_renewal(town):
    users = town.users()
    await federate(users.auth("alice"), town.token(lifetime=100_000))
    town.fake.advance(3599)
    town.calls()
    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(users.auth("alice").fetch_auth_session)
    assert town.calls() == [GET_CREDENTIALS]


async def test_a_token_source_serves_users_by_name(town):
    async def source(_request):
        return town.token()

    users = town.users(token_source=source)
    first = await federate(users.auth("alice"), town.token(lifetime=60))
    town.fake.advance(4000)
    session = await users.auth("alice").fetch_auth_session()
    assert session.identity_id == first.identity_id


async def test_closed_users_refuse_calls_and_end_events(town):
    users = town.users()
    async with users:
        auth = users.auth("alice")
        async with auth.events() as events:
            await users.aclose()
            assert [event async for event in events] == []
    for call in (lambda: users.auth("alice"), auth.events):
        with pytest.raises(InvalidStateError):
            call()
    with pytest.raises(InvalidStateError):
        await users.session_for(town.token(), AuthProvider.GOOGLE)
    with pytest.raises(InvalidStateError):
        await auth.fetch_auth_session()


async def test_a_lent_client_is_left_open(town):
    async with town.users() as users:
        await users.session_for(town.token(), AuthProvider.GOOGLE)
    assert not town.client.is_closed


@pytest.mark.parametrize(
    "arguments",
    [
        {"max_users": 0},
        {"max_users": True},
        {"max_users": 1.5},
        {"opaque_token_life": -1.0},
        {"opaque_token_life": float("nan")},
        {"opaque_token_life": "5"},
        {"settings": None},
    ],
)
def test_wrong_arguments_are_refused(town, arguments):
    with pytest.raises(ValidationError):
        FederatedUsers(town.pool_id, store=MemoryStore(), **arguments)


@pytest.mark.parametrize("user_id", ["", "x" * 129, None, 7])
def test_a_malformed_user_id_is_refused(town, user_id):
    with pytest.raises(ValidationError):
        town.users().auth(user_id)
