"""Clocks that are wrong, jump, or stand still: no session is ended or prolonged by one."""

import anyio
import httpx
import pytest

from amplify_federation import AuthSettings, Federated, FederatedAuth, MemoryStore
from amplify_federation.testing import FakeCognito, ManualClock
from tests.concurrency import Gate, pending
from tests.session.kit import (
    BOTH,
    GET_CREDENTIALS,
    HOUR,
    GatedTransport,
    World,
    federate,
)

MINUTE, DAY = 60.0, 86_400.0
MARGIN, WINDOW = 10.0, 300.0
DUE, OVER = HOUR - MARGIN - WINDOW, HOUR - MARGIN
SKEWS = [-400 * DAY, -2 * DAY, -10 * MINUTE, -3.0, 3.0, 10 * MINUTE, 2 * DAY, 400 * DAY]


class TwoClocks(World):
    """The service has a clock of its own; `skew` is how far it is ahead of the local one."""

    def __init__(self, skew=0.0):
        super().__init__()
        self.service = ManualClock(self.clock.time() + skew)
        self.fake = FakeCognito(clock=self.service)
        self.transport = GatedTransport(self.fake)
        self.client = httpx.AsyncClient(transport=self.transport)
        self.pool_id = self.fake.create_identity_pool()

    def advance(self, seconds):
        self.service.advance(seconds)
        self.clock.advance(seconds)

    def sleep(self, seconds):
        """Let the machine sleep: its monotonic clock stands still."""
        self.service.advance(seconds)
        self.clock.suspend(seconds)


@pytest.mark.parametrize("skew", SKEWS)
async def test_a_service_whose_clock_differs_is_believed_about_its_own_times(skew):
    world = TwoClocks(skew)
    async with world.auth() as auth:
        result = await federate(auth, world.token(lifetime=HOUR + 2000))
        world.calls()
        world.advance(DUE - 1)
        assert (await auth.fetch_auth_session()).credentials == result.credentials
        assert world.calls() == []
        world.advance(1)
        assert (await auth.fetch_auth_session()).credentials != result.credentials
        assert world.calls() == [GET_CREDENTIALS]


@pytest.mark.parametrize("skew", SKEWS)
async def test_a_token_ends_by_the_services_clock(skew):
    world = TwoClocks(skew)
    async with world.auth() as auth:
        await federate(auth, world.token(lifetime=OVER - 299))
        world.calls()
        world.advance(OVER)
        assert (await auth.fetch_auth_session()).is_signed_in  # within the grace
        assert world.calls() == [GET_CREDENTIALS]
        world.advance(OVER)
        assert not (await auth.fetch_auth_session()).is_signed_in
        assert world.calls() == []


@pytest.mark.parametrize("skew", [-1.0, 1.0, 1.9])  # the header counts whole seconds
async def test_less_than_two_seconds_of_difference_are_noise(skew):
    world = TwoClocks(skew)
    async with world.auth() as auth:
        await federate(auth, world.token())
        assert auth._session.context.clock.offset == 0.0


async def test_the_newest_answer_tells_the_time():
    clock_jump = 1000.0
    world = TwoClocks()
    async with world.auth() as auth:
        await federate(auth, world.token())
        assert auth._session.context.clock.offset == 0.0
        world.clock.jump_wall(clock_jump)
        await auth.fetch_auth_session(force_refresh=True)
        assert auth._session.context.clock.offset == -clock_jump
        world.clock.jump_wall(-clock_jump)
        await auth.fetch_auth_session(force_refresh=True)
        assert auth._session.context.clock.offset == 0.0


async def test_a_refusal_tells_the_time_and_a_proxys_page_does_not():
    world = TwoClocks(500.0)
    async with world.auth(max_attempts=1) as auth:
        world.fake.fail_next(status=403)
        with pytest.raises(Exception, match="403"):
            await federate(auth, world.token())
        assert auth._session.context.clock.offset == 0.0
        world.fake.fail_next("NotAuthorizedException", message="Token is inactive")
        with pytest.raises(Exception, match="inactive"):
            await federate(auth, world.token())
        assert auth._session.context.clock.offset == 500.0


@pytest.mark.parametrize("jump", [-DAY, -HOUR, -6 * MINUTE, -4 * MINUTE, -MINUTE])
async def test_a_wall_clock_that_jumps_back_prolongs_nothing(jump):
    world = TwoClocks()
    async with world.auth(remember_token=False) as auth:
        await federate(auth, world.token())
        world.advance(OVER - 1)
        world.clock.jump_wall(jump)
        world.advance(1)
        assert not (await auth.fetch_auth_session()).is_signed_in


