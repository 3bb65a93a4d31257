"""boto3 and aiobotocore against FakeCognito, and against moto's server.

The same tests run against both servers. What moto lacks is an expected failure with its reason, so
that the test output lists it; the day moto has it, the test says so (xfail is strict).
"""

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from anyio.from_thread import start_blocking_portal
from attrs import define

from amplify_federation import AuthProvider
from amplify_federation.testing import FakeCognito, ManualClock, PoolRoles

boto3 = pytest.importorskip("boto3", reason="boto3 is not installed")
aiobotocore_session = pytest.importorskip(
    "aiobotocore.session", reason="aiobotocore is not installed"
)
botocore = pytest.importorskip("botocore", reason="botocore is not installed")
REGION = "us-west-2"
GOOGLE, FACEBOOK = AuthProvider.GOOGLE, AuthProvider.FACEBOOK
EXCEPTIONS = {
    "get_id": ["LimitExceededException"],
    "get_credentials_for_identity": ["InvalidIdentityPoolConfigurationException"],
    "get_open_id_token": [],
    "unlink_identity": [],
}
COMMON = [
    "ExternalServiceException",
    "InternalErrorException",
    "InvalidParameterException",
    "NotAuthorizedException",
    "ResourceConflictException",
    "ResourceNotFoundException",
    "TooManyRequestsException",
]


def moto_lacks(what):
    """Tell that moto does not do this; the same test must pass on the fake."""

    def mark(test):
        test.moto_lacks = what
        return test

    return mark


@define
class FakeServer:
    """FakeCognito as the tests see it."""

    url: str
    fake: FakeCognito

    def pool(self, **options):
        providers = {GOOGLE: ["web"], FACEBOOK: ["app"]}
        return self.fake.create_identity_pool(
            providers, guest_access=True, classic_flow=True, **options
        )

    def close_to_guests(self, pool):
        self.fake.update_identity_pool(pool, guest_access=False)

    def token(self, provider, user, **options):
        return {provider.login_key: self.fake.issue_token(provider, user, **options)}


@define
class MotoServer:
    """moto's server as the tests see it; it takes any token, so the fake may issue them."""

    url: str
    fake: FakeCognito

    def _admin(self):
        return boto3.client(
            "cognito-identity",
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def pool(self, **_):
        with contextlib.closing(self._admin()) as admin:
            return admin.create_identity_pool(
                IdentityPoolName="pool",
                AllowUnauthenticatedIdentities=True,
                AllowClassicFlow=True,
                SupportedLoginProviders={GOOGLE.login_key: "web", FACEBOOK.login_key: "app"},
            )["IdentityPoolId"]

    def close_to_guests(self, pool):
        with contextlib.closing(self._admin()) as admin:
            admin.update_identity_pool(
                IdentityPoolId=pool, IdentityPoolName="pool", AllowUnauthenticatedIdentities=False
            )

    def token(self, provider, user, **options):
        options.setdefault("audience", "web" if provider == GOOGLE else "app")
        return {provider.login_key: self.fake.issue_token(provider, user, **options)}


@pytest.fixture(scope="module")
def fake_url_and_fake():
    fake = FakeCognito(region=REGION, clock=ManualClock(datetime.now(UTC).timestamp()))
    with fake.serve() as url:
        yield url, fake


@pytest.fixture(scope="module")
def moto_url():
    moto = pytest.importorskip("moto.server", reason="moto is not installed")
    server = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture(params=["FakeCognito", "moto"])
def server(request):
    if request.param == "FakeCognito":
        url, fake = request.getfixturevalue("fake_url_and_fake")
        fake.calls.clear()
        return FakeServer(url, fake)
    lacks = getattr(request.function, "moto_lacks", None)
    if lacks:
        reason = f"moto lacks: {lacks}"
        request.applymarker(pytest.mark.xfail(strict=True, reason=reason))
    url = request.getfixturevalue("moto_url")
    return MotoServer(url, FakeCognito(region=REGION))


def config():
    return botocore.config.Config(
        signature_version=botocore.UNSIGNED,
        retries={"mode": "standard", "total_max_attempts": 3},
    )


@pytest.fixture
def _no_waiting(monkeypatch):
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)


@pytest.fixture(params=["boto3", "aiobotocore"])
def client(request, server, _no_waiting):
    arguments = {"region_name": REGION, "endpoint_url": server.url, "config": config()}
    if request.param == "boto3":
        with contextlib.closing(boto3.client("cognito-identity", **arguments)) as client:
            yield client
        return
    with start_blocking_portal("asyncio") as portal:
        creating = aiobotocore_session.get_session().create_client("cognito-identity", **arguments)
        with portal.wrap_async_context_manager(creating) as client:
            yield Blocking(client, portal)


class Blocking:
    """An aiobotocore client whose calls wait for their answer."""

    def __init__(self, client, portal):
        self._client, self._portal = client, portal
        self.exceptions, self.meta = client.exceptions, client.meta

    def __getattr__(self, operation):
        call = getattr(self._client, operation)
        return lambda **given: self._portal.call(lambda: call(**given))


