"""session_for: which tokens find a session, and how many calls that takes."""

from pathlib import Path

import anyio
import httpx
import pytest

from amplify_federation import (
    AuthProvider,
    CallTimeoutError,
    EncryptedFileStore,
    FederatedUsers,
    InvalidParameterError,
    MemoryStore,
    NetworkError,
    NotAuthorizedError,
    SessionExpiredError,
    StoreLockedError,
    StoreUnavailableError,
    ValidationError,
)
from amplify_federation._model.values import Secret
from amplify_federation._users.bearer_sessions import lease_name, record_name
from amplify_federation.testing import ManualClock
from tests.concurrency import Gate, concurrently, pending
from tests.session.kit import GET_ID, federate
from tests.users.kit import BOTH, GET_CREDENTIALS, GatedStore
from tests.virtual_time import virtual_time

GOOGLE, FACEBOOK, APPLE = AuthProvider.GOOGLE, AuthProvider.FACEBOOK, AuthProvider.APPLE


async def test_a_token_becomes_a_session_with_credentials(world):
    session = await world.users().session_for(world.token(), GOOGLE)
    assert session.is_signed_in
    assert world.identity_of(session) == session.identity_id
    assert world.calls() == BOTH


async def test_the_same_token_is_federated_once(world):
    users, token = world.users(), world.token()
    first = await users.session_for(token, GOOGLE)
    second = await users.session_for(token, GOOGLE)
    assert second.credentials == first.credentials
    assert world.calls() == BOTH


async def test_a_thousand_requests_with_one_token_make_one_federation(world):
    users, token = world.users(), world.token()
    sessions = await concurrently(*(users.session_for(token, GOOGLE) for _ in range(1000)))
    assert len({session.credentials.access_key_id for session in sessions}) == 1
    assert world.calls() == BOTH


async def test_a_cancelled_leader_leaves_the_federation_to_another_request(world):
    users, token = world.users(), world.token()
    gate = world.transport.before[GET_ID] = Gate()
    requests = [users.session_for(token, GOOGLE) for _ in range(3)]
    async with (
        pending(users.session_for(token, GOOGLE), at=gate) as leader,
        pending(*requests, at=gate) as followers,
    ):
        leader.cancel()
        await leader.wait()
    assert len(followers.results) == 3
    assert world.calls() == BOTH


async def test_a_forged_token_with_the_claims_of_a_known_user_finds_no_session(world):
    users, token = world.users(), world.token("alice")
    await users.session_for(token, GOOGLE)
    header, payload, _signature = token.split(".")
    for forged in (
        world.token("alice", forged=True),
        f"{header}.{payload}.",
        f"{header}.{payload}.AAAA",
        token + "=",
        token[:-1],
    ):
        with pytest.raises(NotAuthorizedError):
            await users.session_for(forged, GOOGLE)


async def test_a_token_is_known_at_its_provider_alone(world):
    users, token = world.users(), world.token()
    await users.session_for(token, GOOGLE)
    with pytest.raises(NotAuthorizedError):
        await users.session_for(token, AuthProvider.APPLE)


async def test_refused_tokens_take_no_leases_of_their_own(world):
    class Counting(GatedStore):
        def lock(self, name, *, timeout):
            names.add(name)
            return super().lock(name, timeout=timeout)

    names = set()
    users = world.users(store=Counting(MemoryStore()))
    for number in range(20):
        with pytest.raises(NotAuthorizedError):
            await users.session_for(world.token(f"m{number}", forged=True), GOOGLE)
    possible = {lease_name(f"bearer#{number}") for number in range(20_000)}
    assert len(possible) == 1_024
    assert names <= possible


def test_a_key_that_ends_as_a_token_begins_is_told_apart():
    one = record_name("p", Secret("c\nd"), AuthProvider.custom("a.b"))
    two = record_name("p", Secret("d"), AuthProvider.custom("a.bc"))
    assert one != two
    assert len(one) < 256


async def test_another_token_of_one_user_is_federated_for_itself(world):
    users = world.users()
    first = await users.session_for(world.token("alice", claims={"n": 1}), GOOGLE)
    world.calls()
    second = await users.session_for(world.token("alice", claims={"n": 2}), GOOGLE)
    assert second.identity_id == first.identity_id
    assert world.calls() == BOTH


