"""RedisStore over a real redis-server: what it promises, and what it says when Redis is away."""

import gc
import time
from contextlib import contextmanager

import anyio
import pytest

from amplify_federation import (
    AuthProvider,
    AuthSettings,
    ConfigurationError,
    FederatedUsers,
    KeyRing,
    SessionKeyError,
    StoreConflictError,
    StoreLockedError,
    StoreUnavailableError,
)
from amplify_federation.stores._redis import lease, link
from amplify_federation.stores._redis.link import DEADLINE
from amplify_federation.stores.redis import RedisStore
from amplify_federation.testing import StoreContract
from tests.session.kit import World, federate
from tests.stores.redis_server import RedisServer, free_port, needs_redis

KEY = bytes(range(32))
PLENTY = 5.0  # seconds: far beyond the deadline of 0.3, far below a hang


@pytest.fixture
def anyio_backend():
    return "asyncio"  # redis-py's only event loop


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    """Let a busy machine take its time, where the deadline itself is not what is tested."""
    monkeypatch.setattr(link, "DEADLINE", 20.0)


@contextmanager
def _suspended(server):
    """Stop the server's process for a while, under the deadline as users have it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(link, "DEADLINE", DEADLINE)
        server.suspend()
        yield
        server.resume()


@pytest.fixture
def server(tmp_path):
    server = RedisServer(tmp_path)
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _leaks_are_blamed_on_their_test():
    yield
    gc.collect()


async def _a_moment():
    """Let the event loop see what happened to its sockets, as one that serves requests does."""
    for _ in range(5):
        await anyio.lowlevel.checkpoint()


@pytest.fixture
async def store(server):
    async with RedisStore(server.url, key=KEY) as store:
        yield store


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
async def test_namespaces_are_kept_apart(store, server):
    await store.compare_and_set("a", b"one", expected=None)
    async with RedisStore(server.url, key=KEY, namespace="other") as other:
        assert await other.read("a") is None


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
async def test_the_naming_secret_is_never_forgotten(store, server):
    await store.read("a")
    assert server.ask("TTL", "amplify_federation:naming") == ":-1\r\n"


@needs_redis
async def test_a_wrong_key_is_told_and_changes_nothing(store, server):
    await store.compare_and_set("a", b"one", expected=None)
    async with RedisStore(server.url, key=bytes(32)) as wrong:
        with pytest.raises(SessionKeyError):
            await wrong.read("a")
        with pytest.raises(SessionKeyError):
            await wrong.compare_and_set("a", b"two", expected=None)
    assert (await store.read("a")).data == b"one"


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


def _calls(store, version):
    return (
        lambda: store.read("a"),
        lambda: store.compare_and_set("a", b"two", expected=version),
        lambda: store.delete("a", expected=None),
        lambda: store.lock("a", timeout=10).__aenter__(),
    )


@needs_redis
async def test_redis_that_was_killed_is_told_in_each_call(store, server):
    version = await store.compare_and_set("a", b"one", expected=None)
    server.kill()
    for call in _calls(store, version):
        with pytest.raises(StoreUnavailableError) as caught:
            await call()
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None


@needs_redis
async def test_redis_that_hangs_is_told_at_once_in_each_call(store, server):
    version = await store.compare_and_set("a", b"one", expected=None)
    with _suspended(server):
        for call in _calls(store, version):
            began = time.monotonic()
            with pytest.raises(StoreUnavailableError, match="300 ms"):
                await call()
            assert time.monotonic() - began < PLENTY


@needs_redis
async def test_a_command_is_never_sent_twice(store, server):
    await store.read("a")
    before = _reads(server)
    with _suspended(server), pytest.raises(StoreUnavailableError):
        await store.read("a")
    assert _reads(server) - before <= 1


def _reads(server):
    said = server.ask("INFO", "commandstats")
    return int(said.partition("cmdstat_get:calls=")[2].partition(",")[0])


@needs_redis
async def test_a_redis_that_comes_back_serves_the_next_call(store, server):
    version = await store.compare_and_set("a", b"one", expected=None)
    with _suspended(server), pytest.raises(StoreUnavailableError):
        await store.read("a")
    assert (await store.read("a")).version == version
    server.restart()
    await _a_moment()
    assert await store.read("a") is None
    await store.compare_and_set("a", b"two", expected=None)


@needs_redis
async def test_connections_that_a_restart_cut_cost_no_call(store, server):
    async def read():
        await store.read("a")

    async with anyio.create_task_group() as tasks:
        for _ in range(40):
            tasks.start_soon(read)  # opens many connections
    server.restart()
    await _a_moment()
    for _ in range(60):
        await store.read("a")


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
async def test_calls_that_are_cut_off_never_mix_up_answers(store, server):
    for number in range(20):
        await store.compare_and_set(f"u{number}", b"%d" % number, expected=None)
    wrong = []

    async def read(number, patience):
        with anyio.move_on_after(patience):
            record = await store.read(f"u{number}")
            if record is None or record.data != b"%d" % number:
                wrong.append(number)

    for round_ in range(15):
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(read, number, 0.0002 * (number + round_))
    assert wrong == []
    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(read, number, PLENTY)
    assert wrong == []


@needs_redis
async def test_a_lease_of_a_killed_holder_ends_by_itself(store, server, monkeypatch):
    monkeypatch.setattr(lease, "LEASE", 0.2)
    dead = RedisStore(server.url, key=KEY)
    await dead.read("a")
    key = await dead._records._names.key_of("a", kind="lease")
    await lease._acquire(dead._link, key, "token of the dead", 0)
    with pytest.raises(StoreLockedError):
        async with store.lock("a", timeout=0):
            pass
    async with store.lock("a", timeout=PLENTY):
        pass
    await dead.aclose()


@needs_redis
async def test_a_living_holder_keeps_its_lease_beyond_its_time(store, server, monkeypatch):
    monkeypatch.setattr(lease, "LEASE", 0.3)
    monkeypatch.setattr(lease, "_EXTEND_EVERY", 0.05)
    async with store.lock("a", timeout=0):
        with pytest.raises(StoreLockedError):
            async with store.lock("a", timeout=0.9):
                pass


@needs_redis
async def test_a_holder_that_lost_its_lease_leaves_the_next_ones_alone(store, server):
    async with store.lock("a", timeout=0):
        server.ask("FLUSHALL")
        held = store.lock("a", timeout=0)
        await held.__aenter__()
    with pytest.raises(StoreLockedError):
        async with store.lock("a", timeout=0):
            pass
    await held.__aexit__(None, None, None)


@needs_redis
async def test_a_lease_whose_redis_goes_away_fails_no_work(store, server):
    done = False
    async with store.lock("a", timeout=0):
        server.kill()
        done = True
    assert done


@needs_redis
async def test_a_second_event_loop_is_refused(server):
    store = RedisStore(server.url, key=KEY)
    await store.read("a")

    def elsewhere():
        anyio.run(store.read, "a")

    with pytest.raises(Exception, match="second event loop"):
        await anyio.to_thread.run_sync(elsewhere)
    await store.aclose()


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


@pytest.mark.parametrize(
    "arguments", [{"namespace": ""}, {"namespace": None}, {"keep_for": 0}, {"key": b"short"}]
)
def test_wrong_arguments_are_refused(arguments):
    with pytest.raises(ConfigurationError):
        RedisStore("redis://127.0.0.1", **{"key": KEY, **arguments})


def test_no_password_shows():
    store = RedisStore("redis://user:hunter2@redis.example:6379/0", key=KEY)
    assert repr(store) == "<RedisStore redis.example:6379>"


def test_trio_is_told_to_use_asyncio():
    store = RedisStore("redis://127.0.0.1", key=KEY)

    async def read():
        await store.read("a")

    with pytest.raises(ConfigurationError, match="asyncio"):
        anyio.run(read, backend="trio")


def test_a_missing_redis_py_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "redis.asyncio", None)
    with pytest.raises(ConfigurationError, match=r"amplify-federation\[redis\]"):
        RedisStore("redis://127.0.0.1", key=KEY)


async def test_nobody_listening_is_unavailable():
    async with RedisStore(f"redis://127.0.0.1:{free_port()}", key=KEY) as store:
        with pytest.raises(StoreUnavailableError):
            await store.read("a")


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


@needs_redis
async def test_memory_serves_while_redis_is_down_and_a_clear_fails_loudly(store, server):
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
    with _suspended(server):
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
