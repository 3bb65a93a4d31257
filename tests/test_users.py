"""FederatedUsers and FederatedBearer: handles, bounds, and what is refused."""

import gc
import sys
import weakref

import anyio
import pytest

from amplify_federation import (
    AuthProvider,
    Federated,
    FederatedUsers,
    InvalidStateError,
    MemoryStore,
    NetworkError,
    NotAuthorizedError,
    SessionExpiredError,
    SignedOut,
    UserPoolTokens,
    ValidationError,
)
from tests.concurrency import concurrently
from tests.session.kit import federate
from tests.users.conftest import *  # noqa: F403  # fixtures
from tests.users.kit import BOTH, GET_CREDENTIALS, GatedStore

GOOGLE, APPLE = AuthProvider.GOOGLE, AuthProvider.APPLE
USER_POOL = AuthProvider.cognito_user_pool("us-west-2_Ab1Cd2Ef3")
HOUR = 3_600.0


async def test_two_handles_of_one_user_share_one_session(world):
    users = world.users()
    one, two = users.auth("alice"), users.auth("alice")
    result = await federate(one, world.token())
    assert two.state == one.state
    assert (await two.fetch_auth_session()).credentials == result.credentials
    assert world.calls() == BOTH


async def test_two_users_have_two_sessions(world):
    users = world.users()
    await federate(users.auth("alice"), world.token("alice"))
    bob = await federate(users.auth("bob"), world.token("bob"))
    alice = await users.auth("alice").fetch_auth_session()
    assert alice.identity_id != bob.identity_id
    assert world.identity_of(alice) == alice.identity_id


async def test_a_user_is_the_session_of_that_name_in_the_store(world):
    users = world.users()
    result = await federate(users.auth("alice"), world.token())
    async with world.auth(session_name="alice") as auth:
        assert (await auth.fetch_auth_session()).credentials == result.credentials


async def test_closing_a_handle_leaves_the_session_to_the_others(world):
    users = world.users()
    other = users.auth("alice")
    async with users.auth("alice") as auth:
        await federate(auth, world.token())
    assert (await other.fetch_auth_session()).is_signed_in
    assert (await users.auth("alice").fetch_auth_session()).is_signed_in


async def test_a_dropped_user_comes_back_from_the_store_without_a_call(world):
    users = world.users(max_users=1)
    result = await federate(users.auth("alice"), world.token())
    users.auth("bob")
    assert "1 in memory" in repr(users)
    assert (await users.auth("alice").fetch_auth_session()).credentials == result.credentials
    assert world.calls() == BOTH


async def test_nothing_refers_to_a_dropped_user(world):
    users = world.users(max_users=1)
    await federate(users.auth("alice"), world.token())
    session = weakref.ref(users.auth("alice")._session)
    users.auth("bob")
    gc.collect()
    assert session() is None


async def test_a_dropped_user_whose_handle_lives_keeps_one_session(world):
    users = world.users(max_users=1)
    first = users.auth("alice")
    users.auth("bob")
    again = users.auth("alice")
    await federate(first, world.token())
    assert again.state == first.state
    assert not isinstance(again.state, SignedOut)


async def test_the_least_recently_used_user_is_dropped(world):
    users = world.users(max_users=2)
    alice, bob = weakref.ref(users.auth("a")._session), weakref.ref(users.auth("b")._session)
    users.auth("a")
    users.auth("c")
    gc.collect()
    assert alice() is not None
    assert bob() is None


async def test_all_users_share_one_retry_quota(world):
    users = world.users()
    alice, bob = users.auth("alice")._session, users.auth("bob")._session
    assert alice.context.client is bob.context.client


async def test_many_callers_of_one_user_cause_one_renewal(world):
    users = world.users()
    await federate(users.auth("alice"), world.token(lifetime=100_000))
    world.fake.advance(3599)
    world.calls()
    await concurrently(*(users.auth("alice").fetch_auth_session() for _ in range(50)))
    assert world.calls() == [GET_CREDENTIALS]


async def test_a_token_source_serves_users_by_name(world):
    async def source(_request):
        return world.token()

    users = world.users(token_source=source)
    first = await federate(users.auth("alice"), world.token(lifetime=60))
    world.fake.advance(4000)
    session = await users.auth("alice").fetch_auth_session()
    assert session.identity_id == first.identity_id


class SignedIn:
    """A user pool in which one user is signed in, or nobody."""

    provider = USER_POOL

    def __init__(self, world, subject):
        self.world = world
        self.subject = subject

    async def tokens(self):
        return UserPoolTokens(self.world.token(self.subject, USER_POOL)) if self.subject else None


