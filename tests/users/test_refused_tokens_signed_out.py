"""sign_out: a bearer token that is not taken any more, in any process."""

import json
import shutil
import sys
from contextlib import AsyncExitStack

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from amplify_federation import (
    AuthProvider,
    EncryptedFileStore,
    NetworkError,
    SignedOut,
    SignedOutError,
    ValidationError,
)
from amplify_federation.stores import _redis_client
from amplify_federation.testing import FakeCognito
from tests.stores.redis_server import PLENTY, RedisServer
from tests.users.kit import BOTH

GOOGLE, FACEBOOK = AuthProvider.GOOGLE, AuthProvider.FACEBOOK
HOUR, DAY = 3_600.0, 86_400.0


async def test_a_token_that_was_signed_out_is_not_taken_any_more(world):
    users, token = world.users(), world.token()
    bearer = users.bearer(token, GOOGLE)
    await bearer.fetch_auth_session()
    await users.sign_out(token, GOOGLE)
    with pytest.raises(SignedOutError, match="signed out") as caught:
        await users.session_for(token, GOOGLE)
    assert "new token" in caught.value.recovery_suggestion
    session = await bearer.fetch_auth_session()
    assert isinstance(session.credentials_result.error, SignedOutError)
    assert bearer.state == SignedOut()
    assert world.calls() == BOTH
    await users.session_for(world.token(), GOOGLE)  # the advice, followed


async def test_the_users_other_tokens_and_sessions_go_on(world):
    users, one, other = world.users(), world.token(), world.token(lifetime=2 * HOUR)
    await users.session_for(one, GOOGLE)
    before = await users.session_for(other, GOOGLE)
    await users.sign_out(one, GOOGLE)
    assert (await users.session_for(other, GOOGLE)).credentials == before.credentials


async def test_signing_out_twice_or_what_cognito_refuses_is_nothing_to_do(world):
    users, token = world.users(), world.token()
    await users.sign_out(token, GOOGLE)
    await users.sign_out(token, GOOGLE)
    await users.sign_out(world.token(forged=True), GOOGLE)
    with pytest.raises(SignedOutError):
        await users.session_for(token, GOOGLE)


async def test_a_token_that_cannot_be_judged_is_not_signed_out_and_says_so(world):
    users, token = world.users(max_attempts=1), world.token()
    world.transport.cut = True
    with pytest.raises(NetworkError):
        await users.sign_out(token, GOOGLE)
    world.transport.cut = False
    await users.session_for(token, GOOGLE)


async def test_what_is_no_token_is_refused_without_a_call(world):
    with pytest.raises(ValidationError):
        await world.users().sign_out("", GOOGLE)
    assert world.calls() == []


@pytest.mark.parametrize("provider", [GOOGLE, FACEBOOK])
async def test_a_token_without_a_near_end_stays_signed_out_after_its_record_is_gone(
    world, tmp_path, provider
):
    world.store = EncryptedFileStore(tmp_path / "sessions")
    token = world.token(lifetime=30 * DAY, provider=provider)
    await world.users().sign_out(token, provider)
    for record in (tmp_path / "sessions").glob("*.bearer"):
        record.unlink()  # as the store does after a day
    with pytest.raises(SignedOutError):
        await world.users().session_for(token, provider)


async def test_a_token_of_an_hour_leaves_nothing_but_its_record(world, tmp_path):
    world.store = EncryptedFileStore(tmp_path / "sessions")
    await world.users().sign_out(world.token(lifetime=HOUR), GOOGLE)
    assert not list((tmp_path / "sessions").glob("*.session"))


PROGRAM = """
import asyncio, json, sys, time
from amplify_federation import (
    AuthProvider, EncryptedFileStore, FederatedUsers, IdentityPool, SignedOutError,
)
from amplify_federation.stores import _redis_client
from amplify_federation.stores.redis import RedisStore

_redis_client.DEADLINE = 30.0  # a busy machine may take its time
given = json.loads(sys.stdin.readline())

async def main():
    key = bytes(32)
    folder, url = given["folder"], given["redis"]
    store = RedisStore(url, key=key) if url else EncryptedFileStore(folder, key=key)
    pool = IdentityPool(given["pool"], endpoint_url=given["url"])
    async with FederatedUsers(pool, store=store) as users:
        await users.session_for(given["token"], AuthProvider.GOOGLE)
        print("federated", flush=True)
        sys.stdin.readline()
        signed_out = time.monotonic()
        while time.monotonic() - signed_out < 30:
            try:
                await users.session_for(given["token"], AuthProvider.GOOGLE)
            except SignedOutError:
                print("refused", flush=True)
                break
            await asyncio.sleep(0.05)
    if url:
        await store.aclose()

asyncio.run(main())
"""


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # redis-py's only event loop
@pytest.mark.parametrize("kind", ["folder", "redis"])
async def test_another_process_that_took_the_token_refuses_it_too(tmp_path, monkeypatch, kind):
    redis = None
    fake = FakeCognito()
    token = fake.issue_token(GOOGLE, "alice")
    async with AsyncExitStack() as stack:
        if kind == "redis":
            pytest.importorskip("redis", reason="needs the extra `redis`")
            if shutil.which("redis-server") is None:
                pytest.skip("no Redis server is installed")
            redis = stack.enter_context(RedisServer(tmp_path))
            monkeypatch.setattr(_redis_client, "DEADLINE", PLENTY)
        url = await stack.enter_async_context(fake.serve())
        given = {
            "pool": fake.create_identity_pool(), "url": url, "token": token,
            "folder": str(tmp_path / "sessions"), "redis": redis.url if redis else "",
        }  # fmt: skip
        async with await anyio.open_process([sys.executable, "-c", PROGRAM]) as other:
            said = BufferedByteReceiveStream(other.stdout)
            await other.stdin.send(json.dumps(given).encode() + b"\n")
            assert await said.receive_until(b"\n", 100) == b"federated"
            await sign_out(given)
            await other.stdin.send(b"\n")
            assert await said.receive_until(b"\n", 100) == b"refused"
            await other.stdin.aclose()


async def sign_out(given):
    from amplify_federation import FederatedUsers, IdentityPool  # noqa: PLC0415  # here alone

    store = EncryptedFileStore(given["folder"], key=bytes(32))
    if given["redis"]:
        from amplify_federation.stores.redis import RedisStore  # noqa: PLC0415  # an extra

        store = RedisStore(given["redis"], key=bytes(32))
    pool = IdentityPool(given["pool"], endpoint_url=given["url"])
    async with FederatedUsers(pool, store=store) as users:
        await users.sign_out(given["token"], GOOGLE)
    if given["redis"]:
        await store.aclose()