async def test_a_hit_needs_the_tokens_own_time_in_the_future(world):
    users, token = world.users(), world.token(lifetime=600)
    await users.session_for(token, GOOGLE)
    world.fake.advance(599)
    await users.session_for(token, GOOGLE)
    assert world.calls() == BOTH
    world.fake.advance(2)  # over, and in Cognito's grace: Cognito decides each time
    await users.session_for(token, GOOGLE)
    assert world.calls() != []
    world.fake.advance(300)
    with pytest.raises(NotAuthorizedError):
        await users.session_for(token, GOOGLE)


async def test_a_wall_clock_that_jumps_back_does_not_prolong_a_token(world):
    clock = ManualClock()
    users, token = world.users(clock=clock), world.token(lifetime=600)
    await users.session_for(token, GOOGLE)
    world.fake.advance(901)
    clock.advance(901)
    clock.jump_wall(-900)
    with pytest.raises(NotAuthorizedError):
        await users.session_for(token, GOOGLE)


async def test_the_time_of_a_token_is_told_on_the_servers_clock(world):
    world.fake.skew = -7200.0  # the local clock is two hours fast
    users, token = world.users(), world.token(lifetime=3600)
    await users.session_for(token, GOOGLE)
    await users.session_for(token, GOOGLE)
    assert world.calls() == BOTH


async def test_an_opaque_token_hits_for_five_minutes(world):
    users, token = world.users(), world.opaque()
    await users.session_for(token, FACEBOOK)
    world.clock.advance(299)
    await users.session_for(token, FACEBOOK)
    assert world.calls() == BOTH
    world.clock.advance(2)
    await users.session_for(token, FACEBOOK)
    assert world.calls() == BOTH


async def test_an_opaque_token_hits_for_as_long_as_it_is_set(world):
    users, token = world.users(opaque_token_life=0), world.opaque()
    await users.session_for(token, FACEBOOK)
    await users.session_for(token, FACEBOOK)
    assert world.calls() == BOTH * 2


async def test_a_refused_token_is_remembered_for_ten_seconds(world):
    users, token = world.users(), world.token(forged=True)
    for _ in range(100):
        with pytest.raises(NotAuthorizedError):
            await users.session_for(token, GOOGLE)
    assert world.calls() == [GET_ID]
    world.clock.advance(10)
    with pytest.raises(NotAuthorizedError):
        await users.session_for(token, GOOGLE)
    assert world.calls() == [GET_ID]


async def test_a_flood_of_one_refused_token_makes_one_call(world):
    users, token = world.users(), world.token(forged=True)

    async def request():
        with pytest.raises(NotAuthorizedError):
            await users.session_for(token, GOOGLE)

    await concurrently(*(request() for _ in range(200)))
    assert world.calls() == [GET_ID]


async def test_a_flood_of_refused_tokens_drops_no_user(world):
    users, token = world.users(max_users=2), world.token()
    await users.session_for(token, GOOGLE)
    for number in range(20):
        with pytest.raises(NotAuthorizedError):
            await users.session_for(world.token(f"m{number}", forged=True), GOOGLE)
    world.calls()
    await users.session_for(token, GOOGLE)
    assert world.calls() == []
    assert "1 in memory" in repr(users)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("InternalErrorException", None),
        ("TooManyRequestsException", None),
        ("InvalidParameterException", InvalidParameterError),
    ],
)
async def test_an_outage_is_not_remembered_as_a_refusal(world, code, error):
    users, token = world.users(max_attempts=1), world.token()
    world.fake.fail_next(code, operation=GET_ID)
    with pytest.raises(error or Exception):
        await users.session_for(token, GOOGLE)
    assert (await users.session_for(token, GOOGLE)).is_signed_in


async def test_no_network_is_raised_and_not_remembered(world):
    users, token = world.users(max_attempts=1), world.token()
    world.transport.cut = True
    with pytest.raises(NetworkError):
        await users.session_for(token, GOOGLE)
    world.transport.cut = False
    assert (await users.session_for(token, GOOGLE)).is_signed_in