def identity(client, pool, logins=None):
    given = {} if logins is None else {"Logins": logins}
    return client.get_id(IdentityPoolId=pool, **given)["IdentityId"]


def credentials(client, identity_id, logins=None, **given):
    given |= {} if logins is None else {"Logins": logins}
    return client.get_credentials_for_identity(IdentityId=identity_id, **given)


def test_guest_gets_an_identity_and_credentials(server, client):
    guest = identity(client, server.pool())
    answer = credentials(client, guest)
    assert answer["IdentityId"] == guest
    assert {"AccessKeyId", "SecretKey", "SessionToken", "Expiration"} == set(answer["Credentials"])


def test_expiration_is_an_aware_datetime(server, client):
    expiration = credentials(client, identity(client, server.pool()))["Credentials"]["Expiration"]
    assert expiration.utcoffset() is not None
    assert expiration > datetime.now(UTC)


@moto_lacks("credentials that live one hour; its own live 90 s")
def test_credentials_live_one_hour(server, client):
    now = datetime.fromtimestamp(server.fake.time(), UTC)
    expiration = credentials(client, identity(client, server.pool()))["Credentials"]["Expiration"]
    assert abs(expiration - now - timedelta(hours=1)) < timedelta(minutes=5)


@moto_lacks("unique credentials; its own are constants")
def test_credentials_are_unique(server, client):
    guest = identity(client, server.pool())
    one, other = (credentials(client, guest)["Credentials"] for _ in range(2))
    assert one["SessionToken"] != other["SessionToken"]


def test_open_id_token_is_given(server, client):
    guest = identity(client, server.pool())
    answer = client.get_open_id_token(IdentityId=guest)
    assert answer["IdentityId"] == guest
    assert answer["Token"]


@moto_lacks("OpenID tokens that are JWTs")
def test_open_id_token_is_a_jwt(server, client):
    guest = identity(client, server.pool())
    assert client.get_open_id_token(IdentityId=guest)["Token"].count(".") == 2


@moto_lacks("UnlinkIdentity")
def test_unlinked_login_gets_another_identity(server, client):
    pool, logins = server.pool(), server.token(GOOGLE, "alice")
    alice = identity(client, pool, logins)
    answer = client.unlink_identity(
        IdentityId=alice, Logins=logins, LoginsToRemove=[GOOGLE.login_key]
    )
    assert set(answer) == {"ResponseMetadata"}
    assert identity(client, pool, logins) != alice


def test_answers_carry_a_request_id_and_a_date(server, client):
    metadata = client.get_id(IdentityPoolId=server.pool())["ResponseMetadata"]
    assert metadata["RequestId"]
    assert metadata["HTTPHeaders"]["date"]


@moto_lacks("the request id of errors")
def test_errors_carry_a_request_id(server, client):
    with pytest.raises(client.exceptions.ResourceNotFoundException) as refused:
        client.get_id(IdentityPoolId=f"{REGION}:00000000-0000-0000-0000-000000000000")
    metadata = refused.value.response["ResponseMetadata"]
    assert metadata["RequestId"]
    assert metadata["HTTPStatusCode"] == 400


@moto_lacks("one identity for one login; its every GetId makes a new one")
def test_one_login_has_one_identity(server, client):
    pool = server.pool()
    first, second = (identity(client, pool, server.token(GOOGLE, "alice")) for _ in range(2))
    assert first == second


def test_every_guest_is_a_new_identity(server, client):
    pool = server.pool()
    assert identity(client, pool) != identity(client, pool)


@moto_lacks("the expiry of tokens")
def test_expired_token_is_not_authorized(server, client):
    with pytest.raises(client.exceptions.NotAuthorizedException, match="Token expired"):
        identity(client, server.pool(), server.token(GOOGLE, "alice", lifetime=-300))


@moto_lacks("the signature of tokens")
def test_forged_token_is_not_authorized(server, client):
    with pytest.raises(client.exceptions.NotAuthorizedException, match="verify signed token"):
        identity(client, server.pool(), server.token(GOOGLE, "alice", forged=True))


@moto_lacks("the audience of tokens")
def test_token_for_another_client_is_not_authorized(server, client):
    with pytest.raises(client.exceptions.NotAuthorizedException, match="audience"):
        identity(client, server.pool(), server.token(GOOGLE, "alice", audience="other"))


@moto_lacks("the issuer of tokens")
def test_token_under_a_wrong_key_is_not_authorized(server, client):
    [token] = server.token(AuthProvider.oidc("issuer.example.com"), "alice").values()
    with pytest.raises(client.exceptions.NotAuthorizedException, match="Issuer"):
        identity(client, server.pool(), {GOOGLE.login_key: token})


@moto_lacks("the form of tokens")
def test_text_that_is_no_token_is_not_authorized(server, client):
    with pytest.raises(client.exceptions.NotAuthorizedException, match="Not a valid OpenId"):
        identity(client, server.pool(), {GOOGLE.login_key: "x"})


@moto_lacks("the providers of a pool")
def test_provider_that_is_not_configured_is_not_authorized(server, client):
    apple = server.token(AuthProvider.APPLE, "alice")
    with pytest.raises(client.exceptions.NotAuthorizedException, match="supported provider"):
        identity(client, server.pool(), apple)


