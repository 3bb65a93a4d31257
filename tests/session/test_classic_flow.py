"""The classic flow: a role of the application's choice, over the same states and stores."""

from urllib.parse import parse_qs

import httpx
import pytest

from amplify_federation import (
    AuthProvider,
    AuthSettings,
    ClassicFlow,
    FederatedAuth,
    IdentityPool,
    InvalidIdentityPoolConfigurationError,
    InvalidParameterError,
    MalformedResponseError,
    MemoryStore,
    NetworkError,
    TooManyRequestsError,
)
from amplify_federation.testing import FakeCognito, ManualClock

GOOGLE = AuthProvider.GOOGLE
ROLE = "arn:aws:iam::123456789012:role/player"
POLICY = '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*"}]}'
CLASSIC = ClassicFlow(ROLE, session_policy=POLICY, duration=1800, session_name="player")
XML = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Audience>pool</Audience>
<Credentials><SessionToken>t&amp;{n}</SessionToken><SecretAccessKey>secret-{n}</SecretAccessKey>
<Expiration>{end}</Expiration><AccessKeyId>ASIA{n}</AccessKeyId></Credentials>
</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""
ERROR = (
    "<ErrorResponse><Error><Type>Sender</Type><Code>{}</Code><Message>{}</Message></Error>"
    "</ErrorResponse>"
)


class Aws:
    """The embedded Cognito, and an STS that takes its tokens."""

    def __init__(self):
        self.clock = ManualClock()
        self.fake = FakeCognito(clock=self.clock)
        self.pool_id = self.fake.create_identity_pool(classic_flow=True)
        self.asked = []
        self.answers = []

    async def __call__(self, request):
        if request.url.host != "sts.us-west-2.amazonaws.com":
            return await self.fake.respond(request)
        assert "authorization" not in request.headers
        assert "x-amz-target" not in request.headers
        self.asked.append(parse_qs((await request.aread()).decode()))
        if self.answers:
            return self.answers.pop(0)
        end = self.clock.time() + int(self.asked[-1]["DurationSeconds"][0])
        return httpx.Response(200, text=XML.format(n=len(self.asked), end=f"{end:.0f}"))

    def auth(self, client, store=None, **pool):
        pool = IdentityPool(self.pool_id, classic_flow=CLASSIC, **pool)
        settings = AuthSettings(clock=self.clock)
        return FederatedAuth(
            pool, store=store or MemoryStore(), http_client=client, settings=settings
        )

    def token(self, user="alice"):
        return self.fake.issue_token(GOOGLE, user)


@pytest.fixture
def aws():
    return Aws()


@pytest.fixture
async def client(aws):
    async with httpx.AsyncClient(transport=httpx.MockTransport(aws)) as client:
        yield client


async def test_a_federation_asks_sts_for_the_role_unsigned(aws, client):
    async with aws.auth(client) as auth:
        result = await auth.federate_to_identity_pool(aws.token(), GOOGLE)
    assert [call.operation for call in aws.fake.calls] == ["GetId", "GetOpenIdToken"]
    (asked,) = aws.asked
    web_identity = asked.pop("WebIdentityToken")
    assert web_identity[0].count(".") == 2
    assert asked == {
        "Action": ["AssumeRoleWithWebIdentity"],
        "Version": ["2011-06-15"],
        "RoleArn": [ROLE],
        "RoleSessionName": ["player"],
        "DurationSeconds": ["1800"],
        "Policy": [POLICY],
    }
    credentials = result.credentials
    assert (credentials.access_key_id, credentials.session_token) == ("ASIA1", "t&1")
    assert credentials.expiration.timestamp() == pytest.approx(aws.clock.time() + 1800, abs=1)


