"""Sign-out: the session is forgotten whatever happens, and the provider told where it listens."""

import anyio
import httpx
import pytest

from amplify_federation import (
    ConfigurationError,
    EncryptedFileStore,
    FederatedUsers,
    MemoryStore,
    Revocation,
    SessionExpiredError,
    SignedOut,
    StoreUnavailableError,
)
from amplify_federation._oidc.refresh import refresh
from tests.oidc.kit import GOOGLE, Person, signed_in


@pytest.fixture
async def signed(world):
    return await signed_in(Person(world))


@pytest.fixture
async def auth(world, signed):
    async with world.auth(MemoryStore()) as auth:
        await auth.federate_to_identity_pool(
            signed.id_token, signed.provider, refresh_grant=signed.refresh_grant
        )
        yield auth


async def is_alive(world, grant):
    async def keep(_grant):
        pass

    try:
        await refresh(grant, world.http, keep)
    except SessionExpiredError:
        return False
    return True


async def test_a_sign_out_clears_and_revokes(world, auth, signed):
    result = await auth.sign_out()
    assert result.revocation is Revocation.REVOKED
    assert result.recovery_suggestion is None
    assert auth.state == SignedOut()
    assert not await is_alive(world, signed.refresh_grant)


async def test_a_local_sign_out_asks_nobody(world, auth, signed):
    world.requests.clear()
    assert (await auth.sign_out(local=True)).revocation is Revocation.NOT_ASKED
    assert world.requests == []
    assert auth.state == SignedOut()
    assert await is_alive(world, signed.refresh_grant)


async def test_the_refresh_token_of_the_store_is_revoked_and_not_an_older_one(world, auth):
    world.fake.advance(7200)
    async with world.auth(auth._session.context.store) as other:
        assert (await other.fetch_auth_session()).is_signed_in  # and rotates
        rotated = other.state.linked_logins[0].refresh_grant
    assert (await auth.sign_out()).revocation is Revocation.REVOKED
    assert not await is_alive(world, rotated)


async def test_without_a_refresh_token_there_is_nothing_to_revoke(world):
    async with world.auth(MemoryStore()) as auth:
        assert (await auth.sign_out()).revocation is Revocation.NOTHING_TO_REVOKE
        await auth.federate_to_identity_pool(world.fake.issue_token(GOOGLE, "alice"), GOOGLE)
        assert (await auth.sign_out()).revocation is Revocation.NOTHING_TO_REVOKE
        assert auth.state == SignedOut()


def without_revocation(world):
    async def respond(request):
        if not request.url.path.endswith("openid-configuration"):
            return await world.fake.transport.handle_async_request(request)
        document = world.fake.discovery_document(GOOGLE)
        del document["revocation_endpoint"]
        return httpx.Response(200, json=document)

    return respond


def refusing(world):
    async def respond(request):
        if request.url.path.endswith("/revoke"):
            return httpx.Response(503)
        return await world.fake.transport.handle_async_request(request)

    return respond


def unreachable(_world):
    def respond(request):
        raise httpx.ConnectError("no route", request=request)

    return respond


@pytest.mark.parametrize(
    ("transport", "revocation"),
    [
        (without_revocation, Revocation.NOT_OFFERED),
        (refusing, Revocation.FAILED),
        (unreachable, Revocation.FAILED),
    ],
)
async def test_a_provider_that_does_not_revoke_holds_no_sign_out_up(
    world, auth, transport, revocation
):
    world.http._transport = httpx.MockTransport(transport(world))
    result = await auth.sign_out()
    assert result.revocation is revocation
    assert "page of connected applications" in result.recovery_suggestion
    assert auth.state == SignedOut()


async def test_a_provider_that_hangs_is_not_waited_for(world, auth, monkeypatch):
    async def respond(_request):
        await anyio.sleep_forever()

    monkeypatch.setattr("amplify_federation._oidc.refresh._DEADLINE", 0.05)
    world.http._transport = httpx.MockTransport(respond)
    result = await auth.sign_out()
    assert result.revocation is Revocation.FAILED
    assert "0.05 s" in result.message


async def test_a_record_that_no_key_opens_is_forgotten_and_said_not_to_be_revoked(
    world, signed, tmp_path
):
    async with world.auth(EncryptedFileStore(tmp_path / "s", key=b"a" * 32)) as auth:
        await auth.federate_to_identity_pool(
            signed.id_token, signed.provider, refresh_grant=signed.refresh_grant
        )
    auth = world.auth(EncryptedFileStore(tmp_path / "s", key=b"b" * 32))
    result = await auth.sign_out()
    await auth.aclose()
    assert result.revocation is Revocation.FAILED
    assert "could not be read" in result.message
    assert await is_alive(world, signed.refresh_grant)
    async with world.auth(EncryptedFileStore(tmp_path / "s", key=b"a" * 32)) as again:
        assert again.state == SignedOut()


async def test_a_store_that_fails_forgets_and_revokes_nothing(world, auth, signed, monkeypatch):
    store = auth._session.context.store

    async def fail(*_arguments, **_named):
        message = "read-only"
        raise StoreUnavailableError(message)

    with monkeypatch.context() as patch:
        patch.setattr(store, "compare_and_set", fail)
        patch.setattr(store, "delete", fail)
        with pytest.raises(StoreUnavailableError):
            await auth.sign_out()
    assert await is_alive(world, signed.refresh_grant)


async def test_without_the_extra_the_session_is_forgotten_all_the_same(world, auth, monkeypatch):
    def missing():
        message = "Signing in at an OpenID provider needs Authlib."
        raise ConfigurationError(message)

    monkeypatch.setattr("amplify_federation._oidc.client.check_installed", missing)
    result = await auth.sign_out()
    assert result.revocation is Revocation.FAILED
    assert "Authlib" in result.message
    assert auth.state == SignedOut()


async def test_a_handle_of_many_users_signs_out_too(world, signed):
    async with FederatedUsers(
        world.pool, store=MemoryStore(), settings=world.settings, http_client=world.http
    ) as users:
        auth = users.auth("alice")
        await auth.federate_to_identity_pool(
            signed.id_token, signed.provider, refresh_grant=signed.refresh_grant
        )
        world.fake.advance(7200)
        assert (await auth.fetch_auth_session()).is_signed_in
        assert (await auth.sign_out()).revocation is Revocation.REVOKED
