"""The client of a Redis: each kind of server is served, and one that is away is told at once."""

import socket
import time

import anyio
import pytest

from amplify_federation import ConfigurationError, SessionKeyError, StoreUnavailableError
from amplify_federation.stores import _redis_client
from amplify_federation.stores.redis import RedisStore
from tests.fire.authority import Authority
from tests.stores.redis_fixtures import *  # noqa: F403  # fixtures
from tests.stores.redis_server import (
    KEY,
    PLENTY,
    RedisCluster,
    RedisServer,
    a_moment,
    free_port,
    needs_redis,
    refused,
    suspended,
)


@needs_redis
@pytest.mark.parametrize(
    ("scheme", "end"),
    [
        ("redis", ""), ("valkey", "/0"), ("redis", "/1?client_name=game&socket_keepalive=yes"),
        ("redis", "?db=1&health_check_interval=10&socket_timeout=5&socket_connect_timeout=5"),
    ],
)  # fmt: skip
async def test_each_form_of_a_servers_url_is_served(server, scheme, end):
    async with RedisStore(f"{scheme}://127.0.0.1:{server.port}{end}", key=KEY) as store:
        await store.check()


@needs_redis
async def test_a_unix_socket_is_served(tmp_path):
    path = tmp_path / "redis.sock"
    with RedisServer(tmp_path, "--unixsocket", str(path)):
        async with RedisStore(f"unix://{path}", key=KEY) as store:
            await store.check()
    async with RedisStore(f"unix://{path}", key=KEY) as store:
        with pytest.raises(StoreUnavailableError, match=r"nobody listens|no such file"):
            await store.check()


def test_no_password_shows():
    store = RedisStore("redis://user:hunter2@redis.example:6379/0", key=KEY)
    assert repr(store) == "<RedisStore redis.example:6379>"


def test_a_missing_redis_py_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "redis.asyncio", None)
    with pytest.raises(ConfigurationError, match=r"amplify-federation\[redis\]"):
        RedisStore("redis://127.0.0.1", key=KEY)


def sentinel_of(tmp_path, server, *options, says=""):
    configuration = tmp_path / "sentinel.conf"
    configuration.write_text(f"sentinel monitor game 127.0.0.1 {server.port} 1\n{says}\n")
    return RedisServer(tmp_path, "--sentinel", *options, file=configuration)


@needs_redis
async def test_the_master_that_sentinels_name_is_served(tmp_path, server):
    with sentinel_of(tmp_path, server) as sentinel:
        url = f"redis+sentinel://127.0.0.1:{sentinel.port}/game/0"
        async with RedisStore(url, key=KEY) as store:
            version = await store.compare_and_set("a", b"one", expected=None)
            assert (await store.read("a")).version == version
            server.kill()
            with pytest.raises(StoreUnavailableError):
                await store.read("a")


@needs_redis
async def test_sentinels_have_a_login_of_their_own(tmp_path):
    guard = "user default off\nuser guard on >hunter%2B3 ~* &* +@all\nuser weak on >weak +ping"
    with RedisServer(tmp_path, "--requirepass", "hunter2") as server:
        with sentinel_of(tmp_path, server, says=guard.replace("%2B", "+")) as sentinel:
            url = f"redis+sentinel://:hunter2@127.0.0.1:{sentinel.port}/game"
            login = "sentinel_username=guard&sentinel_password=hunter%2B3"
            async with RedisStore(f"{url}?{login}", key=KEY) as store:
                await store.check()
            for wrong in ("", f"?{login}4", "?sentinel_password=hunter2"):
                error = await refused(f"{url}{wrong}", "hunter")
                assert "the Sentinels want a password, or refuse the one given" in error.message
                assert "`?sentinel_password=...`" in error.recovery_suggestion
                assert not error.retryable
            error = await refused(f"{url}?sentinel_username=weak&sentinel_password=weak")
            assert "the user of the Sentinels may not run" in error.message
            assert "+sentinel|masters" in error.recovery_suggestion
            error = await refused(f"{url.replace('hunter2', 'wrong')}?{login}", "hunter", "wrong")
        assert "it refuses the user name or the password" in error.message


@needs_redis
async def test_tls_is_spoken_with_sentinels_too(tmp_path):
    authority = Authority(tmp_path)
    certificate = authority.server_file("localhost")
    ports = free_port(), free_port()
    masters, sentinels = (
        ["--tls-port", str(port), "--tls-auth-clients", "no", "--tls-ca-cert-file", authority.path,
         "--tls-cert-file", str(certificate), "--tls-key-file", str(certificate)]
        for port in ports
    )  # fmt: skip
    with RedisServer(tmp_path, *masters) as server:
        server.port = ports[0]
        with sentinel_of(tmp_path, server, *sentinels):
            url = f"rediss+sentinel://localhost:{ports[1]}/game?ssl_check_hostname=no"
            async with RedisStore(f"{url}&ssl_ca_certs={authority.path}", key=KEY) as store:
                await store.check()
            assert "the Sentinels" in (await refused(url)).message


@needs_redis
async def test_a_sentinel_that_hangs_costs_part_of_the_deadline(tmp_path, server, monkeypatch):
    monkeypatch.setattr(_redis_client, "_PATIENCE", 0.2)  # of 20 seconds, for two
    with socket.create_server(("127.0.0.1", 0)) as silent, sentinel_of(tmp_path, server) as other:
        first = f"127.0.0.1:{silent.getsockname()[1]}"
        url = f"redis+sentinel://{first},127.0.0.1:{other.port}/game"
        async with RedisStore(url, key=KEY) as store:
            await store.check()


