"""The session cache: its bound, cached sessions, and what loads one."""

import gc
import inspect

import anyio
import pytest

from amplify_federation import (
    AuthProvider,
    InvalidStateError,
    MemoryStore,
    NotAuthorizedError,
    SessionExpiredError,
    StoreUnavailableError,
)
from amplify_federation._model.values import Secret
from amplify_federation._session.session import Session
from amplify_federation._users.bearer_sessions import BearerSessions, record_name
from amplify_federation._users.session_cache import CachedSession, SessionCache
from amplify_federation.testing import ManualClock
from tests.concurrency import Gate, concurrently, pending
from tests.users.kit import BOTH, GET_CREDENTIALS, GatedStore
from tests.virtual_time import virtual_time

GOOGLE, FACEBOOK = AuthProvider.GOOGLE, AuthProvider.FACEBOOK
ALMOST_AN_HOUR = 3_400.0  # seconds: in the window in which one caller renews early


def kept_of(world, users, token, provider=GOOGLE):
    return users._cache.get(record_name(world.pool_id, Secret(token), provider))


@pytest.fixture(params=["memory", "elsewhere"])
def stored(request, world):
    """A world whose store shares its records with cached sessions, or does not."""
    if request.param == "elsewhere":
        world.store = GatedStore(MemoryStore())
    return world


async def test_a_session_is_cached_after_its_federation_and_is_shown_alike(stored):
    users, token = stored.users(), stored.token()
    first = await users.session_for(token, GOOGLE)
    assert isinstance(kept_of(stored, users, token), CachedSession)
    assert await users.session_for(token, GOOGLE) == first
    stored.clock.advance(1)  # the store is to be looked at
    assert await users.session_for(token, GOOGLE) == first
    assert isinstance(kept_of(stored, users, token), CachedSession)
    assert stored.calls() == BOTH


async def test_a_cached_session_is_no_object_but_a_record(stored):
    users = stored.users()
    for number in range(20):
        await users.session_for(stored.token(f"u{number}"), GOOGLE)
    gc.collect()
    mine = [
        each
        for each in gc.get_objects()
        if type(each) is Session and each.context.client is users._factory.client
    ]
    assert mine == []


async def test_a_memory_store_and_a_cached_session_share_the_record(world):
    users, token = world.users(), world.token()
    await users.session_for(token, GOOGLE)
    name = record_name(world.pool_id, Secret(token), GOOGLE)
    assert kept_of(world, users, token).record is world.store.at_hand(name)


@pytest.mark.parametrize("remember_token", [True, False])
async def test_neither_memory_nor_store_holds_a_bearers_token(stored, remember_token):
    users, token = stored.users(remember_token=remember_token), stored.token()
    await users.session_for(token, GOOGLE)
    name = record_name(stored.pool_id, Secret(token), GOOGLE)
    assert token.encode() not in (await stored.store.read(name)).data
    assert token.encode() not in kept_of(stored, users, token).record.data


async def test_nothing_of_a_cached_session_shows_its_secrets(stored):
    users, token = stored.users(), stored.token()
    credentials = (await users.session_for(token, GOOGLE)).credentials
    shown = repr(kept_of(stored, users, token)) + repr(users)
    for secret in (token, credentials.secret_access_key, credentials.session_token):
        assert secret not in shown


async def test_the_token_of_a_request_renews_without_asking_who_it_is(stored):
    users, token = stored.users(), stored.opaque()
    first = await users.session_for(token, FACEBOOK)
    again = stored.users(opaque_token_life=100_000)  # another process
    stored.calls()
    stored.fake.advance(3_599)
    second = await again.session_for(token, FACEBOOK)
    assert stored.calls() == [GET_CREDENTIALS]
    assert second.identity_id == first.identity_id
    assert second.credentials != first.credentials


async def test_one_request_renews_a_cached_session_early(stored):
    users, token = stored.users(), stored.token(lifetime=100_000)
    first = await users.session_for(token, GOOGLE)
    stored.calls()
    stored.fake.advance(ALMOST_AN_HOUR)
    await concurrently(*(users.session_for(token, GOOGLE) for _ in range(50)))
    assert stored.calls() == [GET_CREDENTIALS]
    assert (await users.session_for(token, GOOGLE)).credentials != first.credentials
    assert isinstance(kept_of(stored, users, token), CachedSession)