async def test_each_user_has_a_user_pool_of_their_own(world):
    world.pool_id = world.fake.create_identity_pool(providers={GOOGLE: ["g"], USER_POOL: ["u"]})
    pools = {"alice": SignedIn(world, "sub-a"), "bob": SignedIn(world, "sub-b"), "carol": None}
    users = world.users(user_pool=pools.get)
    alice = await users.auth("alice").fetch_auth_session()
    bob = await users.auth("bob").fetch_auth_session()
    assert (alice.user_sub, bob.user_sub) == ("sub-a", "sub-b")
    assert world.identity_of(alice) == alice.identity_id != bob.identity_id
    with pytest.raises(InvalidStateError, match="active user session"):
        await federate(users.auth("alice"), world.token())
    await federate(users.auth("carol"), world.token("carol"))  # who signs in with Google
    pools["bob"].subject = None
    assert not (await users.auth("bob").fetch_auth_session()).is_signed_in
    assert (await users.auth("alice").fetch_auth_session()).credentials == alice.credentials


async def test_a_bearer_of_a_user_pool_needs_no_seam(world):
    world.pool_id = world.fake.create_identity_pool(providers={USER_POOL: ["u"]})
    users = world.users(user_pool=lambda _user_id: None)
    session = await users.session_for(world.token("sub-a", USER_POOL), USER_POOL)
    assert world.identity_of(session) == session.identity_id


async def test_closed_users_refuse_calls_and_end_events(world):
    users = world.users()
    async with users:
        auth = users.auth("alice")
        async with auth.events() as events:
            await users.aclose()
            assert [event async for event in events] == []
    for call in (lambda: users.auth("alice"), auth.events):
        with pytest.raises(InvalidStateError):
            call()
    with pytest.raises(InvalidStateError):
        await users.session_for(world.token(), AuthProvider.GOOGLE)
    with pytest.raises(InvalidStateError):
        await auth.fetch_auth_session()


async def test_a_given_client_is_left_open(world):
    async with world.users() as users:
        await users.session_for(world.token(), AuthProvider.GOOGLE)
    assert not world.client.is_closed


@pytest.mark.parametrize(
    "arguments",
    [
        {"max_users": 0},
        {"max_federations": 0},
        {"max_federations": 1.0},
        {"user_pool": "us-west-2_Ab1Cd2Ef3"},
        {"max_users": True},
        {"max_users": 1.5},
        {"opaque_token_life": -1.0},
        {"opaque_token_life": float("nan")},
        {"opaque_token_life": "5"},
        {"settings": None},
    ],
)
def test_wrong_arguments_are_refused(world, arguments):
    with pytest.raises(ValidationError):
        FederatedUsers(world.pool_id, store=MemoryStore(), **arguments)


@pytest.mark.parametrize("user_id", ["", "x" * 129, None, 7])
def test_a_malformed_user_id_is_refused(world, user_id):
    with pytest.raises(ValidationError):
        world.users().auth(user_id)


# One bearer


@pytest.fixture(params=["memory", "elsewhere"])
def stored(request, world):
    if request.param == "elsewhere":
        world.store = GatedStore(world.store)
    return world


async def test_making_one_makes_no_call_and_its_first_fetch_federates(world):
    users, token = world.users(), world.token()
    bearer = users.bearer(token, GOOGLE)
    assert (world.calls(), bearer.state) == ([], SignedOut())
    session = await bearer.fetch_auth_session()
    assert world.calls() == BOTH
    assert session == await users.session_for(token, GOOGLE)
    assert world.calls() == []
    assert (bearer.pool, bearer.settings.clock) == (world.pool(), world.clock)


async def test_it_follows_renewals(stored):
    users, token = stored.users(), stored.token(lifetime=10 * HOUR)
    bearer = users.bearer(token, GOOGLE)
    first = await bearer.fetch_auth_session()
    stored.calls()
    for _ in range(3):
        stored.fake.advance(HOUR)
        second = await bearer.fetch_auth_session()
        assert stored.calls() == [GET_CREDENTIALS]
        assert second.identity_id == first.identity_id
        assert second.credentials != first.credentials