@moto_lacks("a pool closed to guests")
def test_guest_of_a_closed_pool_is_not_authorized(server, client):
    pool = server.pool()
    server.close_to_guests(pool)
    with pytest.raises(client.exceptions.NotAuthorizedException, match="Unauthenticated"):
        identity(client, pool)


@moto_lacks("whose identity it is")
def test_identity_without_its_login_is_not_authorized(server, client):
    alice = identity(client, server.pool(), server.token(GOOGLE, "alice"))
    with pytest.raises(client.exceptions.NotAuthorizedException, match="forbidden"):
        credentials(client, alice)


@moto_lacks("whose login it is")
def test_login_of_another_identity_is_not_authorized(server, client):
    alice = identity(client, server.pool(), server.token(GOOGLE, "alice"))
    with pytest.raises(client.exceptions.NotAuthorizedException, match="Logins don't match"):
        credentials(client, alice, server.token(GOOGLE, "bob"))


@moto_lacks("the merging of identities")
def test_guest_that_logs_in_as_a_known_user_gets_the_users_identity(server, client):
    pool, logins = server.pool(), server.token(GOOGLE, "alice")
    alice, guest = identity(client, pool, logins), identity(client, pool)
    assert credentials(client, guest, logins)["IdentityId"] == alice


@moto_lacks("conflicts of logins")
def test_second_login_of_one_provider_is_a_conflict(server, client):
    pool = server.pool()
    facebook = server.token(FACEBOOK, "al")
    identity(client, pool, facebook | server.token(GOOGLE, "alice"))
    with pytest.raises(client.exceptions.ResourceConflictException):
        identity(client, pool, facebook | server.token(GOOGLE, "bob"))


@moto_lacks("unknown pools; it answers HTML with status 500")
def test_unknown_pool_is_not_found(server, client):
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="not found"):
        client.get_id(IdentityPoolId=f"{REGION}:00000000-0000-0000-0000-000000000000")


@moto_lacks("unknown identities")
def test_unknown_identity_is_not_found(server, client):
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="not found"):
        credentials(client, f"{REGION}:00000000-0000-0000-0000-000000000000")


@moto_lacks("the limits of inputs")
def test_malformed_id_is_a_validation_error(server, client):
    with pytest.raises(botocore.exceptions.ClientError, match=r"ValidationException.*identityId"):
        credentials(client, "not-an-id")


@moto_lacks("the roles of a pool")
def test_pool_without_a_role_is_misconfigured(server, client):
    guest = identity(client, pool := server.pool())
    if isinstance(server, FakeServer):
        server.fake.update_identity_pool(pool, roles=PoolRoles(unauthenticated=None))
    with pytest.raises(client.exceptions.InvalidIdentityPoolConfigurationException):
        credentials(client, guest)


@moto_lacks("injected faults")
def test_throttling_is_retried_and_seen(server, client):
    pool = server.pool()
    server.fake.fail_next("TooManyRequestsException", times=2)
    answer = client.get_id(IdentityPoolId=pool)
    assert answer["ResponseMetadata"]["RetryAttempts"] == 2
    calls = server.fake.calls
    assert [call.code for call in calls] == ["TooManyRequestsException"] * 2 + [None]
    for number, call in enumerate(calls, 1):
        assert f"attempt={number}" in call.headers["amz-sdk-request"]
    assert len({call.headers["amz-sdk-invocation-id"] for call in calls}) == 1
    assert not any("authorization" in call.headers for call in calls)


@moto_lacks("injected faults")
def test_lost_answer_is_retried(server, client):
    pool = server.pool()
    server.fake.fail_next(cut_connection=True)
    assert client.get_id(IdentityPoolId=pool)["ResponseMetadata"]["RetryAttempts"] == 1


@moto_lacks("injected faults")
@pytest.mark.parametrize("operation", EXCEPTIONS)
def test_modelled_exceptions_are_raised_as_their_own_classes(server, client, operation):
    given = {
        "get_id": {"IdentityPoolId": "r:0"},
        "unlink_identity": {"IdentityId": "r:0", "Logins": {}, "LoginsToRemove": []},
    }.get(operation, {"IdentityId": "r:0"})
    for name in [*COMMON, *EXCEPTIONS[operation]]:
        server.fake.fail_next(name, operation=to_camel(operation), times=3, message="as asked")
        with pytest.raises(getattr(client.exceptions, name), match="as asked") as refused:
            getattr(client, operation)(**given)
        assert refused.value.response["Error"]["Code"] == name
        server.fake.clear_faults()


def to_camel(operation):
    return "".join(word.capitalize() for word in operation.split("_"))


def test_every_modelled_exception_is_tried():
    with contextlib.closing(
        boto3.client("cognito-identity", region_name=REGION, config=config())
    ) as client:
        model = client.meta.service_model
    for operation, more in EXCEPTIONS.items():
        shapes = model.operation_model(to_camel(operation)).error_shapes
        assert {shape.name for shape in shapes} == {*COMMON, *more}
