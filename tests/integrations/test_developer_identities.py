"""A backend gives its own users identities, and their clients federate with what it gives."""

import traceback

import pytest

from amplify_federation import (
    AuthProvider,
    FederatedAuth,
    IdentityPool,
    InvalidStateError,
    MemoryStore,
    ValidationError,
)
from amplify_federation.integrations import live_session
from amplify_federation.integrations.developer_identities import DeveloperIdentities

exceptions = pytest.importorskip("botocore.exceptions")
pytest.importorskip("aiobotocore")

NAME = "login.example.app"


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def developer_pool(fake, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIABACKEND")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the backend")
    providers = {AuthProvider.DEVELOPER: [NAME], AuthProvider.GOOGLE: ["client"]}
    pool = fake.create_identity_pool(providers)
    with fake.serve() as url:
        yield IdentityPool(pool, endpoint_url=url)


@pytest.fixture
async def identities(developer_pool):
    async with DeveloperIdentities(developer_pool, NAME) as identities:
        yield identities


async def test_a_client_federates_with_what_its_backend_gave(identities, developer_pool):
    given = await identities.token_for("user-17")
    async with FederatedAuth(developer_pool, store=MemoryStore()) as auth:
        result = await auth.federate_to_identity_pool(
            given.token,
            AuthProvider.DEVELOPER,
            developer_provided_identity_id=given.identity_id,
        )
    assert result.identity_id == given.identity_id
    assert (await identities.token_for("user-17")).identity_id == given.identity_id
    assert given.token not in repr(given)


async def test_identities_are_found_merged_and_unlinked(identities):
    first = (await identities.token_for("first")).identity_id
    second = (await identities.token_for("second")).identity_id
    assert await identities.identity_of("first") == first != second
    assert await identities.identity_of("nobody") is None
    merged = await identities.merge("first", "second")
    assert await identities.identity_of("first") == await identities.identity_of("second") == merged
    assert sorted(await identities.users_of(merged)) == ["first", "second"]
    await identities.unlink("first", merged)
    assert await identities.users_of(merged) == ["second"]


async def test_many_users_of_an_identity_are_all_told(identities):
    await identities.token_for("user-0")
    for number in range(1, 25):
        await identities.token_for(f"user-{number}")
        await identities.merge(f"user-{number}", "user-0")
    identity_id = await identities.identity_of("user-0")
    assert len(set(await identities.users_of(identity_id))) == 25


async def test_a_refusal_holds_no_token_of_another_provider(identities, fake):
    token = fake.issue_token(AuthProvider.GOOGLE, "alice")[:-8] + "canary12"
    with pytest.raises(exceptions.ClientError) as caught:
        await identities.token_for("user-17", logins={AuthProvider.GOOGLE: token})
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [
        f"{frame.name} {frame.locals}" for frame in shown.stack if "/tests/" not in frame.filename
    ]
    assert ours
    assert token not in "".join([*ours, str(caught.value)])


async def test_malformed_arguments_and_a_closed_client_are_told(identities, developer_pool):
    for wrong in (
        lambda: identities.token_for(""),
        lambda: identities.token_for("u", duration=0),
        lambda: identities.token_for("u", logins={AuthProvider.GOOGLE: 5}),
    ):
        with pytest.raises(ValidationError):
            await wrong()
    with pytest.raises(InvalidStateError, match="not open") as caught:
        await DeveloperIdentities(developer_pool, NAME).identity_of("user")
    assert "async with" in caught.value.recovery_suggestion


def test_a_missing_aiobotocore_is_named(monkeypatch):
    monkeypatch.setattr(live_session, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"amplify-federation\[developer\]"):
        DeveloperIdentities("us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768", NAME)
