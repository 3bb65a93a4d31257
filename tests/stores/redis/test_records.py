"""How long records are kept, and what a full Redis does."""

import pytest

from amplify_federation import (
    StoreConflictError,
    StoreUnavailableError,
)
from amplify_federation.stores.redis import RedisStore
from tests.stores.redis_server import KEY, RedisServer, needs_redis


@needs_redis
async def test_records_are_forgotten_a_while_after_their_last_write(store, server):
    await store.compare_and_set("a", b"one", expected=None)
    await store.keeping(100).compare_and_set("b", b"two", expected=None)
    keys = [line for line in server.ask("KEYS", "*:session:*").split("\r\n") if ":session:" in line]
    lives = sorted(int(server.ask("TTL", key).strip(":\r\n")) for key in keys)
    assert 90 < lives[0] <= 100
    assert 29 * 86_400 < lives[1] <= 30 * 86_400
    assert await store.read("b") is not None


@needs_redis
async def test_a_redis_without_room_refuses_writes_and_serves_reads(tmp_path):
    server = RedisServer(tmp_path, "--maxmemory-policy", "noeviction")
    try:
        async with RedisStore(server.url, key=KEY) as store:
            version = await store.compare_and_set("a", b"one", expected=None)
            server.ask("CONFIG", "SET", "maxmemory", "1")
            with pytest.raises(StoreUnavailableError, match="OutOfMemory"):
                await store.compare_and_set("a", b"two", expected=version)
            assert (await store.read("a")).data == b"one"
    finally:
        server.stop()


@needs_redis
async def test_an_evicting_redis_loses_records_and_mixes_up_none(tmp_path):
    server = RedisServer(tmp_path, "--maxmemory", "3mb", "--maxmemory-policy", "allkeys-random")
    lost = 0
    try:
        async with RedisStore(server.url, key=KEY) as store:
            for number in range(600):
                with_name = f"user-{number}"
                try:
                    await store.compare_and_set(with_name, with_name.encode() * 400, expected=None)
                except (StoreConflictError, StoreUnavailableError):
                    lost += 1
            for number in range(600):
                record = await store.read(f"user-{number}")
                lost += record is None
                assert record is None or record.data == f"user-{number}".encode() * 400
    finally:
        server.stop()
    assert 0 < lost < 600


@needs_redis
async def test_a_record_moved_to_another_name_counts_as_absent(store, server, caplog):
    await store.compare_and_set("alice", b"alice's", expected=None)
    alice = server.ask("KEYS", "*:session:*").split("\r\n")
    alice = next(k for k in alice if ":session:" in k)
    await store.compare_and_set("mallory", b"mallory's", expected=None)
    keys = [k for k in server.ask("KEYS", "*:session:*").split("\r\n") if ":session:" in k]
    mallory = next(k for k in keys if k != alice)
    assert server.ask("COPY", alice, mallory, "REPLACE") == ":1\r\n"
    async with RedisStore(server.url, key=KEY) as fresh:
        assert await fresh.read("mallory") is None
        assert (await fresh.read("alice")).data == b"alice's"
    assert "damaged" in caplog.text
