"""A session on a clock that moves, and moto to sign requests for."""

from functools import partial

import httpx
import pytest

from amplify_federation import (
    AuthProvider,
    AuthSettings,
    FederatedAuth,
    FederatedUsers,
    MemoryStore,
)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch, tmp_path):
    """No profile, no key and no region of whoever runs the tests."""
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
async def client(fake):
    async with httpx.AsyncClient(transport=fake.transport) as client:
        yield client


@pytest.fixture
def pool(fake):
    return fake.create_identity_pool()


@pytest.fixture
def store():
    return MemoryStore()


@pytest.fixture
def open_auth(client, clock, pool, store):
    return partial(
        FederatedAuth, pool, store=store, http_client=client, settings=AuthSettings(clock=clock)
    )


@pytest.fixture
async def auth(open_auth):
    async with open_auth() as auth:
        yield auth


@pytest.fixture
def sign_in(fake, pool):
    async def sign_in(auth, user="alice"):
        token = fake.issue_token(AuthProvider.GOOGLE, user)
        return await auth.federate_to_identity_pool(token, AuthProvider.GOOGLE)

    return sign_in


@pytest.fixture
def signers_of():
    """Remember with which access key id and token each request of a client is signed."""
    return _signers_of


@pytest.fixture
def pair():
    """The two parts of credentials that a request shows."""
    return lambda credentials: (credentials.access_key_id, credentials.session_token)


def _signers_of(client):
    """Remember with which access key id and token each request was signed."""
    seen = []

    def remember(request, **_):
        def text(value):
            return value.decode() if isinstance(value, bytes) else str(value)

        authorization = text(request.headers["Authorization"])
        token = text(request.headers["X-Amz-Security-Token"])
        seen.append((authorization.split("Credential=")[1].split("/")[0], token))

    client.meta.events.register("before-send.*", remember)
    return seen


@pytest.fixture
async def users(pool, store, client, clock):
    settings = AuthSettings(clock=clock)
    async with FederatedUsers(pool, store=store, http_client=client, settings=settings) as users:
        yield users


@pytest.fixture
def bearer(users, fake):
    """Make the live session of a user, whose token outlives three sets of credentials."""

    def bearer(user="alice"):
        token = fake.issue_token(AuthProvider.GOOGLE, user, lifetime=3 * 3600.0)
        return users.bearer(token, AuthProvider.GOOGLE)

    return bearer
