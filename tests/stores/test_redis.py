"""RedisStore over a real redis-server: what it promises, its keys, and sessions over it."""

import pytest

from amplify_federation import (
    AuthProvider,
    AuthSettings,
    ConfigurationError,
    FederatedUsers,
    KeyRing,
    SessionKeyError,
    StoreUnavailableError,
)
from amplify_federation.stores.redis import RedisStore
from amplify_federation.testing import StoreContract
from tests.session.kit import World, federate
from tests.stores.redis_fixtures import *  # noqa: F403  # fixtures
from tests.stores.redis_server import (
    KEY,
    RedisServer,
    needs_redis,
    suspended,
)


@needs_redis
class TestRedisStore(StoreContract):
    backends = ("asyncio",)

    @pytest.fixture(autouse=True)
    def _server(self, server):
        self.url = server.url

    def make_store(self):
        return RedisStore(self.url, key=KEY)

    async def close_store(self, store):
        await store.aclose()


@needs_redis
async def test_a_wrong_key_is_told_and_changes_nothing(store, server):
    await store.compare_and_set("a", b"one", expected=None)
    async with RedisStore(server.url, key=bytes(32)) as wrong:
        with pytest.raises(SessionKeyError):
            await wrong.read("a")
        with pytest.raises(SessionKeyError):
            await wrong.compare_and_set("a", b"two", expected=None)
    assert (await store.read("a")).data == b"one"


@pytest.mark.parametrize(
    "arguments", [{"namespace": ""}, {"namespace": None}, {"keep_for": 0}, {"key": b"short"}]
)
def test_wrong_arguments_are_refused(arguments):
    with pytest.raises(ConfigurationError):
        RedisStore("redis://127.0.0.1", **{"key": KEY, **arguments})


@needs_redis
async def test_a_replaced_key_opens_the_records_of_the_old_one(store, server):
    await store.compare_and_set("a", b"one", expected=None)
    async with RedisStore(server.url, key=KeyRing([bytes(32), KEY])) as ring:
        assert (await ring.read("a")).data == b"one"


@needs_redis
async def test_rotation_leaves_nothing_that_needs_the_old_key(store, server):
    for number in range(3):
        await store.compare_and_set(f"u{number}", b"%d" % number, expected=None)
    new = bytes(32)
    async with RedisStore(server.url, key=KeyRing([new, KEY])) as ring:
        assert await ring.rotate() == 3
    async with RedisStore(server.url, key=new) as rotated:
        assert [(await rotated.read(f"u{number}")).data for number in range(3)] == [
            b"0",
            b"1",
            b"2",
        ]
    async with RedisStore(server.url, key=KEY) as old:
        with pytest.raises(SessionKeyError):
            await old.read("u0")


@needs_redis
async def test_rotation_tells_of_sessions_that_no_key_opens(store, server):
    await store.compare_and_set("a", b"one", expected=None)
    other = RedisStore(server.url, key=bytes(32), namespace="other")
    async with other:
        await other.compare_and_set("b", b"two", expected=None)
    key = next(k for k in server.ask("KEYS", "other:session:*").split("\r\n") if ":session:" in k)
    server.ask("COPY", key, "amplify_federation:session:stray")
    with pytest.raises(SessionKeyError, match="1 others"):
        await store.rotate()
    assert (await store.read("a")).data == b"one"


@needs_redis
async def test_rotation_touches_its_own_namespace_alone(server):
    async with RedisStore(server.url, key=KEY, namespace="a*") as one:
        await one.compare_and_set("a", b"one", expected=None)
        async with RedisStore(server.url, key=bytes(32), namespace="ab") as other:
            await other.compare_and_set("b", b"two", expected=None)
        assert await one.rotate() == 1


@needs_redis
async def test_memory_serves_while_redis_is_down_and_a_clear_fails_loudly(
    store, server, monkeypatch, tmp_path
):
    monkeypatch.setenv("AMPLIFY_FEDERATION_HOME", str(tmp_path / "home"))
    world = World()
    users = FederatedUsers(
        world.pool_id,
        store=store,
        http_client=world.client,
        settings=AuthSettings(clock=world.clock),
    )
    auth = users.auth("alice")
    first = await federate(auth, world.token(lifetime=100_000))
    bearer = world.token("bob", lifetime=100_000)
    bob = await users.session_for(bearer, AuthProvider.GOOGLE)
    with suspended(server):
        world.clock.advance(1)
        assert (await auth.fetch_auth_session()).credentials == first.credentials
        session = await users.session_for(bearer, AuthProvider.GOOGLE)
        assert session.credentials == bob.credentials
        with pytest.raises(StoreUnavailableError):
            await auth.clear_federation_to_identity_pool()
        assert (await auth.fetch_auth_session()).is_signed_in
        world.clock.advance(3600)
        with pytest.raises(StoreUnavailableError):
            await auth.fetch_auth_session()
    assert (await auth.fetch_auth_session()).is_signed_in
    await users.aclose()
    assert not (tmp_path / "home").exists()  # no silent local file


@needs_redis
async def test_a_backend_starts_while_redis_is_down_and_serves_when_it_is_back(
    store, server, caplog
):
    world = World()
    token = world.token("alice")
    server.kill()
    async with FederatedUsers(world.pool_id, store=store, http_client=world.client) as users:
        assert [record.event for record in caplog.records] == ["store_unavailable"]
        with pytest.raises(StoreUnavailableError):
            await users.session_for(token, AuthProvider.GOOGLE)
        server.start()
        assert (await users.session_for(token, AuthProvider.GOOGLE)).is_signed_in


@needs_redis
async def test_a_backend_does_not_start_with_a_login_that_redis_refuses(tmp_path):
    with RedisServer(tmp_path, "--requirepass", "right") as server:
        async with RedisStore(server.url, key=KEY) as store:
            with pytest.raises(StoreUnavailableError, match="wants a password") as caught:
                async with FederatedUsers("us-west-2:" + "0" * 8, store=store):
                    pass
    assert not caught.value.retryable
