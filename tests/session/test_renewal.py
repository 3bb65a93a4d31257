import json
from contextlib import asynccontextmanager, suppress

import anyio
import httpx
import pytest

from amplify_federation import (
    CallTimeoutError,
    Federated,
    InternalServiceError,
    MemoryStore,
    SignedOutError,
    StoreLockedError,
    TooManyRequestsError,
)
from tests.concurrency import PATIENCE, Gate, concurrently, pending
from tests.session.kit import GET_CREDENTIALS, HOUR, GatedStore, federate
from tests.virtual_time import virtual_time

MARGIN, WINDOW = 10.0, 300.0
DUE = HOUR - MARGIN - WINDOW  # seconds after which one caller renews early
OVER = HOUR - MARGIN


# The boundaries


async def test_a_fetch_renews_early_within_the_window_and_not_a_second_before(world):
    async with world.auth() as auth:
        await federate(auth, world.token())
        world.calls()
        world.clock.advance(DUE - 1)
        await auth.fetch_auth_session()
        assert world.calls() == []
        world.clock.advance(1)
        await auth.fetch_auth_session()
        assert world.calls() == [GET_CREDENTIALS]


async def test_credentials_serve_until_the_margin_and_not_a_moment_longer(world):
    async with world.auth(remember_token=False) as auth:
        result = await federate(auth, world.token())
        world.clock.advance(OVER - 0.001)
        assert (await auth.fetch_auth_session()).credentials == result.credentials
        world.clock.advance(0.001)
        assert not (await auth.fetch_auth_session()).is_signed_in


@pytest.mark.parametrize("margin", [0.0, 60.0, 1e6])
async def test_the_margin_is_at_most_half_of_the_lifetime(world, margin):
    async with world.auth(remember_token=False, expiry_margin=margin) as auth:
        await federate(auth, world.token())
        over = HOUR - min(margin, HOUR / 2)
        world.clock.advance(over - 1)
        assert (await auth.fetch_auth_session()).is_signed_in
        world.clock.advance(1)
        assert not (await auth.fetch_auth_session()).is_signed_in


# Renewing early


@virtual_time
@pytest.mark.parametrize("force", [False, True], ids=["early", "forced"])
async def test_one_caller_renews_and_the_others_with_valid_credentials_do_not_wait(world, force):
    async with world.auth() as auth:
        old = (await federate(auth, world.token())).credentials
        world.calls()
        world.clock.advance(DUE)
        gate = world.transport.before[GET_CREDENTIALS] = Gate()
        async with pending(auth.fetch_auth_session(force_refresh=force), at=gate) as first:
            began = anyio.current_time()
            for _ in range(10):
                assert (await auth.fetch_auth_session()).credentials == old
            assert anyio.current_time() == began
        assert first.result.credentials != old
        assert world.calls() == [GET_CREDENTIALS]


@virtual_time
@pytest.mark.parametrize("entered", [True, False], ids=["inside async with", "outside"])
async def test_early_renewal_costs_its_caller_a_bounded_time(world, entered):
    auth = world.auth()
    if entered:
        await auth.__aenter__()
    old = (await federate(auth, world.token())).credentials
    world.clock.advance(DUE)
    gate = world.transport.before[GET_CREDENTIALS] = Gate()
    began = anyio.current_time()
    session = await auth.fetch_auth_session()
    assert session.credentials == old
    spent = anyio.current_time() - began
    assert spent == pytest.approx(2, rel=0.06)  # a leader gives up a little before its deadline
    gate.open()
    await anyio.wait_all_tasks_blocked()
    later = await auth.fetch_auth_session()
    assert (later.credentials != old) == entered  # there it went on in the background
    await auth.aclose()


@virtual_time
async def test_the_bound_of_an_early_renewal_does_not_end_the_wait_of_forced_callers(world):
    auth = world.auth()
    old = (await federate(auth, world.token())).credentials
    world.clock.advance(DUE)
    gate = world.transport.before[GET_CREDENTIALS] = Gate()
    async with (
        pending(auth.fetch_auth_session(), at=gate) as early,
        pending(auth.fetch_auth_session(force_refresh=True), at=gate) as forced,
    ):
        await early.wait()
    assert early.result.credentials == old
    assert forced.result.credentials != old
    assert gate.waiters == 2
    await auth.aclose()


