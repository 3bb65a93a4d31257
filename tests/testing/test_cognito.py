"""The fake under the SDK itself, on the ways in that an application's tests use."""

import httpx
import pytest
import respx

from amplify_federation import (
    AuthProvider,
    AuthSettings,
    Federated,
    FederatedAuth,
    LimitExceededError,
    MemoryStore,
    NetworkError,
)
from amplify_federation.testing import FakeCognito

GOOGLE = AuthProvider.GOOGLE


@pytest.fixture
def pool(fake):
    return fake.create_identity_pool(guest_access=True)


def unset(pool, clock):
    """A FederatedAuth that knows of no test but for the time."""
    return FederatedAuth(pool, store=MemoryStore(), settings=AuthSettings(clock=clock))


async def test_default_session_is_intercepted_by_plain_respx(fake, clock, pool):
    with respx.mock() as router:
        route = fake.route(router)
        async with unset(pool, clock) as auth:
            await auth.federate_to_identity_pool(fake.issue_token(GOOGLE, "alice"), GOOGLE)
            assert isinstance(auth.state, Federated)
    assert route.call_count == len(fake.calls) == 2


async def test_default_session_is_intercepted_by_pytest_httpx(fake, clock, pool, httpx_mock):
    httpx_mock.add_callback(fake.respond, is_reusable=True)
    async with unset(pool, clock) as auth:
        await auth.federate_to_identity_pool(fake.issue_token(GOOGLE, "alice"), GOOGLE)
    assert len(httpx_mock.get_requests()) == len(fake.calls) == 2


async def test_default_session_reaches_the_server_by_the_environment(
    fake, clock, pool, monkeypatch
):
    async with fake.serve() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_COGNITO_IDENTITY", url)
        async with unset(pool, clock) as auth:
            result = await auth.federate_to_identity_pool(fake.issue_token(GOOGLE, "alice"), GOOGLE)
    issued = fake.read_session_token(result.credentials.session_token)
    assert issued.identity_id == result.identity_id


@pytest.mark.parametrize("way", ["transport", "respx", "server"])
async def test_faults_are_the_same_on_every_way_in(fake, clock, pool, monkeypatch, way):
    token = fake.issue_token(GOOGLE, "alice")
    fake.fail_next("LimitExceededException", operation="GetId")
    # More than the three attempts: a cut on a reused connection is tried again for free.
    fake.fail_next(cut_connection=True, times=10)
    client = httpx.AsyncClient(transport=fake.transport) if way == "transport" else None
    with respx.mock(assert_all_called=False) as router:
        if way == "respx":
            fake.route(router)
        else:
            router.stop()
        async with fake.serve() as url:
            if way == "server":
                monkeypatch.setenv("AWS_ENDPOINT_URL_COGNITO_IDENTITY", url)
            async with FederatedAuth(pool, store=MemoryStore(), http_client=client) as auth:
                with pytest.raises(LimitExceededError):
                    await auth.federate_to_identity_pool(token, GOOGLE)
                with pytest.raises(NetworkError):
                    await auth.federate_to_identity_pool(token, GOOGLE)
                fake.clear_faults()
                await auth.federate_to_identity_pool(token, GOOGLE)


async def test_client_learns_the_servers_clock(fake, clock, pool):
    fake.skew = 7200
    async with FederatedAuth(
        pool,
        store=MemoryStore(),
        http_client=httpx.AsyncClient(transport=fake.transport),
        settings=AuthSettings(clock=clock),
    ) as auth:
        token = fake.issue_token(GOOGLE, "alice", lifetime=7200)
        await auth.federate_to_identity_pool(token, GOOGLE)
        assert (await auth.fetch_auth_session()).is_signed_in
        fake.advance(3000)
        fake.calls.clear()
        assert (await auth.fetch_auth_session()).is_signed_in
        assert fake.calls == []


def test_repr_tells_how_much_happened_and_no_secret(fake, pool, call):
    call.identity(pool)
    assert repr(fake) == "<FakeCognito us-west-2: 1 pools, 1 calls>"
    assert repr(FakeCognito(region="eu-west-1")) == "<FakeCognito eu-west-1: 0 pools, 0 calls>"
