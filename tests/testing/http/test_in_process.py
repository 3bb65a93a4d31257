import anyio
import httpx
import pytest
import respx

from amplify_federation import AuthProvider
from amplify_federation.testing import FakeCognito

ENDPOINT = "https://cognito-identity.us-west-2.amazonaws.com/"
HEADERS = {
    "Content-Type": "application/x-amz-json-1.1",
    "X-Amz-Target": "AWSCognitoIdentityService.GetId",
}


@pytest.fixture
async def client(fake):
    async with httpx.AsyncClient(transport=fake.transport) as client:
        yield client


async def get_id(client, pool, **options):
    return await client.post(ENDPOINT, headers=HEADERS, json={"IdentityPoolId": pool}, **options)


async def test_transport_answers_for_any_host(client, fake, pool):
    for url in (ENDPOINT, "http://localhost:4566/"):
        answer = await client.post(url, headers=HEADERS, json={"IdentityPoolId": pool})
        assert answer.status_code == 200
        assert answer.json()["IdentityId"].startswith("us-west-2:")
    assert fake.transport is fake.transport
    assert [call.operation for call in fake.calls] == ["GetId", "GetId"]


async def test_transport_serves_the_issuers(client, fake):
    document = await client.get("https://accounts.google.com/.well-known/openid-configuration")
    assert document.json() == fake.discovery_document(AuthProvider.GOOGLE)
    keys = await client.get(document.json()["jwks_uri"])
    assert keys.json() == fake.jwks(AuthProvider.GOOGLE)


async def test_cut_connection_is_a_protocol_error(client, fake, pool):
    fake.fail_next(cut_connection=True)
    with pytest.raises(httpx.RemoteProtocolError, match="disconnected"):
        await get_id(client, pool)
    assert (await get_id(client, pool)).status_code == 200


async def test_delay_longer_than_the_read_timeout_is_a_timeout(client, fake, pool):
    fake.fail_next(delay=30, times=2)
    with pytest.raises(httpx.ReadTimeout):
        await get_id(client, pool, timeout=0.01)
    with anyio.move_on_after(0.01) as waiting:
        await get_id(client, pool, timeout=None)
    assert waiting.cancelled_caught


async def test_short_delay_is_waited_for(client, fake, pool):
    fake.fail_next(delay=0.001)
    assert (await get_id(client, pool)).status_code == 200


async def test_respx_router_sends_the_calls_here_and_nothing_else(fake, pool):
    with respx.mock(assert_all_called=True) as router:
        route = fake.route(router)
        other = router.get("https://example.com/").respond(204)
        async with httpx.AsyncClient() as client:
            assert (await get_id(client, pool)).status_code == 200
            assert (await client.get("https://example.com/")).status_code == 204
            jwks = await client.get("https://accounts.google.com/.well-known/jwks.json")
    assert jwks.json() == fake.jwks(AuthProvider.GOOGLE)
    assert (route.call_count, other.call_count) == (2, 1)


@pytest.mark.parametrize(
    "host",
    [
        "cognito-identity.eu-central-1.amazonaws.com",
        "cognito-identity-fips.us-east-1.amazonaws.com",
        "cognito-identity.cn-north-1.amazonaws.com.cn",
        "cognito-identity.us-gov-west-1.api.aws",
    ],
)
async def test_respx_route_takes_the_endpoint_of_every_region(fake, host):
    pool = fake.create_identity_pool(guest_access=True, region=host.split(".")[1])
    with respx.mock() as router:
        fake.route(router)
        async with httpx.AsyncClient() as client:
            answer = await client.post(
                f"https://{host}/", headers=HEADERS, json={"IdentityPoolId": pool}
            )
    assert answer.status_code == 200


async def test_faults_pass_through_respx(fake, pool):
    with respx.mock() as router:
        fake.route(router)
        fake.fail_next(cut_connection=True)
        fake.fail_next("TooManyRequestsException")
        async with httpx.AsyncClient() as client:
            with pytest.raises(httpx.RemoteProtocolError):
                await get_id(client, pool)
            assert (await get_id(client, pool)).json()["__type"] == "TooManyRequestsException"


async def test_pytest_httpx_sends_the_calls_here(fake, pool, httpx_mock):
    httpx_mock.add_callback(fake.respond, url=ENDPOINT, is_reusable=True)
    fake.fail_next(cut_connection=True)
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await get_id(client, pool)
        assert (await get_id(client, pool)).status_code == 200
    assert len(httpx_mock.get_requests()) == 2


async def test_fake_without_a_call_opens_nothing():
    # No socket, no client: nothing to close, and pytest would turn a leak into an error.
    assert repr(FakeCognito().transport).startswith("<")


async def test_respx_route_takes_the_endpoints_of_the_pools_providers_and_of_no_other(fake, pool):
    fake.update_identity_pool(pool, providers=[AuthProvider.GOOGLE])
    form = {"grant_type": "refresh_token", "refresh_token": "none", "client_id": "test-client"}
    async with respx.mock as router, httpx.AsyncClient() as client:
        fake.route(router)
        own = router.post("https://api.example.com/token").respond(204)
        answer = await client.post("https://accounts.google.com/token", data=form)
        assert answer.json()["error"] == "invalid_grant"
        assert (await client.post("https://api.example.com/token")).status_code == 204
    assert own.call_count == 1