async def test_an_early_renewal_that_failed_is_not_tried_again_for_half_a_minute(world):
    async with world.auth() as auth:
        old = (await federate(auth, world.token())).credentials
        world.calls()
        world.clock.advance(DUE)
        world.fake.fail_next("InternalErrorException", times=3)
        session = await auth.fetch_auth_session()
        assert session.credentials == old
        assert isinstance(session.renewal_error, InternalServiceError)
        world.calls()
        for _ in range(29):
            world.clock.advance(1)
            session = await auth.fetch_auth_session()
            assert session.credentials == old
            assert isinstance(session.renewal_error, InternalServiceError)
        assert world.calls() == []
        world.clock.advance(1)
        session = await auth.fetch_auth_session()
        assert world.calls() == [GET_CREDENTIALS]
        assert session.credentials != old
        assert session.renewal_error is None


@virtual_time
async def test_a_background_renewal_that_hangs_ends_with_the_deadline_of_a_call(world):
    async with world.auth(timeout=5.0) as auth:
        await federate(auth, world.token())
        world.clock.advance(DUE)
        gate = world.transport.before[GET_CREDENTIALS] = Gate()
        began = anyio.current_time()
        await auth.fetch_auth_session()
        assert gate.waiters == 1
        world.clock.advance(WINDOW)
        while gate.waiters < 2:  # until another call may renew
            session = await auth.fetch_auth_session()
            assert isinstance(session.credentials_result.error, CallTimeoutError)
        assert anyio.current_time() - began < 2 * 5.0


@virtual_time
async def test_leaving_ends_a_renewal_in_the_background(world):
    with anyio.fail_after(PATIENCE):
        async with world.auth() as auth:
            await federate(auth, world.token())
            world.clock.advance(DUE)
            world.transport.before[GET_CREDENTIALS] = Gate()
            await auth.fetch_auth_session()


async def test_an_early_renewal_does_not_wait_for_the_lease_of_another_process(world):
    async with world.auth() as auth:
        old = (await federate(auth, world.token())).credentials
        world.calls()
        world.clock.advance(DUE)
        async with world.store.lock(world.name, timeout=0):
            assert (await auth.fetch_auth_session()).credentials == old
        assert world.calls() == []


async def test_an_early_renewal_that_gave_way_does_not_end_the_wait_of_forced_callers(world):
    class Busy(GatedStore):
        @asynccontextmanager
        async def lock(self, name, *, timeout):  # noqa: ASYNC109  # the protocol's
            if not timeout:
                await gate.wait()
                raise StoreLockedError("Another process has the lease.")
            async with self.inner.lock(name, timeout=timeout):
                yield

    gate = Gate()
    async with world.auth(store=Busy(world.store)) as auth:
        old = (await federate(auth, world.token())).credentials
        world.clock.advance(DUE)
        async with (
            pending(auth.fetch_auth_session(), at=gate) as early,
            pending(auth.fetch_auth_session(force_refresh=True), at=gate) as forced,
        ):
            pass
        assert early.result.renewal_error is None
        assert forced.result.credentials != old


# Single flight


@pytest.mark.parametrize("force", [False, True], ids=["stale", "forced"])
async def test_a_hundred_callers_cause_one_renewal(world, force):
    async with world.auth() as auth:
        old = (await federate(auth, world.token())).credentials
        world.calls()
        if not force:
            world.clock.advance(OVER)
        fetches = [auth.fetch_auth_session(force_refresh=force) for _ in range(100)]
        sessions = await concurrently(*fetches)
        assert world.calls() == [GET_CREDENTIALS]
        assert len(sessions) == 100
        assert {each.credentials.access_key_id for each in sessions} == {
            auth.state.credentials.access_key_id
        }
        assert sessions[0].credentials != old


async def test_a_failed_renewal_is_shared_and_not_repeated_by_each_caller(world):
    async with world.auth() as auth:
        await federate(auth, world.token())
        world.calls()
        world.clock.advance(OVER)
        world.fake.fail_next("InternalErrorException", times=3)
        gate = world.transport.before[GET_CREDENTIALS] = Gate()
        async with pending(*(auth.fetch_auth_session() for _ in range(20)), at=gate) as fetches:
            pass
        assert world.calls() == [GET_CREDENTIALS] * 3
        errors = [session.credentials_result.error for session in fetches.results]
        assert [type(error) for error in errors] == [InternalServiceError] * 20


async def test_forced_callers_share_a_renewal_that_is_in_flight(world):
    async with world.auth() as auth:
        await federate(auth, world.token())
        world.calls()
        world.clock.advance(OVER)
        gate = world.transport.before[GET_CREDENTIALS] = Gate()
        forced = [auth.fetch_auth_session(force_refresh=True) for _ in range(5)]
        async with pending(auth.fetch_auth_session(), at=gate), pending(*forced, at=gate):
            pass
        assert world.calls() == [GET_CREDENTIALS]