@pytest.mark.parametrize("jump", [-DAY, -HOUR])
async def test_after_a_jump_back_a_renewal_serves_a_whole_lifetime(jump):
    world = TwoClocks()
    async with world.auth() as auth:
        await federate(auth, world.token(lifetime=3 * HOUR))
        world.advance(100)
        world.clock.jump_wall(jump)
        world.calls()
        renewed = await auth.fetch_auth_session()  # issued in the future: taken for over
        assert world.calls() == [GET_CREDENTIALS]
        world.advance(DUE - 1)
        assert (await auth.fetch_auth_session()).credentials == renewed.credentials
        assert world.calls() == []


@pytest.mark.parametrize(("lead", "calls"), [(299.0, []), (301.0, [GET_CREDENTIALS])])
async def test_a_record_from_the_future_is_over(lead, calls):
    world = TwoClocks()
    async with world.auth() as auth:
        await federate(auth, world.token())
    world.calls()
    world.clock.jump_wall(-lead)
    async with world.auth() as auth:
        assert (await auth.fetch_auth_session()).is_signed_in
        assert world.calls() == calls


async def test_a_wall_clock_that_jumps_ahead_costs_one_renewal_and_no_session():
    world = TwoClocks()
    async with world.auth() as auth:
        await federate(auth, world.token())
        world.calls()
        world.clock.jump_wall(DAY)
        assert (await auth.fetch_auth_session()).is_signed_in
        assert world.calls() == [GET_CREDENTIALS]
        assert isinstance(auth.state, Federated)
        world.clock.jump_wall(-DAY)
        assert (await auth.fetch_auth_session()).is_signed_in
        assert world.calls() == [GET_CREDENTIALS]


@pytest.mark.parametrize("sleep", [OVER, 2 * HOUR])
async def test_a_machine_that_slept_does_not_use_what_is_over(sleep):
    world = TwoClocks()
    async with world.auth() as auth:
        result = await federate(auth, world.token(lifetime=9 * HOUR))
        await auth.fetch_auth_session()
        world.calls()
        world.sleep(sleep)
        assert (await auth.fetch_auth_session()).credentials != result.credentials
        assert world.calls() == [GET_CREDENTIALS]


async def test_a_monotonic_clock_alone_ends_credentials():
    world = TwoClocks()
    async with world.auth(remember_token=False) as auth:
        await federate(auth, world.token())
        world.clock.advance(OVER)
        world.clock.jump_wall(-OVER)  # the wall clock stood still
        assert not (await auth.fetch_auth_session()).is_signed_in


@pytest.mark.parametrize("jump", [-2 * DAY, -10 * MINUTE, 10 * MINUTE, 2 * DAY])
async def test_a_jump_during_a_call_does_no_harm(jump):
    world = TwoClocks()
    async with world.auth() as auth:
        result = await federate(auth, world.token(lifetime=9 * HOUR))
        world.advance(OVER)
        world.calls()
        gate = world.transport.before[GET_CREDENTIALS] = Gate()
        async with pending(auth.fetch_auth_session(), at=gate) as fetch:
            world.clock.jump_wall(jump)
        renewed = fetch.result.credentials
        assert renewed != result.credentials
        world.advance(DUE - 1)
        assert (await auth.fetch_auth_session()).credentials == renewed
        assert world.calls() == [GET_CREDENTIALS]


async def test_the_deadline_of_a_call_follows_no_wall_clock():
    world = TwoClocks()
    async with world.auth(timeout=5.0) as auth:
        gate = world.transport.before["GetId"] = Gate()
        async with pending(federate(auth, world.token()), at=gate):
            world.clock.jump_wall(DAY)
            await anyio.wait_all_tasks_blocked()
        assert isinstance(auth.state, Federated)
        assert world.calls() == BOTH


async def test_two_machines_with_different_clocks_share_a_store():
    store = MemoryStore()
    world = TwoClocks()
    ahead = ManualClock(world.clock.time() + 2 * DAY)
    client = httpx.AsyncClient(transport=world.transport)
    other = FederatedAuth(
        world.pool_id, store=store, http_client=client, settings=AuthSettings(clock=ahead)
    )
    async with world.auth(store=store) as mine, other as theirs:
        await federate(mine, world.token(lifetime=9 * HOUR))
        ahead.advance(1)
        session = await theirs.fetch_auth_session()  # over by its clock: it asks, and learns
        assert session.is_signed_in
        world.clock.advance(1)
        assert (await mine.fetch_auth_session()).credentials == session.credentials
        world.calls()
        ahead.advance(1)
        assert (await theirs.fetch_auth_session()).credentials == session.credentials
        assert world.calls() == []