async def test_a_failed_early_renewal_is_not_tried_by_each_request(stored):
    users, token = stored.users(max_attempts=1), stored.token(lifetime=100_000)
    await users.session_for(token, GOOGLE)
    stored.calls()
    stored.fake.advance(ALMOST_AN_HOUR)
    stored.fake.fail_next("InternalErrorException", operation=GET_CREDENTIALS)
    for _ in range(10):
        assert (await users.session_for(token, GOOGLE)).renewal_error is not None
    assert stored.calls() == [GET_CREDENTIALS]
    assert isinstance(kept_of(stored, users, token), Session)


async def test_a_token_refused_early_is_not_tried_again_and_serves_until_the_end(stored):
    users, token = stored.users(), stored.token(lifetime=100_000)
    await users.session_for(token, GOOGLE)
    stored.calls()
    stored.fake.deactivate_token(token)
    stored.fake.advance(ALMOST_AN_HOUR)
    for _ in range(5):
        assert (await users.session_for(token, GOOGLE)).is_signed_in
        stored.clock.advance(31)
    assert stored.calls() == [GET_CREDENTIALS]
    stored.fake.advance(3_600)
    with pytest.raises((NotAuthorizedError, SessionExpiredError)):
        _ = (await users.session_for(token, GOOGLE)).credentials


async def test_what_another_process_renewed_is_loaded(stored):
    users, others, token = stored.users(), stored.users(), stored.token(lifetime=100_000)
    first = await users.session_for(token, GOOGLE)
    stored.fake.advance(3_599)
    renewed = await others.session_for(token, GOOGLE)
    stored.calls()
    second = await users.session_for(token, GOOGLE)
    assert second.credentials == renewed.credentials != first.credentials
    assert stored.calls() == []


async def test_a_record_that_is_gone_is_noticed(world):
    users, token = world.users(), world.token()
    await users.session_for(token, GOOGLE)
    await world.store.delete(record_name(world.pool_id, Secret(token), GOOGLE), expected=None)
    await users.session_for(token, GOOGLE)
    assert world.calls() == BOTH * 2


async def test_a_wall_clock_that_jumps_back_prolongs_no_cached_session(stored):
    clock = ManualClock()
    users, token = stored.users(clock=clock), stored.token(lifetime=100_000)
    first = await users.session_for(token, GOOGLE)
    stored.fake.advance(3_700)
    clock.advance(3_700)
    clock.jump_wall(-3_600)
    assert (await users.session_for(token, GOOGLE)).credentials != first.credentials


async def test_a_session_from_the_future_is_not_shown(stored):
    clock = ManualClock()
    users, token = stored.users(clock=clock), stored.token(lifetime=100_000)
    first = await users.session_for(token, GOOGLE)
    clock.jump_wall(-3_600)
    assert (await users.session_for(token, GOOGLE)).credentials != first.credentials


async def test_a_session_stays_loaded_while_its_store_is_in_trouble(world):
    store = world.store = GatedStore(MemoryStore())
    users, token = world.users(), world.token()
    await users.session_for(token, GOOGLE)
    store.failure = StoreUnavailableError("down")
    world.clock.advance(1)
    for _ in range(3):
        error = (await users.session_for(token, GOOGLE)).renewal_error
        assert isinstance(error, StoreUnavailableError)
    store.failure = None
    world.clock.advance(1)
    assert (await users.session_for(token, GOOGLE)).renewal_error is None
    assert isinstance(kept_of(world, users, token), CachedSession)


@virtual_time
async def test_a_store_that_hangs_costs_one_deadline_and_then_memory_serves(world):
    store = world.store = GatedStore(MemoryStore())
    users, token = world.users(), world.token()
    first = await users.session_for(token, GOOGLE)
    world.clock.advance(1)
    store.before_read = Gate()
    reads = store.reads
    session = await users.session_for(token, GOOGLE)
    assert session.credentials == first.credentials
    assert isinstance(session.renewal_error, StoreUnavailableError)
    assert store.reads == reads + 1


async def test_a_store_that_has_nothing_new_loads_no_session(world, monkeypatch):
    store = world.store = GatedStore(MemoryStore())
    users, token = world.users(), world.token()
    await users.session_for(token, GOOGLE)
    monkeypatch.setattr(BearerSessions, "_loaded", None)
    reads = store.reads
    for _ in range(3):
        world.clock.advance(1)
        await users.session_for(token, GOOGLE)
        await users.session_for(token, GOOGLE)  # within half a second of the look
    assert store.reads == reads + 3