async def test_renewals_restarts_and_clears_are_as_ever(aws, client):
    store = MemoryStore()
    async with aws.auth(client, store) as auth:
        first = await auth.federate_to_identity_pool(aws.token(), GOOGLE)
        aws.clock.advance(1800)
        renewed = await auth.fetch_auth_session()
        assert renewed.identity_id == first.identity_id
        assert renewed.credentials.access_key_id == "ASIA2"
        assert [call.operation for call in aws.fake.calls][2:] == ["GetOpenIdToken"]
    async with aws.auth(client, store) as again:
        assert (await again.fetch_auth_session()).credentials.access_key_id == "ASIA2"
        await again.clear_federation_to_identity_pool()
        assert not (await again.fetch_auth_session()).is_signed_in
    assert len(aws.asked) == 2


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (
            (403, ERROR.format("AccessDenied", "Not authorized")),
            InvalidIdentityPoolConfigurationError,
        ),
        ((400, ERROR.format("MalformedPolicyDocument", "Bad")), InvalidParameterError),
        ((200, "<html><p>hello</p></html>"), MalformedResponseError),
        ((200, ""), MalformedResponseError),
        ((200, '{"a": 1}'), MalformedResponseError),
    ],
)
async def test_what_sts_refuses_is_a_typed_error_and_keeps_the_session(aws, client, answer, error):
    async with aws.auth(client) as auth:
        before = await auth.federate_to_identity_pool(aws.token(), GOOGLE)
        aws.answers = [httpx.Response(answer[0], text=answer[1])]
        with pytest.raises(error) as caught:
            await auth.federate_to_identity_pool(aws.token("bob"), GOOGLE)
        after = await auth.fetch_auth_session()
    assert aws.asked[-1]["WebIdentityToken"][0] not in str(caught.value)
    assert after.credentials == before.credentials
    assert caught.value.operation == "AssumeRoleWithWebIdentity"


async def test_an_echoed_token_is_not_repeated_and_throttling_is_tried_again(aws, client):
    throttled = httpx.Response(400, text=ERROR.format("Throttling", "Rate exceeded"))
    async with aws.auth(client) as auth:
        aws.answers = [throttled]
        await auth.federate_to_identity_pool(aws.token(), GOOGLE)
        assert len(aws.asked) == 2
        aws.answers = [throttled] * 3
        with pytest.raises(TooManyRequestsError):
            await auth.federate_to_identity_pool(aws.token(), GOOGLE)


async def test_a_pool_that_does_not_allow_it_says_so(aws, client):
    aws.fake.update_identity_pool(aws.pool_id, classic_flow=False)
    async with aws.auth(client) as auth:
        with pytest.raises(InvalidParameterError, match="classic"):
            await auth.federate_to_identity_pool(aws.token(), GOOGLE)
    assert aws.asked == []


async def test_guests_keep_the_flow_that_they_have(aws, client):
    aws.fake.update_identity_pool(aws.pool_id, guest_access=True)
    async with aws.auth(client, guest_access=True) as auth:
        assert (await auth.fetch_auth_session()).credentials is not None
    assert aws.asked == []


async def test_motos_sts_gives_a_role_over_the_default_transport(moto, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", moto)
    fake = FakeCognito()
    async with fake.serve() as url:
        pool = IdentityPool(
            fake.create_identity_pool(classic_flow=True), classic_flow=CLASSIC, endpoint_url=url
        )
        async with FederatedAuth(pool, store=MemoryStore()) as auth:
            token = fake.issue_token(GOOGLE, "alice")
            result = await auth.federate_to_identity_pool(token, GOOGLE)
    assert result.credentials.access_key_id.startswith("ASIA")
    assert len(result.credentials.secret_access_key) > 20


async def test_trouble_on_the_way_to_sts_names_its_host(monkeypatch, free_tcp_port):
    fake = FakeCognito()
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://localhost:{free_tcp_port}")
    async with fake.serve() as url, httpx.AsyncClient() as own:
        pool = IdentityPool(
            fake.create_identity_pool(classic_flow=True), classic_flow=CLASSIC, endpoint_url=url
        )
        settings = AuthSettings(max_attempts=1)
        for client in (None, own):
            async with FederatedAuth(
                pool, store=MemoryStore(), http_client=client, settings=settings
            ) as auth:
                with pytest.raises(NetworkError, match="localhost"):
                    await auth.federate_to_identity_pool(fake.issue_token(GOOGLE, "a"), GOOGLE)
