"""Throttling: which callers are served and which refused, how often Cognito is called, and when.

Time is the loop's own and passes only while everybody waits: the minutes below take no second.
"""

import random

import anyio
import httpx
import pytest

from amplify_federation import (
    AuthProvider,
    AuthSettings,
    FederatedAuth,
    FederatedUsers,
    FederationResult,
    MemoryStore,
    errors,
)
from amplify_federation.testing import AWS_QUOTAS, FakeCognito
from tests.virtual_time import BACKENDS, LoopClock

CALLERS = 1_000
GET_ID = AWS_QUOTAS["GetId"]
GET_CREDENTIALS = AWS_QUOTAS["GetCredentialsForIdentity"]
BUDGET = 500  # what a client's retries may cost
COST = 5  # of a retry after throttling
FAULT_COST = 14  # of any other
LONGEST = 1.0 + 2.0  # seconds that two retries wait, at most, unless the server wishes otherwise


@pytest.fixture(params=BACKENDS)
def anyio_backend(request):
    return request.param


@pytest.fixture
def jitter(monkeypatch):
    """Have the retries wait for times that are random, and the same in every run."""
    monkeypatch.setattr("random.random", random.Random(7).random)  # noqa: S311  # jitter


class Load:
    """A Cognito with the quotas of AWS, and callers over one client."""

    def __init__(self, *, quotas=AWS_QUOTAS) -> None:
        self.clock = LoopClock()
        self.fake = FakeCognito(clock=self.clock, quotas=quotas)
        self.pool = self.fake.create_identity_pool()
        self.token = self.fake.issue_token(AuthProvider.GOOGLE, "alice")
        self.client = httpx.AsyncClient(transport=self.fake.transport)
        self.outcomes: list[FederationResult | errors.AuthError] = []
        self.times: list[float] = []

    def auth(self, *, client=None, store=None, **settings) -> FederatedAuth:
        given = AuthSettings(clock=self.clock, **settings)
        return FederatedAuth(
            self.pool,
            store=store or MemoryStore(),
            http_client=client or self.client,
            settings=given,
        )

    async def federate(self, delay: float = 0.0, **settings) -> None:
        """Federate at a time, and note what came of it, and when it was over."""
        await anyio.sleep(delay)
        started = anyio.current_time()
        try:
            outcome = await self.auth(**settings).federate_to_identity_pool(
                self.token, AuthProvider.GOOGLE
            )
        except errors.AuthError as error:
            outcome = error
        self.outcomes.append(outcome)
        self.times.append(anyio.current_time() - started)

    async def all_federate(self, *, callers: int = CALLERS, per_second: float = 0.0) -> None:
        async with anyio.create_task_group() as group:
            for number in range(callers):
                group.start_soon(self.federate, number / per_second if per_second else 0.0)

    @property
    def served(self) -> int:
        return sum(isinstance(outcome, FederationResult) for outcome in self.outcomes)

    def calls(self, operation: str, *, retries: bool | None = None) -> int:
        """Count the calls of an operation: all, the first attempts, or the others."""
        return sum(
            call.operation == operation
            and retries in (None, not call.headers["amz-sdk-request"].startswith("attempt=1;"))
            for call in self.fake.calls
        )

    def all_refusals_are_throttling(self) -> bool:
        refusals = [each for each in self.outcomes if not isinstance(each, FederationResult)]
        return all(
            type(each) is errors.TooManyRequestsError and each.retryable for each in refusals
        )


@pytest.fixture
async def load(anyio_backend):
    load = Load()
    async with load.client:
        yield load


@pytest.fixture
async def load_without_quotas(anyio_backend):
    load = Load(quotas={})
    async with load.client:
        yield load


async def test_a_thousand_callers_at_once_are_served_or_refused_in_seconds_without_a_stampede(
    load, jitter
):
    await load.all_federate()
    assert len(load.outcomes) == CALLERS
    assert load.all_refusals_are_throttling()
    assert load.served >= GET_ID * 2
    assert max(load.times) <= LONGEST
    assert load.calls("GetId", retries=False) == CALLERS
    # Each success gives back a retry's cost at most.
    assert load.calls("GetId", retries=True) <= BUDGET / COST + load.served
    assert load.calls("GetCredentialsForIdentity") == load.served