async def test_a_provider_that_is_not_configured_yet_is_tried_again(world):
    users, token = world.users(), world.token()
    world.fake.update_identity_pool(world.pool_id, providers=[AuthProvider.APPLE])
    with pytest.raises(NotAuthorizedError):
        await users.session_for(token, GOOGLE)
    world.fake.update_identity_pool(world.pool_id, providers=[GOOGLE])
    assert (await users.session_for(token, GOOGLE)).is_signed_in


async def test_credentials_that_are_over_are_renewed_once_for_all_requests(world):
    users, token = world.users(), world.token(lifetime=100_000)
    first = await users.session_for(token, GOOGLE)
    world.calls()
    world.fake.advance(3599)
    sessions = await concurrently(*(users.session_for(token, GOOGLE) for _ in range(100)))
    assert world.calls() == [GET_CREDENTIALS]
    (renewed,) = {session.credentials.access_key_id for session in sessions}
    assert renewed != first.credentials.access_key_id


async def test_a_token_taken_back_at_its_provider_is_refused_at_the_renewal(world):
    users, token = world.users(), world.token(lifetime=100_000)
    await users.session_for(token, GOOGLE)
    world.fake.deactivate_token(token)
    world.fake.advance(3601)
    world.calls()
    for _ in range(5):
        with pytest.raises((NotAuthorizedError, SessionExpiredError)):
            _ = (await users.session_for(token, GOOGLE)).credentials
    assert world.calls() == [GET_CREDENTIALS, GET_CREDENTIALS]  # the renewal, and one last try


async def test_tokens_that_are_not_remembered_are_federated_anew_when_credentials_are_over(world):
    users, token = world.users(remember_token=False), world.token(lifetime=100_000)
    first = await users.session_for(token, GOOGLE)
    world.fake.advance(3601)
    second = await users.session_for(token, GOOGLE)
    assert second.identity_id == first.identity_id
    assert second.credentials != first.credentials


async def test_another_process_finds_the_session_of_a_token_in_the_store(world):
    token = world.token()
    first = await world.users().session_for(token, GOOGLE)
    second = await world.users().session_for(token, GOOGLE)
    assert second.credentials == first.credentials
    assert world.calls() == BOTH


async def test_two_processes_federate_a_new_token_once(world):
    token = world.token()
    await concurrently(*(world.users().session_for(token, GOOGLE) for _ in range(8)))
    assert world.calls() == BOTH


async def test_a_dropped_session_comes_back_from_the_store(world):
    users, token = world.users(max_users=1), world.token("alice")
    first = await users.session_for(token, GOOGLE)
    await users.session_for(world.token("bob"), GOOGLE)
    world.calls()
    assert (await users.session_for(token, GOOGLE)).credentials == first.credentials
    assert world.calls() == []


async def test_a_store_that_lost_its_records_costs_a_federation_and_no_user(world):
    store = world.store = GatedStore(MemoryStore())
    users, token = world.users(), world.token()
    first = await users.session_for(token, GOOGLE)
    store.inner = MemoryStore()
    world.clock.advance(1)
    second = await users.session_for(token, GOOGLE)
    assert second.identity_id == first.identity_id
    assert world.calls() == BOTH * 2


async def test_a_bearer_whose_record_is_lost_never_becomes_a_guest(world):
    world.allow_guests()
    store = world.store = GatedStore(MemoryStore())
    users, token = world.users(pool=world.pool(guest_access=True)), world.token(lifetime=600)
    await users.session_for(token, GOOGLE)
    store.inner = MemoryStore()
    world.clock.advance(599)
    session = await users.session_for(token, GOOGLE)
    assert session.is_signed_in
    assert world.calls() == BOTH * 2


async def test_memory_serves_on_while_the_store_is_down_then_says_so(world):
    store = world.store = GatedStore(MemoryStore())
    users, token = world.users(), world.token(lifetime=100_000)
    first = await users.session_for(token, GOOGLE)
    store.failure = StoreUnavailableError("down")
    world.clock.advance(1)
    session = await users.session_for(token, GOOGLE)
    assert session.credentials == first.credentials
    assert isinstance(session.renewal_error, StoreUnavailableError)
    world.clock.advance(3600)
    with pytest.raises(StoreUnavailableError):
        await users.session_for(token, GOOGLE)
    with pytest.raises(StoreUnavailableError):
        await users.session_for(world.token("bob"), GOOGLE)