async def test_a_cancelled_leader_leaves_the_followers_served(world):
    async with world.auth() as auth:
        await federate(auth, world.token())
        world.calls()
        world.clock.advance(OVER)
        gate = world.transport.before[GET_CREDENTIALS] = Gate()
        followers = [auth.fetch_auth_session() for _ in range(10)]
        async with (
            pending(auth.fetch_auth_session(), at=gate) as leader,
            pending(*followers, at=gate) as followed,
        ):
            leader.cancel()
            await leader.wait()
        assert len(followed.results) == 10
        assert all(session.credentials_result.error is None for session in followed.results)
        assert gate.waiters == 1  # the call went on for the others
        assert world.calls() == [GET_CREDENTIALS]


@virtual_time
async def test_a_leader_with_a_short_deadline_does_not_end_the_wait_of_its_followers(world):
    async with world.auth(timeout=10.0) as auth:
        await federate(auth, world.token())
        world.clock.advance(OVER)

        async def leasing():
            async with world.store.lock(world.name, timeout=0):
                await anyio.sleep(1)

        async def leading():
            await anyio.sleep(0.1)
            # It waits for the lease for nine tenths of the time that it has.
            with anyio.move_on_after(0.5), suppress(StoreLockedError):
                await auth.fetch_auth_session()

        async def following():
            await anyio.sleep(0.2)
            return await auth.fetch_auth_session()

        *_, session = await concurrently(leasing(), leading(), following())
        assert session.credentials == auth.state.credentials
        assert session.credentials_result.error is None


@virtual_time
async def test_a_leader_with_a_short_deadline_does_not_end_retries_for_followers(
    world, monkeypatch
):
    monkeypatch.setattr("random.random", lambda: 1.0)
    async with world.auth(timeout=10.0) as auth:
        await federate(auth, world.token())
        world.clock.advance(OVER)
        # A retry after throttling waits for a second here, which the leader does not have.
        world.fake.fail_next("TooManyRequestsException")
        gate = world.transport.before[GET_CREDENTIALS] = Gate()

        async def leading():
            with anyio.move_on_after(0.9):
                return await auth.fetch_auth_session()

        async with (
            pending(leading(), at=gate) as leader,
            pending(auth.fetch_auth_session(), at=gate) as follower,
        ):
            pass
        assert isinstance(leader.result.credentials_result.error, TooManyRequestsError)
        assert follower.result.credentials_result.error is None


# Whoever finds that another renewed


@pytest.mark.parametrize("force", [False, True], ids=["stale", "forced"])
async def test_a_process_that_waited_for_the_lease_takes_the_credentials_of_the_other(world, force):
    async with world.auth() as auth, world.auth() as other:
        await federate(auth, world.token())
        world.clock.advance(1)
        await other.fetch_auth_session()
        if not force:
            world.clock.advance(OVER)
        world.calls()
        gate = world.transport.before[GET_CREDENTIALS] = Gate()
        async with (
            pending(auth.fetch_auth_session(force_refresh=force), at=gate),
            pending(other.fetch_auth_session(force_refresh=force), at=gate),
        ):
            pass
        assert world.calls() == [GET_CREDENTIALS]
        assert auth.state.credentials == other.state.credentials


async def test_what_the_other_renewed_is_renewed_again_if_it_is_over_by_now(world):
    inner = MemoryStore()
    gated = GatedStore(inner)
    async with world.auth(store=inner) as other, world.auth(store=gated) as auth:
        await federate(other, world.token())
        world.clock.advance(1)
        await auth.fetch_auth_session()
        world.clock.advance(OVER)
        gate = gated.before_read = Gate()
        async with pending(auth.fetch_auth_session(), at=gate) as fetch:
            await federate(other, world.token())
            world.clock.advance(OVER)  # the machine slept
        renewed = fetch.result.credentials
        assert renewed.expiration.timestamp() > world.clock.time() + HOUR / 2
        assert isinstance(auth.state, Federated)


async def test_a_fetch_that_a_clear_overtook_goes_on_as_a_guest_where_guests_are_allowed(world):
    world.allow_guests()
    async with world.guest_auth() as auth:
        user = await federate(auth, world.token())
        world.clock.advance(OVER)
        gate = world.transport.before[GET_CREDENTIALS] = Gate()
        async with pending(auth.fetch_auth_session(), at=gate) as fetch:
            await auth.clear_federation_to_identity_pool()
        session = fetch.result
        assert not session.is_signed_in
        assert session.identity_id != user.identity_id
        assert type(session.user_sub_result.error) is SignedOutError


