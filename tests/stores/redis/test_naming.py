"""What a listing of Redis tells, and how processes agree on names."""

from amplify_federation.stores.redis import RedisStore
from tests.stores.redis_server import KEY, needs_redis


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
async def test_namespaces_are_kept_apart(store, server):
    await store.compare_and_set("a", b"one", expected=None)
    async with RedisStore(server.url, key=KEY, namespace="other") as other:
        assert await other.read("a") is None


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