async def test_it_serves_beyond_the_tokens_own_end_until_the_credentials_are_over(stored):
    users, token = stored.users(), stored.token(lifetime=60)
    bearer = users.bearer(token, GOOGLE)
    first = await bearer.fetch_auth_session()
    stored.calls()
    stored.fake.advance(3_000)
    await users.session_for(stored.token("another"), GOOGLE)  # which cleans up
    stored.calls()
    assert (await bearer.fetch_auth_session()).credentials == first.credentials
    assert stored.calls() == []
    with pytest.raises(NotAuthorizedError):
        await users.session_for(token, GOOGLE)  # a request that comes with it is refused
    assert (await bearer.fetch_auth_session()).credentials == first.credentials
    stored.fake.advance(600)
    stored.calls()
    ended = await bearer.fetch_auth_session()
    assert isinstance(ended.credentials_result.error, SessionExpiredError)
    assert stored.calls() == []


async def test_forced_it_renews_once_for_all(stored):
    users, token = stored.users(), stored.token()
    bearers = [users.bearer(token, GOOGLE) for _ in range(5)]
    before = {(await bearer.fetch_auth_session()).credentials for bearer in bearers}
    stored.calls()
    fetches = [bearer.fetch_auth_session(force_refresh=True) for bearer in bearers]
    after = {session.credentials for session in await concurrently(*fetches)}
    assert stored.calls() == [GET_CREDENTIALS]
    assert len(after) == 1
    assert not after & before
    assert (await users.session_for(token, GOOGLE)).credentials in after


async def test_a_refused_token_and_no_network_sit_in_the_fields(world):
    users = world.users(max_attempts=1)
    refused = await users.bearer(world.token(forged=True), GOOGLE).fetch_auth_session()
    assert isinstance(refused.credentials_result.error, NotAuthorizedError)
    assert not refused.is_signed_in
    world.transport.cut = True
    bearer = users.bearer(world.token(), GOOGLE)
    offline = await bearer.fetch_auth_session()
    assert isinstance(offline.credentials_result.error, NetworkError)
    world.transport.cut = False
    assert (await bearer.fetch_auth_session()).is_signed_in


async def test_a_dropped_bearer_comes_back_from_the_store(world):
    users = world.users(max_users=1)
    bearer = users.bearer(world.token(), GOOGLE)
    first = await bearer.fetch_auth_session()
    await users.session_for(world.token("another"), GOOGLE)
    world.calls()
    assert bearer.state == SignedOut()
    assert await bearer.fetch_auth_session() == first
    assert world.calls() == []


async def test_its_state_is_one_object_until_it_changes(stored):
    users, token = stored.users(), stored.token(lifetime=10 * HOUR)
    bearer = users.bearer(token, GOOGLE)
    await bearer.fetch_auth_session()
    state = bearer.state
    assert isinstance(state, Federated)
    assert state.logins == (GOOGLE,)
    await bearer.fetch_auth_session()
    assert bearer.state is state
    await bearer.fetch_auth_session(force_refresh=True)
    assert bearer.state is not state


async def test_two_of_one_token_are_one_key_and_two_of_two_are_two(world):
    users, others, token = world.users(), world.users(), world.token()
    one, two = users.bearer(token, GOOGLE), users.bearer(token, GOOGLE)
    assert one == two
    assert len({one, two}) == 1
    strangers = (others.bearer(token, GOOGLE), users.bearer(token, APPLE), None)
    assert one not in (users.bearer(world.token("bob"), GOOGLE), *strangers)


async def test_closed_users_end_a_bearer(world):
    users = world.users()
    bearer = users.bearer(world.token(), GOOGLE)
    await bearer.fetch_auth_session()
    await users.aclose()
    with pytest.raises(InvalidStateError):
        await bearer.fetch_auth_session()
    with pytest.raises(InvalidStateError):
        users.bearer(world.token(), GOOGLE)


@pytest.mark.parametrize("force", [False, True])
async def test_closed_users_federate_nothing_for_one_made_before(world, force):
    users = world.users()
    bearer = users.bearer(world.token(), GOOGLE)
    await users.aclose()
    with pytest.raises(InvalidStateError):
        await bearer.fetch_auth_session(force_refresh=force)
    assert world.calls() == []


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # of this process
async def test_entering_loads_what_calls_need(anyio_backend):
    script = """
import asyncio, sys
from amplify_federation import FederatedUsers, MemoryStore

async def main():
    async with FederatedUsers("us-west-2:b4cd4809", store=MemoryStore()):
        return set(sys.modules)

before, after = set(sys.modules), asyncio.run(main())
print(*({"httpx", "amplify_federation._session.federation"} & (after - before)))
"""
    run = await anyio.run_process([sys.executable, "-c", script])
    assert set(run.stdout.decode().split()) == {"httpx", "amplify_federation._session.federation"}