async def test_callers_at_the_pace_of_the_quota_are_all_served_at_the_first_try(load, jitter):
    await load.all_federate(callers=400, per_second=GET_ID)
    assert load.served == 400
    assert len(load.fake.calls) == 2 * 400
    assert max(load.times) == 0


async def test_callers_at_twice_the_quota_leave_little_of_it_unused(load, jitter):
    await load.all_federate(callers=600, per_second=2 * GET_ID)
    capacity = GET_ID + GET_ID * 600 / (2 * GET_ID)
    assert load.all_refusals_are_throttling()
    assert 0.9 * capacity <= load.served <= capacity + GET_ID * LONGEST
    assert load.calls("GetId") <= 600 + BUDGET / COST + load.served
    assert max(load.times) <= LONGEST


async def test_a_thousand_sessions_that_end_in_one_second_are_renewed_within_the_quota(
    load, jitter
):
    first = MemoryStore()
    await load.auth(store=first).federate_to_identity_pool(load.token, AuthProvider.GOOGLE)
    name = f"{load.pool}/default"
    record = await first.read(name)
    auths = []
    for _ in range(CALLERS):
        store = MemoryStore()
        await store.compare_and_set(name, record.data, expected=None)
        auths.append(load.auth(store=store))
    await anyio.sleep(3_595)  # over, by the margin
    load.fake.calls.clear()
    started, refused = anyio.current_time(), 0
    patience = random.Random(11)  # noqa: S311  # an application's

    async def renew(auth) -> None:
        nonlocal refused
        while True:
            session = await auth.fetch_auth_session()
            assert session.is_signed_in
            if session.credentials_result.error is None:
                return
            assert type(session.credentials_result.error) is errors.TooManyRequestsError
            refused += 1
            await anyio.sleep(patience.uniform(2, 10))

    async with anyio.create_task_group() as group:
        for auth in auths:
            group.start_soon(renew, auth)
    assert load.calls("GetId") == 0
    assert refused < 2 * CALLERS
    assert load.calls("GetCredentialsForIdentity", retries=True) <= BUDGET / COST + CALLERS
    assert anyio.current_time() - started < 30


async def test_a_thousand_callers_of_one_session_are_one_caller_to_cognito(load, jitter):
    async with load.auth() as auth:
        await auth.federate_to_identity_pool(load.token, AuthProvider.GOOGLE)
        await anyio.sleep(3_595)
        load.fake.calls.clear()
        load.fake.fail_next("TooManyRequestsException", times=3)
        sessions = []

        async def fetch() -> None:
            sessions.append(await auth.fetch_auth_session())

        async with anyio.create_task_group() as group:
            for _ in range(CALLERS):
                group.start_soon(fetch)
        assert len(load.fake.calls) == 3
        assert {type(each.credentials_result.error) for each in sessions} == {
            errors.TooManyRequestsError
        }
        assert all(each.is_signed_in for each in sessions)
        session = await auth.fetch_auth_session()
    assert session.credentials_result.error is None
    assert len(load.fake.calls) == 4


