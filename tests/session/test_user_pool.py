"""The seam to an application's own user-pool sign-in."""

import anyio
import boto3
import pytest
from moto.server import ThreadedMotoServer

from amplify_federation import (
    AuthError,
    AuthProvider,
    AuthUser,
    CallTimeoutError,
    FederatedAuth,
    IdentityPool,
    InvalidStateError,
    MemoryStore,
    NetworkError,
    SignedOut,
    SignedOutError,
    UserPoolTokens,
)
from tests.concurrency import Gate, concurrently, pending
from tests.session.kit import BOTH, GET_CREDENTIALS, HOUR
from tests.virtual_time import virtual_time

GOOGLE, FACEBOOK = AuthProvider.GOOGLE, AuthProvider.FACEBOOK
USERS = AuthProvider.cognito_user_pool("us-west-2_Ab1Cd2Ef3")


class Users:
    """An application's user-pool sign-in."""

    provider = USERS

    def __init__(self, world) -> None:
        self.world = world
        self.subject = None
        self.failure = None
        self.token = None

    async def tokens(self):
        if self.failure is not None:
            raise self.failure
        if self.token is not None:
            return UserPoolTokens(self.token)
        if self.subject is None:
            return None
        token = self.world.token(
            self.subject, USERS, claims={"cognito:username": self.subject.title()}
        )
        return UserPoolTokens(token)


@pytest.fixture
def users(world):
    world.pool_id = world.fake.create_identity_pool(
        providers={GOOGLE: ["google"], USERS: ["users"]}
    )
    return Users(world)


@pytest.fixture
def auth(world, users):
    return world.auth(user_pool=users)


async def test_a_user_pool_user_gets_all_four_values(world, users, auth):
    users.subject = "alice"
    session = await auth.fetch_auth_session()
    assert session.is_signed_in
    assert session.identity_id.startswith("us-west-2:")
    assert session.credentials.access_key_id
    assert session.user_pool_tokens.id_token
    assert session.user_sub == "alice"
    assert await auth.get_current_user() == AuthUser("alice", "Alice")


async def test_the_credentials_of_a_user_are_kept_in_memory_only(world, users, auth):
    users.subject = "alice"
    first = await auth.fetch_auth_session()
    second = await auth.fetch_auth_session()
    assert second.credentials == first.credentials
    assert await world.store.read(world.name) is None


async def test_another_user_is_never_served_the_old_credentials(world, users, auth):
    users.subject = "alice"
    alice = await auth.fetch_auth_session()
    world.calls()
    users.subject = "bob"
    bob = await auth.fetch_auth_session()
    assert world.calls() == BOTH
    assert bob.identity_id != alice.identity_id
    assert bob.credentials != alice.credentials
    assert bob.user_sub == "bob"


async def test_federation_is_refused_while_a_user_is_active(world, users, auth):
    users.subject = "alice"
    token = world.token()
    world.fake.calls.clear()
    with pytest.raises(InvalidStateError, match="Cannot federate to identity pool with active"):
        await auth.federate_to_identity_pool(token, GOOGLE)
    assert world.fake.calls == []


async def test_an_earlier_federation_is_cleared(world, users, auth):
    await auth.federate_to_identity_pool(world.token(), GOOGLE)
    users.subject = "alice"
    await auth.fetch_auth_session()
    assert isinstance(auth.state, SignedOut)


async def test_the_session_is_signed_out_when_the_user_is_gone(world, users, auth):
    users.subject = "alice"
    await auth.fetch_auth_session()
    users.subject = None
    session = await auth.fetch_auth_session()
    assert not session.is_signed_in
    assert isinstance(session.credentials_result.error, SignedOutError)
    with pytest.raises(SignedOutError):
        await auth.get_current_user()
    world.calls()
    users.subject = "alice"
    await auth.fetch_auth_session()
    assert world.calls() == BOTH  # nothing was remembered of the user


async def test_credentials_that_are_over_are_renewed_under_the_same_identity(world, users, auth):
    users.subject = "alice"
    first = await auth.fetch_auth_session()
    world.fake.advance(HOUR)
    world.fake.calls.clear()
    second = await auth.fetch_auth_session()
    assert second.identity_id == first.identity_id
    assert second.credentials != first.credentials
    assert [call.operation for call in world.fake.calls] == [GET_CREDENTIALS]


async def test_a_wall_clock_that_jumps_back_does_not_prolong_a_users_credentials(
    world, users, auth
):
    users.subject = "alice"
    first = await auth.fetch_auth_session()
    world.clock.advance(HOUR)
    world.clock.jump_wall(-HOUR)
    assert (await auth.fetch_auth_session()).credentials != first.credentials


async def test_many_callers_federate_a_user_once(world, users, auth):
    users.subject = "alice"
    await concurrently(*(auth.fetch_auth_session() for _ in range(20)))
    assert world.calls() == BOTH