async def test_a_session_that_is_loaded_by_two_requests_is_one(world):
    store = world.store = GatedStore(MemoryStore())
    users, token = world.users(), world.token()
    await users.session_for(token, GOOGLE)
    world.clock.advance(1)
    users._bearers._loaded(users._bearers.bearer(Secret(token), GOOGLE))
    gate = store.before_read = Gate()
    async with pending(users.session_for(token, GOOGLE), at=gate):
        session = kept_of(world, users, token)
        async with pending(users.session_for(token, GOOGLE), at=gate):
            assert kept_of(world, users, token) is session
            store.before_read = None
    assert isinstance(kept_of(world, users, token), CachedSession)


async def test_a_session_compacted_while_somebody_refers_to_it_is_loaded_as_itself(stored):
    users, token = stored.users(), stored.token(lifetime=100_000)
    await users.session_for(token, GOOGLE)
    bearer = users._bearers.bearer(Secret(token), GOOGLE)
    session = users._bearers._loaded(bearer)
    users._bearers._compact(session, Secret(token))
    assert isinstance(kept_of(stored, users, token), CachedSession)
    assert users._bearers._loaded(bearer) is session


async def test_a_request_that_is_cancelled_leaves_a_session_that_serves(world):
    store = world.store = GatedStore(MemoryStore())
    users, token = world.users(), world.token()
    first = await users.session_for(token, GOOGLE)
    world.clock.advance(1)
    gate = store.before_read = Gate()
    async with pending(users.session_for(token, GOOGLE), at=gate) as request:
        request.cancel()
        await request.wait()
    store.before_read = None
    assert await users.session_for(token, GOOGLE) == first
    assert isinstance(kept_of(world, users, token), CachedSession)


async def test_nothing_refers_to_a_dropped_bearer(world):
    users, token = world.users(max_users=1, store=GatedStore(world.store)), world.token("alice")
    await users.session_for(token, GOOGLE)
    dropped = kept_of(world, users, token)
    await users.session_for(world.token("bob"), GOOGLE)
    gc.collect()
    gc.unfreeze()  # a module may refer to it, too
    holders = [each for each in gc.get_referrers(dropped) if each is not inspect.currentframe()]
    gc.freeze()
    assert holders == []


async def test_the_least_recently_used_bearer_is_dropped(world):
    users = world.users(max_users=2)
    tokens = [world.token(name) for name in "abc"]
    for token in (tokens[0], tokens[1], tokens[0], tokens[2]):
        await users.session_for(token, GOOGLE)
    names = [record_name(world.pool_id, Secret(token), GOOGLE) for token in tokens]
    assert [name for name, _ in users._cache.oldest(9)] == [names[0], names[2]]


def test_a_second_event_loop_is_refused_by_a_cached_session(world):
    users, token = world.users(), world.token()
    anyio.run(users.session_for, token, GOOGLE)
    with pytest.raises(InvalidStateError, match="event loop"):
        anyio.run(users.session_for, token, GOOGLE)


def _session(world, name):
    return world.auth(session_name=name)._session


def test_a_session_that_was_found_counts_as_used(world):
    cache = SessionCache(2)
    a, b, c = (_session(world, name) for name in "abc")
    cache.put(a)
    cache.put(b)
    assert cache.get(a.context.repository.name) is a
    cache.put(c)
    assert [entry for _, entry in cache.oldest(5)] == [a, c]
    assert len(cache) == 2


def test_a_dropped_session_is_found_while_somebody_refers_to_it(world):
    cache = SessionCache(1)
    a = _session(world, "a")
    name = a.context.repository.name
    cache.put(a)
    cache.put(_session(world, "b"))
    assert a in list(cache)
    assert cache.get(name) is a
    cache.put(_session(world, "c"))
    del a
    gc.collect()
    assert cache.get(name) is None


def test_a_session_is_forgotten_on_request_and_another_of_its_name_is_not(world):
    cache = SessionCache(2)
    a, other = _session(world, "a"), _session(world, "a")
    cache.put(a)
    cache.discard(other.context.repository.name, other)
    assert len(cache) == 1
    cache.discard(a.context.repository.name, a)
    assert len(cache) == 0