@virtual_time
async def test_callers_one_after_another_do_not_each_call_a_server_that_hangs(world):
    auth = world.auth(timeout=2.0)
    await federate(auth, world.token())
    world.fake.advance(HOUR)
    gate = world.transport.before[GET_CREDENTIALS] = Gate()

    async def fetch(after):
        await anyio.sleep(after)
        return (await auth.fetch_auth_session()).credentials_result.error

    errors = await concurrently(*(fetch(number / 200) for number in range(40)))
    assert [type(error) for error in errors] == [CallTimeoutError] * 40
    assert gate.waiters <= 2


@virtual_time
async def test_a_process_that_waited_for_the_lease_renews_nobody_elses_session(world):
    leased = anyio.Event()

    async def replacing():
        async with world.store.lock(world.name, timeout=0):
            leased.set()
            await anyio.sleep(1)
            await federate(other, world.token("bob"))
            world.calls()

    async def fetching():
        await leased.wait()
        return await auth.fetch_auth_session(force_refresh=True)

    async with world.auth() as auth, world.auth() as other:
        await federate(auth, world.token("alice"))
        _, session = await concurrently(replacing(), fetching())
        assert "another federation replaced" in session.credentials_result.error.message
        assert world.calls() == []


@virtual_time
async def test_a_lease_that_is_not_given_is_named_as_the_cause(world):
    async with world.auth() as auth:
        await federate(auth, world.token())
        world.clock.advance(OVER)
        async with world.store.lock(world.name, timeout=0):
            with pytest.raises(StoreLockedError):
                await auth.fetch_auth_session()


@virtual_time
async def test_credentials_that_are_stored_in_the_last_moment_serve(world):
    class Waiting(GatedStore):
        """Its lock takes a while to be given back, as that of a file."""

        @asynccontextmanager
        async def lock(self, name, *, timeout):  # noqa: ASYNC109  # the protocol's
            async with self.inner.lock(name, timeout=timeout):
                yield
                await anyio.lowlevel.checkpoint()

    world.store = Waiting(world.store)
    async with world.auth(timeout=10.0) as auth:
        old = (await federate(auth, world.token())).credentials
        gate = world.store.after_write = Gate()
        async with pending(auth.fetch_auth_session(force_refresh=True), at=gate) as fetch:
            await anyio.sleep(9.7)  # beyond the deadline of the renewal, not of its caller
        assert fetch.result.credentials != old
        assert fetch.result.renewal_error is None


@pytest.mark.parametrize("refused", [False, True], ids=["renewed", "refused"])
async def test_what_cognito_says_of_one_user_never_reaches_the_next(world, refused):
    async with world.auth() as auth:
        await federate(auth, world.token("alice"))
        if refused:
            world.fake.fail_next("NotAuthorizedException", message="Token is inactive")
        gate = world.transport.after[GET_CREDENTIALS] = Gate()
        async with pending(auth.fetch_auth_session(force_refresh=True), at=gate):
            del world.transport.after[GET_CREDENTIALS]
            bob = await federate(auth, world.token("bob"))
        assert auth.state.credentials == bob.credentials
        renewed = await auth.fetch_auth_session(force_refresh=True)  # his token was not forgotten
        assert renewed.identity_id == bob.identity_id
        assert renewed.credentials != bob.credentials


async def test_many_callers_record_once_that_a_session_expired(world):
    world.store = GatedStore(world.store)
    async with world.auth(remember_token=False) as auth:
        await federate(auth, world.token())
        world.clock.advance(OVER)
        gate, before = Gate(), world.store.writes
        world.store.before_write = gate
        async with pending(*(auth.fetch_auth_session() for _ in range(20)), at=gate) as fetches:
            pass
        assert world.store.writes == before + 1
    assert [session.is_signed_in for session in fetches.results] == [False] * 20


async def test_credentials_that_are_over_when_they_come_are_not_asked_for_again_and_again(world):
    async def respond(request):
        answer = await world.transport.handle_async_request(request)
        given = json.loads(await answer.aread())
        if "Credentials" in given:
            given["Credentials"]["Expiration"] = world.clock.time()
        return httpx.Response(200, json=given)

    async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as client:
        auth = world.auth(http_client=client)
        await federate(auth, world.token())
        world.calls()
        await auth.fetch_auth_session()
    assert world.calls() == [GET_CREDENTIALS]
