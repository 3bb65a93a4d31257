"""Which client an URL means: one server, a cluster, Sentinels."""

import anyio
import pytest

from amplify_federation import (
    ConfigurationError,
    StoreUnavailableError,
)
from amplify_federation.stores.redis import RedisStore
from tests.stores.redis_server import KEY, RedisServer, needs_redis


@pytest.mark.parametrize(
    "url",
    [
        "", "localhost", "http://localhost", "redis://", "redis+nothing://h", None, 7,
        "redis://h:port", "redis+sentinel://h:26379", "redis+sentinel:///service",
        "redis://:hunter2@h/0?socket_timeout=x",
    ],
)  # fmt: skip
def test_an_url_that_means_no_redis_is_refused_unshown(url):
    with pytest.raises(ConfigurationError) as caught:
        RedisStore(url, key=KEY)
    assert "hunter2" not in str(caught.value)


def test_no_password_shows():
    store = RedisStore("redis://user:hunter2@redis.example:6379/0", key=KEY)
    assert repr(store) == "<RedisStore redis.example:6379>"


def test_a_missing_redis_py_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "redis.asyncio", None)
    with pytest.raises(ConfigurationError, match=r"amplify-federation\[redis\]"):
        RedisStore("redis://127.0.0.1", key=KEY)


@needs_redis
async def test_a_cluster_is_served(tmp_path):
    server = RedisServer(tmp_path, "--cluster-enabled", "yes")
    try:
        server.ask("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        while "cluster_state:ok" not in server.ask("CLUSTER", "INFO"):
            await anyio.lowlevel.checkpoint()
        async with RedisStore(f"redis+cluster://127.0.0.1:{server.port}", key=KEY) as store:
            version = await store.compare_and_set("a", b"one", expected=None)
            async with store.lock("a", timeout=0):
                assert (await store.read("a")).version == version
            assert await store.rotate() == 1
            await store.delete("a", expected=None)
    finally:
        server.stop()


@needs_redis
async def test_the_master_that_sentinels_name_is_served(tmp_path, server):
    configuration = tmp_path / "sentinel.conf"
    configuration.write_text(f"sentinel monitor game 127.0.0.1 {server.port} 1\n")
    sentinel = RedisServer(tmp_path, "--sentinel", file=configuration)
    try:
        url = f"redis+sentinel://127.0.0.1:{sentinel.port}/game/0"
        async with RedisStore(url, key=KEY) as store:
            version = await store.compare_and_set("a", b"one", expected=None)
            assert (await store.read("a")).version == version
            server.kill()
            with pytest.raises(StoreUnavailableError):
                await store.read("a")
    finally:
        sentinel.stop()
