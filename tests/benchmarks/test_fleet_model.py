"""The model of a fleet says what the real engine does, where both can be run."""

from collections import Counter, defaultdict
from contextlib import AsyncExitStack

import httpx
import pytest

from amplify_federation import AuthProvider, AuthSettings, FederatedUsers, MemoryStore
from amplify_federation.testing import FakeCognito, ManualClock
from tests.virtual_time import backend_of

np = pytest.importorskip("numpy")

from benchmarks.rig.fleet_model import TOKEN_LIFE, Fleet, Simulation  # noqa: E402 - needs numpy

USERS, MACHINES, SECONDS = 60, 3, 3 * 3_600
GOOGLE = AuthProvider.GOOGLE


@pytest.fixture
def anyio_backend():
    return backend_of("asyncio")  # in virtual time


def schedule():
    """Return who asks in which second: 60 users, each every two minutes."""
    random = np.random.default_rng(7)
    times = random.integers(0, SECONDS, USERS * SECONDS // 120)
    asking = defaultdict(list)
    for second in np.sort(times):
        asking[int(second)].append(int(random.integers(0, USERS)))
    return asking


def calls_of_the_model(asking):
    fleet = Fleet(users=USERS, active=USERS, machines=MACHINES)
    simulation = Simulation(fleet)
    calls = Counter()
    for second in range(SECONDS):
        calls += simulation.step(np.array(asking.get(second, []), dtype=np.int64)).calls
    return calls


async def calls_of_the_engine(asking):
    clock = ManualClock()
    fake = FakeCognito(clock=clock)
    pool = fake.create_identity_pool()
    store = MemoryStore()  # one for all machines, as Redis is
    tokens: dict[int, tuple[float, str]] = {}
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient(transport=fake.transport))
        machines = [
            await stack.enter_async_context(
                FederatedUsers(
                    pool, store=store, http_client=client, settings=AuthSettings(clock=clock)
                )
            )
            for _ in range(MACHINES)
        ]
        now = 0
        for second in sorted(asking):
            clock.advance(second - now)
            now = second
            for number, user in enumerate(asking[second]):
                made, token = tokens.get(user, (-TOKEN_LIFE, ""))
                if now - made >= TOKEN_LIFE:
                    token = fake.issue_token(GOOGLE, f"user-{user}", lifetime=TOKEN_LIFE)
                    tokens[user] = (now, token)
                machine = machines[(now + number) % MACHINES]
                session = await machine.session_for(token, GOOGLE)
                assert session.is_signed_in
    return Counter(call.operation for call in fake.calls)


async def test_the_model_counts_the_calls_that_the_engine_makes():
    asking = schedule()
    real, modelled = await calls_of_the_engine(asking), calls_of_the_model(asking)
    for operation in ("GetId", "GetCredentialsForIdentity"):
        assert modelled[operation] == pytest.approx(real[operation], rel=0.05), (real, modelled)


def test_the_model_throttles_at_the_quotas():
    fleet = Fleet(users=1_000, active=1_000, machines=2, get_id=5, get_credentials=10)
    simulation = Simulation(fleet)
    everybody = np.arange(1_000)
    nobody = np.empty(0, dtype=np.int64)
    seconds = [simulation.step(everybody)] + [simulation.step(nobody) for _ in range(30)]
    signed_in = int((simulation._token_over > simulation.now).sum())
    refused = sum(each.refused for each in seconds)
    assert signed_in + refused == 1_000  # nobody is lost
    assert 0 < signed_in <= 5 * len(seconds)


def test_without_redis_only_machines_that_know_a_user_serve_them():
    fleet = Fleet(users=10_000, active=10_000, machines=100)
    simulation = Simulation(fleet)
    simulation.warm_up()
    simulation._visits[:] = 1
    simulation.redis = False
    second = simulation.step(np.arange(10_000))
    assert second.refused == pytest.approx(9_900, rel=0.02)
    assert not second.calls["GetId"]