async def test_a_user_who_signs_in_during_anothers_federation_gets_their_own(world, users, auth):
    users.subject = "alice"
    gate = world.transport.before[GET_CREDENTIALS] = Gate()
    async with pending(auth.fetch_auth_session(), at=gate) as alice:
        users.subject = "bob"
        async with pending(auth.fetch_auth_session(), at=gate) as bob:
            pass
    assert (alice.result.user_sub, bob.result.user_sub) == ("alice", "bob")
    assert alice.result.identity_id != bob.result.identity_id


async def test_a_token_that_cannot_be_read_is_its_own_users_alone(world, users, auth):
    users.provider = FACEBOOK
    world.fake.update_identity_pool(world.pool_id, providers=[FACEBOOK])
    for expected in (BOTH, [], BOTH):
        if expected:
            users.token = world.token("olga", FACEBOOK)
        await auth.fetch_auth_session()
        assert world.calls() == expected


@virtual_time
async def test_a_user_pool_that_hangs_is_a_timeout_in_all_four_fields(world, users, auth):
    async def hang():
        await anyio.sleep_forever()

    users.tokens = hang
    session = await auth.fetch_auth_session()
    assert not session.is_signed_in
    assert isinstance(session.credentials_result.error, CallTimeoutError)
    assert isinstance(session.user_sub_result.error, CallTimeoutError)


@virtual_time
async def test_a_federation_that_hangs_leaves_the_users_tokens_readable(world, users, auth):
    users.subject = "alice"
    world.transport.before[GET_CREDENTIALS] = Gate()
    session = await auth.fetch_auth_session()
    assert isinstance(session.credentials_result.error, CallTimeoutError)
    assert session.user_sub == "alice"


async def test_force_refresh_renews(world, users, auth):
    users.subject = "alice"
    first = await auth.fetch_auth_session()
    second = await auth.fetch_auth_session(force_refresh=True)
    assert second.credentials != first.credentials


async def test_what_the_user_pool_raises_sits_in_all_four_fields(world, users, auth):
    users.failure = RuntimeError("no refresh")
    session = await auth.fetch_auth_session()
    errors = [
        session.identity_id_result.error,
        session.credentials_result.error,
        session.user_pool_tokens_result.error,
        session.user_sub_result.error,
    ]
    assert all(isinstance(error, AuthError) for error in errors)
    assert all(error.__cause__ is users.failure for error in errors)
    with pytest.raises(AuthError):
        await auth.get_current_user()


async def test_an_outage_leaves_the_tokens_readable(world, users, auth):
    users.subject = "alice"
    world.transport.cut = True
    session = await auth.fetch_auth_session()
    assert isinstance(session.credentials_result.error, NetworkError)
    assert session.user_sub == "alice"
    assert session.is_signed_in


async def test_an_outage_leaves_good_credentials_in_use(world, users, auth):
    users.subject = "alice"
    first = await auth.fetch_auth_session()
    world.transport.cut = True
    session = await auth.fetch_auth_session(force_refresh=True)
    assert session.credentials == first.credentials
    assert isinstance(session.renewal_error, NetworkError)


@pytest.fixture(scope="module")
def moto():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def moto_user(url):
    """Sign a user in to a user pool of moto's, as an application would with boto3."""
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    client = boto3.client("cognito-idp", region_name="us-west-2", endpoint_url=url, **keys)
    pool_id = client.create_user_pool(PoolName="players")["UserPool"]["Id"]
    created = client.create_user_pool_client(UserPoolId=pool_id, ClientName="app")
    client_id = created["UserPoolClient"]["ClientId"]
    client.admin_create_user(UserPoolId=pool_id, Username="alice")
    client.admin_set_user_password(
        UserPoolId=pool_id, Username="alice", Password="Passw0rd!", Permanent=True
    )
    answer = client.admin_initiate_auth(
        UserPoolId=pool_id,
        ClientId=client_id,
        AuthFlow="ADMIN_NO_SRP_AUTH",
        AuthParameters={"USERNAME": "alice", "PASSWORD": "Passw0rd!"},
    )["AuthenticationResult"]
    client.close()
    return pool_id, UserPoolTokens(answer["IdToken"], answer["AccessToken"])


def moto_identity_pool(url):
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    client = boto3.client("cognito-identity", region_name="us-west-2", endpoint_url=url, **keys)
    answer = client.create_identity_pool(
        IdentityPoolName="players", AllowUnauthenticatedIdentities=False
    )
    client.close()
    return answer["IdentityPoolId"]


async def test_the_tokens_of_a_real_user_pool_sign_in_are_federated(moto):
    user_pool_id, tokens = moto_user(moto)

    class Players:
        provider = AuthProvider.cognito_user_pool(user_pool_id)

        async def tokens(self):
            return tokens

    pool = IdentityPool(moto_identity_pool(moto), endpoint_url=moto)
    async with FederatedAuth(pool, store=MemoryStore(), user_pool=Players()) as auth:
        session = await auth.fetch_auth_session()
        assert session.credentials.access_key_id
        user = await auth.get_current_user()
        assert user.user_id == session.user_sub
        assert user.username == "alice"