async def test_a_store_that_is_down_is_asked_twice_a_second_at_most(world):
    store = world.store = GatedStore(MemoryStore())
    users, token = world.users(), world.token()
    await users.session_for(token, GOOGLE)
    store.failure = StoreUnavailableError("down")
    world.clock.advance(1)
    reads = store.reads
    for _ in range(20):
        await users.session_for(token, GOOGLE)
    assert store.reads == reads + 1


@virtual_time
async def test_a_federation_that_takes_too_long_is_a_timeout(world):
    store = world.store = GatedStore(MemoryStore())
    store.before_read = Gate()
    users = world.users()
    with pytest.raises(CallTimeoutError):
        await users.session_for(world.token(), GOOGLE)


async def test_tokens_that_are_over_are_cleaned_up_in_memory_and_store(world):
    users = world.users()
    for number in range(5):
        await users.session_for(world.token(f"u{number}", lifetime=600), GOOGLE)
    assert len(world.store._records) == 5
    world.fake.advance(3_601)  # the credentials are over, too: none serves a job any more
    for number in range(2):
        await users.session_for(world.token(f"new{number}"), GOOGLE)
    assert len(world.store._records) == 2
    assert "2 in memory" in repr(users)


async def test_a_clean_up_leaves_users_by_name_alone(world):
    users = world.users()
    await federate(users.auth("alice"), world.token(lifetime=10_000))
    world.fake.advance(3_601)
    await users.session_for(world.token("bob"), GOOGLE)
    assert (await users.auth("alice").fetch_auth_session()).is_signed_in


async def test_a_store_that_forgets_by_itself_is_told_how_long_a_bearers_record_serves(world):
    class Forgetful(MemoryStore):
        def keeping(self, seconds):
            self.kept = seconds
            return MemoryStore()

    store = Forgetful()
    users = world.users(store=store)
    await users.session_for(world.token(), GOOGLE)
    assert store.kept == 86_400
    assert not store._records


async def test_nothing_is_kept_of_requests_that_are_done(world):
    users = world.users()
    await users.session_for(world.token(), GOOGLE)
    with pytest.raises(NotAuthorizedError):
        await users.session_for(world.token(forged=True), GOOGLE)
    assert len(users._bearers._federations) == 0


@pytest.mark.parametrize("token", ["", "a b\n", None, 7, "x" * 50_001])
async def test_a_malformed_token_makes_no_call(world, token):
    with pytest.raises(ValidationError):
        await world.users().session_for(token, GOOGLE)
    assert world.calls() == []


async def test_a_users_name_never_reaches_a_bearers_record(world):
    users, token = world.users(), world.token()
    await users.session_for(token, GOOGLE)
    name = record_name(world.pool_id, Secret(token), GOOGLE)
    for user_id in (name, name.partition("#")[2], "#" + name.partition("#")[2]):
        assert not (await users.auth(user_id[:128]).fetch_auth_session()).is_signed_in


def test_users_keep_sessions_in_files_unless_told_otherwise(world):
    assert isinstance(FederatedUsers(world.pool_id)._store._store, EncryptedFileStore)


# Bounded federations


async def calls_at_once(world, users, tokens, operation):
    """Ask with all tokens at once while Cognito is slow; return how many calls it was asked."""
    gate = world.transport.before[operation] = Gate()
    requests = [users.session_for(token, GOOGLE) for token in tokens]
    async with pending(*requests, at=gate) as served:
        calls = gate.waiters
        del world.transport.before[operation]
    assert len({session.identity_id for session in served.results}) == len(tokens)
    return calls


def tokens_with_leases_apart(world, count: int, **more) -> list[str]:
    """Return tokens that do not wait for each other, as two of about a thousand do."""
    by_lease = {}
    for number in range(2 * count):
        token = world.token(f"u{number}", **more)
        by_lease[lease_name(record_name(world.pool_id, Secret(token), GOOGLE))] = token
    return list(by_lease.values())[:count]


async def test_at_most_so_many_federations_are_under_way_and_the_rest_wait(world):
    users = world.users(max_federations=3)
    tokens = tokens_with_leases_apart(world, 20)
    assert await calls_at_once(world, users, tokens, GET_ID) == 3
    assert len(world.calls()) == 40