def _calls(store, version):
    return (
        lambda: store.read("a"),
        lambda: store.compare_and_set("a", b"two", expected=version),
        lambda: store.delete("a", expected=None),
        lambda: store.lock("a", timeout=2 * PLENTY).__aenter__(),
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
    with suspended(server):
        for call in _calls(store, version):
            began = time.monotonic()
            with pytest.raises(StoreUnavailableError, match="300 ms"):
                await call()
            assert time.monotonic() - began < PLENTY


@needs_redis
async def test_a_command_is_never_sent_twice(store, server):
    await store.read("a")
    before = _reads(server)
    with suspended(server), pytest.raises(StoreUnavailableError):
        await store.read("a")
    assert _reads(server) - before <= 1


async def test_a_command_whose_connection_is_cut_is_not_sent_again():
    commands = []

    async def cut(stream):
        async with stream:
            while b"GET" not in (said := await stream.receive()):
                await stream.send(b"+OK\r\n" * said.count(b"CLIENT"))  # greetings of redis-py
            commands.append(said)

    async with anyio.create_task_group() as tasks:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        tasks.start_soon(listener.serve, cut)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610  # not Django
        error = await refused(f"redis://127.0.0.1:{port}")
        tasks.cancel_scope.cancel()
    await listener.aclose()
    assert "the connection was closed" in error.message
    assert len(commands) == 1


def _reads(server):
    said = server.ask("INFO", "commandstats")
    return int(said.partition("cmdstat_get:calls=")[2].partition(",")[0])


@needs_redis
async def test_a_redis_that_comes_back_serves_the_next_call(store, server):
    version = await store.compare_and_set("a", b"one", expected=None)
    with suspended(server), pytest.raises(StoreUnavailableError):
        await store.read("a")
    assert (await store.read("a")).version == version
    server.restart()
    await a_moment()
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
    await a_moment()
    for _ in range(60):
        await store.read("a")


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
async def test_a_second_event_loop_is_refused(server):
    store = RedisStore(server.url, key=KEY)
    await store.read("a")

    def elsewhere():
        anyio.run(store.read, "a")

    with pytest.raises(Exception, match="second event loop"):
        await anyio.to_thread.run_sync(elsewhere)
    await store.aclose()


def test_trio_is_told_to_use_asyncio():
    store = RedisStore("redis://127.0.0.1", key=KEY)

    async def read():
        await store.read("a")

    with pytest.raises(ConfigurationError, match="asyncio"):
        anyio.run(read, backend="trio")


@needs_redis
async def test_a_cluster_of_three_nodes_is_served_and_its_troubles_are_told(tmp_path):
    cluster = RedisCluster(tmp_path, "--cluster-require-full-coverage", "no")
    names = [f"user-{number}" for number in range(30)]
    try:
        await cluster.ready()
        async with RedisStore(cluster.url, key=KEY) as store:
            await store.check()
            versions = {
                name: await store.compare_and_set(name, name.encode(), expected=None)
                for name in names
            }
            assert all(":session:" in node.ask("KEYS", "*:session:*") for node in cluster.nodes)
            async with store.lock("user-0", timeout=0):
                assert [(await store.read(name)).version for name in names] == [*versions.values()]
            assert await store.rotate() == len(names)
        # One node is enough to find the others.
        async with RedisStore(f"redis+cluster://127.0.0.1:{cluster.nodes[0].port}", key=KEY) as one:
            assert [(await one.read(name)).data.decode() for name in names] == names
        error = await refused(f"redis://127.0.0.1:{cluster.nodes[0].port}")
        error = error if "cluster" in error.message else await refused(cluster.nodes[1].url)
        assert "redis+cluster://" in error.recovery_suggestion
        async with RedisStore(cluster.url, key=KEY) as store:
            await store.read("user-0")
            cluster.nodes[2].kill()
            outcomes = []
            for name in names:
                try:
                    outcomes.append((await store.read(name)).data.decode() == name)
                except StoreUnavailableError:
                    outcomes.append(None)
            assert False not in outcomes
            assert {True, None} <= set(outcomes)  # the other nodes serve on
            for node in cluster.nodes[:2]:
                node.kill()
            with pytest.raises(StoreUnavailableError):
                await store.read("user-0")
    finally:
        cluster.stop()


async def test_redis_py_gives_up_a_node_of_a_cluster_before_the_deadline_ends_the_command(
    monkeypatch,
):
    given = {}
    monkeypatch.setattr("redis.asyncio.RedisCluster", lambda **options: given.update(options))
    with pytest.raises(StoreUnavailableError):
        await RedisStore("redis+cluster://h", key=KEY).read("a")
    # Else redis-py would not notice that the node hangs, and not look for the one that took over.
    assert given["socket_connect_timeout"] < _redis_client.DEADLINE
    assert given["socket_timeout"] < _redis_client.DEADLINE


@needs_redis
async def test_a_check_leaves_nothing_and_tells_a_wrong_key(server):
    async with RedisStore(server.url, key=KEY) as store:
        await store.check()
    assert server.ask("DBSIZE") == ":1\r\n"  # the secret of the names
    async with RedisStore(server.url, key=bytes(32)) as wrong:
        with pytest.raises(SessionKeyError):
            await wrong.check()


async def test_options_that_an_older_redis_py_does_not_know_are_told(monkeypatch):
    def older(**_):
        raise TypeError

    monkeypatch.setattr("redis.asyncio.RedisCluster", older)
    store = RedisStore("rediss+cluster://h?ssl_ca_path=/", key=KEY)
    with pytest.raises(ConfigurationError, match="redis-py cannot make a client") as caught:
        await store.read("a")
    assert caught.value.__context__ is None