@pytest.mark.parametrize(
    ("code", "cost"),
    [("TooManyRequestsException", COST), ("InternalErrorException", FAULT_COST)],
)
async def test_the_retry_quota_is_shared_over_one_client(load_without_quotas, jitter, code, cost):
    load = load_without_quotas
    load.fake.fail_next(code, times=10_000)
    async with httpx.AsyncClient(transport=load.fake.transport) as other:
        for _ in range(BUDGET // cost // 2 + 1):
            await load.federate()
        assert load.calls("GetId", retries=True) == BUDGET // cost
        load.fake.calls.clear()
        await load.federate()  # another session, the same client
        assert load.calls("GetId") == 1
        await load.federate(client=other)
        assert load.calls("GetId") == 1 + 3


async def test_users_share_the_retry_quota(load, jitter):
    load.fake.fail_next("TooManyRequestsException", times=10_000)
    settings = AuthSettings(clock=load.clock)
    async with FederatedUsers(
        load.pool, store=MemoryStore(), http_client=load.client, settings=settings
    ) as users:
        for number in range(CALLERS // 10):
            with pytest.raises(errors.TooManyRequestsError):
                await users.auth(f"user {number}").federate_to_identity_pool(
                    load.token, AuthProvider.GOOGLE
                )
    assert load.calls("GetId") == CALLERS // 10 + BUDGET // COST


async def test_successes_fill_the_retry_quota_again(load, jitter):
    load.fake.fail_next("TooManyRequestsException", operation="GetId", times=150)
    for _ in range(50):
        await load.federate()
    assert load.calls("GetId") == 150  # the quota is empty now
    for _ in range(3):
        await load.federate()  # 2 calls each, and each gives back 1
    load.fake.fail_next("TooManyRequestsException", operation="GetId")
    load.fake.calls.clear()
    await load.federate()
    assert load.calls("GetId") == 2
    assert load.served == 4


RETRY_AFTER = [
    # header, chance -> seconds
    (3_000, 0.0, 3.0),
    (3_000, 0.5, 3.0),
    (250, 0.0, 0.25),
    (250, 0.5, 0.5),
    (60_000, 0.0, 5.0),
    (60_000, 0.5, 5.5),
    (0, 0.5, 0.5),
    (-5_000, 0.5, 0.5),
    ("soon", 0.5, 0.5),
    ("", 0.5, 0.5),
    ("nan", 0.5, 0.5),
    ("inf", 0.5, 0.5),
    ("9" * 400, 0.5, 0.5),
    ("Wed, 21 Oct 2026 07:28:00 GMT", 0.5, 0.5),
]


@pytest.mark.parametrize(("header", "chance", "seconds"), RETRY_AFTER)
async def test_the_server_may_ask_for_a_later_retry_within_five_seconds(
    load, monkeypatch, header, chance, seconds
):
    monkeypatch.setattr("random.random", lambda: chance)
    load.fake.fail_next("TooManyRequestsException", retry_after_ms=header)
    await load.federate()
    assert load.served == 1
    assert load.times == [pytest.approx(seconds)]


async def test_a_retry_that_the_deadline_would_cut_off_is_not_waited_for(load, jitter):
    load.fake.fail_next("TooManyRequestsException", retry_after_ms=4_000)
    await load.federate(timeout=3.0)
    assert load.all_refusals_are_throttling()
    assert load.times == [0.0]
    assert load.calls("GetId") == 1


async def test_the_deadline_holds_for_all_attempts_together(load, monkeypatch):
    monkeypatch.setattr("random.random", lambda: 0.5)
    load.fake.fail_next("TooManyRequestsException", times=3)
    await load.federate(timeout=1.0)  # tried at 0 and 0.5 s; the next would be at 1.5 s
    assert load.all_refusals_are_throttling()
    assert load.times == [pytest.approx(0.5)]
    assert load.calls("GetId") == 2


class TestOverSockets:
    """The same over real connections, where the clock of the quotas stands still."""

    CALLERS = 60

    @pytest.fixture(params=["asyncio", "trio"])
    def anyio_backend(self, request):
        return request.param

    async def test_callers_beyond_the_quota_are_refused_and_counted(
        self, way, manual_clock, no_jitter
    ):
        fake = FakeCognito(clock=manual_clock, quotas=AWS_QUOTAS)
        pool = fake.create_identity_pool()
        token = fake.issue_token(AuthProvider.GOOGLE, "alice")
        outcomes = []

        async def federate(auth) -> None:
            try:
                outcomes.append(await auth.federate_to_identity_pool(token, AuthProvider.GOOGLE))
            except errors.AuthError as error:
                outcomes.append(error)

        async with (
            fake.serve() as url,
            way.users(pool, url, clock=manual_clock) as users,
            anyio.create_task_group() as group,
        ):
            for number in range(self.CALLERS):
                group.start_soon(federate, users.auth(f"user {number}"))
        served = [each for each in outcomes if isinstance(each, FederationResult)]
        refused = [each for each in outcomes if type(each) is errors.TooManyRequestsError]
        assert (len(served), len(refused)) == (GET_ID, self.CALLERS - GET_ID)
        calls = [call.operation for call in fake.calls]
        assert calls.count("GetId") == self.CALLERS + 2 * len(refused)
        assert calls.count("GetCredentialsForIdentity") == GET_ID