async def test_renewals_are_bounded_too(world):
    users = world.users(max_federations=3)
    tokens = tokens_with_leases_apart(world, 10, lifetime=100_000)
    for token in tokens:
        await users.session_for(token, GOOGLE)
    world.fake.advance(3_599)
    assert await calls_at_once(world, users, tokens, GET_CREDENTIALS) == 3


@virtual_time
async def test_a_token_that_waits_too_long_for_its_turn_is_told_the_limit(world):
    users = world.users(max_federations=1, timeout=10)
    gate = world.transport.before[GET_ID] = Gate()
    first, *others = (users.session_for(world.token(subject), GOOGLE) for subject in "abc")
    async with (
        pending(first, at=gate, raises=CallTimeoutError) as served,
        pending(*others, at=gate, raises=StoreLockedError) as waiting,
    ):
        await waiting.wait()
        await served.wait()
    one, two = waiting.errors
    assert "1 sessions are at Cognito" in one.message
    assert "max_federations" in two.recovery_suggestion
    del world.transport.before[GET_ID]
    assert (await users.session_for(world.token("d"), GOOGLE)).is_signed_in


async def test_known_tokens_are_served_while_all_places_are_taken(world):
    users, others = world.users(max_federations=1), world.users()
    known, stored = world.token("known"), world.token("stored")
    await users.session_for(known, GOOGLE)
    await others.session_for(stored, GOOGLE)
    gate = world.transport.before[GET_ID] = Gate()
    requests = [users.session_for(world.token(subject), GOOGLE) for subject in "ab"]
    async with pending(*requests, at=gate):
        for token in (known, stored):
            assert (await users.session_for(token, GOOGLE)).is_signed_in


DESCRIPTORS = Path("/proc/self/fd")


def descriptors() -> int:
    return len(list(DESCRIPTORS.iterdir()))


@pytest.mark.skipif(not DESCRIPTORS.is_dir(), reason="descriptors are counted in /proc")
async def test_tokens_that_wait_cost_no_descriptor(world, tmp_path):
    store = EncryptedFileStore(tmp_path, key=bytes(32))
    # One at a time: of several that are at Cognito at once, two may wait for each other's lease.
    users = world.users(store=store, max_federations=1)
    before = descriptors()
    gate = world.transport.before[GET_ID] = Gate()
    requests = [users.session_for(world.token(f"u{number}"), GOOGLE) for number in range(100)]
    async with pending(*requests, at=gate):
        # Until the threads that read records and make lease files are done.
        while descriptors() > before + 1 + 8:  # noqa: ASYNC110  # threads do
            await anyio.sleep(0.01)
    assert len(world.calls()) == 200


async def test_a_bearer_whose_identity_was_deleted_gets_a_new_one(world):
    users, token = world.users(), world.token(lifetime=100_000)
    first = await users.session_for(token, GOOGLE)
    world.fake.delete_identity(first.identity_id)
    world.fake.advance(3_599)
    world.calls()
    second = await users.session_for(token, GOOGLE)
    assert world.identity_of(second) == second.identity_id != first.identity_id
    assert world.calls() == [GET_CREDENTIALS, *BOTH]
    assert await users.session_for(token, GOOGLE) == second


async def test_a_new_token_cleans_up_no_users_session(world):
    users = world.users(max_users=5)
    alice = users.auth("alice")
    await federate(alice, world.token("alice", lifetime=600))
    world.fake.advance(7_200)
    await users.session_for(world.token("bob"), GOOGLE)
    assert await world.store.read(f"{world.pool_id}/alice") is not None


async def test_a_token_that_another_process_federated_to_another_identity_serves_with_that(world):
    async def respond(request):
        answer = await world.transport.handle_async_request(request)
        content = await answer.aread()
        if b"Credentials" in content:
            content = content.replace(identity, merged)
        return httpx.Response(answer.status_code, content=content)

    users, token = world.users(), world.token()
    identity = (await users.session_for(token, GOOGLE)).identity_id.encode()
    merged = identity[:-4] + b"0000"
    await world.store.delete(record_name(world.pool_id, Secret(token), GOOGLE), expected=None)
    async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as client:
        world.client = client
        elsewhere = await world.users().session_for(token, GOOGLE)
    assert elsewhere.identity_id == merged.decode()
    world.clock.advance(1)
    assert (await users.session_for(token, GOOGLE)).credentials == elsewhere.credentials
