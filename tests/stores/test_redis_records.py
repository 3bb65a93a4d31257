"""Records in Redis: their keys and lives, leases, and what a full Redis does."""

import re

import anyio
import pytest

from amplify_federation import StoreConflictError, StoreLockedError, StoreUnavailableError
from amplify_federation.stores import _redis_records
from amplify_federation.stores.redis import RedisStore
from tests.stores.redis_fixtures import *  # noqa: F403  # fixtures
from tests.stores.redis_server import KEY, PLENTY, RedisServer, needs_redis


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
    with RedisServer(tmp_path, "--maxmemory-policy", "noeviction") as server:
        async with RedisStore(server.url, key=KEY) as store:
            version = await store.compare_and_set("a", b"one", expected=None)
            server.ask("CONFIG", "SET", "maxmemory", "1")
            with pytest.raises(StoreUnavailableError, match="no memory left"):
                await store.compare_and_set("a", b"two", expected=version)
            assert (await store.read("a")).data == b"one"


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


@needs_redis
async def test_the_naming_secret_is_never_forgotten(store, server):
    await store.read("a")
    assert server.ask("TTL", "amplify_federation:naming") == ":-1\r\n"


@needs_redis
async def test_processes_agree_on_names_after_a_flush(store, server):
    await store.compare_and_set("a", b"one", expected=None)
    async with RedisStore(server.url, key=KEY) as old, RedisStore(server.url, key=KEY) as new:
        await old.read("a")
        server.ask("FLUSHALL")
        version = await new.compare_and_set("a", b"two", expected=None)  # with a new secret
        assert (await store.read("a")).version == version
        assert (await old.read("a")).version == version
        server.ask("FLUSHALL")
        assert await store.read("a") is None  # puts the secret back
        async with RedisStore(server.url, key=KEY) as newest:
            version = await newest.compare_and_set("a", b"three", expected=None)
        assert (await old.read("a")).version == version


@needs_redis
async def test_namespaces_are_kept_apart_and_digest_one_name_differently(store, server):
    await store.compare_and_set("a", b"one", expected=None)
    async with RedisStore(server.url, key=KEY, namespace="other") as other:
        assert await other.read("a") is None
        await other.compare_and_set("a", b"one", expected=None)
    digests = re.findall(":session:([0-9a-f]+)", server.ask("KEYS", "*"))
    assert len(set(digests)) == 2  # each under a secret of its own


@needs_redis
async def test_redis_holds_neither_names_nor_plaintext(store, server):
    await store.compare_and_set("pool/alice", b"SECRET" * 20, expected=None)
    async with store.lock("pool/alice", timeout=0):
        listing = server.ask("KEYS", "*")
    assert listing.count("amplify_federation:") == 3  # the record, the lease, the naming secret
    assert "alice" not in listing
    key = next(line for line in listing.split("\r\n") if ":session:" in line)
    dump = server.ask("GET", key)
    assert "SECRET" not in dump
    assert "alice" not in dump


@needs_redis
async def test_a_lease_of_a_killed_owner_ends_by_itself(store, server):
    dead = RedisStore(server.url, key=KEY)
    await dead.read("a")
    key = await dead._names.key_of("a", kind="lease")
    await _redis_records.acquire(dead._client, key, "token of the dead", 0)
    with pytest.raises(StoreLockedError):
        async with store.lock("a", timeout=0):
            pass
    assert 0 < milliseconds_left(server, key) <= _redis_records.LEASE * 1000
    server.ask("PEXPIRE", key, "1")
    async with store.lock("a", timeout=PLENTY):
        pass
    await dead.aclose()


def milliseconds_left(server, key) -> int:
    return int(server.ask("PTTL", key).strip(":\r\n"))


@needs_redis
async def test_a_living_owner_keeps_its_lease_beyond_its_time(store, server, monkeypatch):
    monkeypatch.setattr(_redis_records, "LEASE", 2 * PLENTY)
    monkeypatch.setattr(_redis_records, "_EXTEND_EVERY", 0.01)
    async with store.lock("a", timeout=0):
        key = await store._names.key_of("a", kind="lease")
        for _ in range(2):
            server.ask("PEXPIRE", key, f"{PLENTY * 1000:.0f}")
            with anyio.fail_after(PLENTY):
                while milliseconds_left(server, key) <= PLENTY * 1000:  # noqa: ASYNC110  # Redis tells
                    await anyio.sleep(0.01)


@needs_redis
async def test_an_owner_that_lost_its_lease_leaves_the_next_ones_alone(store, server):
    async with store.lock("a", timeout=0):
        server.ask("FLUSHALL")
        lease = store.lock("a", timeout=0)
        await lease.__aenter__()
    with pytest.raises(StoreLockedError):
        async with store.lock("a", timeout=0):
            pass
    await lease.__aexit__(None, None, None)


@needs_redis
async def test_a_lease_whose_redis_goes_away_fails_no_work(store, server):
    done = False
    async with store.lock("a", timeout=0):
        server.kill()
        done = True
    assert done
