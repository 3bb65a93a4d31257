"""Each trouble of a real Redis, in words and with advice, without a secret."""

import re
import socket
import time

import pytest

from amplify_federation import StoreUnavailableError
from amplify_federation.stores import _redis_client
from amplify_federation.stores.redis import RedisStore
from tests.fire.authority import Authority
from tests.stores.redis_fixtures import *  # noqa: F403  # fixtures
from tests.stores.redis_server import (
    DEADLINE,
    KEY,
    PLENTY,
    RedisServer,
    free_port,
    needs_redis,
    refused,
)

KINDS = pytest.mark.parametrize(
    "url",
    ["redis://{}", "redis+cluster://{}", "redis+sentinel://{}/game", "rediss+cluster://{}"],
)


@KINDS
async def test_nobody_listening_is_told_by_each_client(url):
    with socket.socket() as bound:  # so that nobody else can begin to listen
        bound.bind(("127.0.0.1", 0))
        error = await refused(url.format(f"127.0.0.1:{bound.getsockname()[1]}"))
    assert "nobody listens" in error.message or "cannot be reached" in error.message
    assert "AMPLIFY_FEDERATION_STORE_URL" in error.recovery_suggestion


@pytest.mark.parametrize("url", ["redis://{}", "redis+cluster://{}"])
async def test_a_host_that_is_not_found_is_told_by_each_client(url):
    error = await refused(url.format("no-such-host.invalid"))
    assert "host name is not found" in error.message


@pytest.mark.parametrize("url", ["redis://h.invalid", "redis+cluster://h.invalid"])
@pytest.mark.parametrize("run_without_threads", ["asyncio"], indirect=True)
def test_a_host_that_no_thread_can_look_up_is_told_by_each_client(url, run_without_threads):
    error = run_without_threads(lambda: refused(url))
    assert "can start no further thread" in error.message
    assert "`ulimit -u`" in error.recovery_suggestion


@KINDS
async def test_a_server_that_hangs_is_told_by_each_client_within_the_deadline(url, monkeypatch):
    monkeypatch.setattr(_redis_client, "DEADLINE", DEADLINE)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        error = await refused(url.format(f"127.0.0.1:{silent.getsockname()[1]}"))
        assert time.monotonic() - began < PLENTY
    assert re.search("no answer within 300 ms|the Sentinels .* cannot be reached", error.message)


@needs_redis
@pytest.mark.parametrize("kind", ["redis", "redis+cluster"])
@pytest.mark.parametrize("login", ["", ":hunter2@", "alice:hunter2@"])
async def test_a_wrong_login_is_told_by_each_client(tmp_path, kind, login):
    with RedisServer(tmp_path, "--requirepass", "right", "--cluster-enabled", "yes") as server:
        error = await refused(f"{kind}://{login}127.0.0.1:{server.port}", "hunter2", "alice")
    assert "password" in error.message
    assert "redis://user:password@host" in error.recovery_suggestion


@needs_redis
async def test_a_right_login_serves_as_advised(tmp_path):
    with RedisServer(tmp_path, "--requirepass", "ri@ht") as server:
        url = f"redis://default:ri%40ht@127.0.0.1:{server.port}"
        async with RedisStore(url, key=KEY) as store:
            await store.check()


@needs_redis
async def test_a_password_that_is_not_asked_for_is_told(server):
    error = await refused(f"redis://:hunter2@127.0.0.1:{server.port}", "hunter2")
    assert "password" in error.message


@needs_redis
async def test_a_database_that_is_not_there_is_told(server):
    error = await refused(f"redis://127.0.0.1:{server.port}/99")
    assert "no such database" in error.message


@needs_redis
async def test_a_user_who_may_not_write_is_told(tmp_path, server):
    assert server.ask("ACL", "SETUSER", "reader", "on", ">secret", "~*", "+get") == "+OK\r\n"
    error = await refused(f"redis://reader:secret@127.0.0.1:{server.port}", "secret", "reader")
    assert "may not run" in error.message
    assert "EVAL" in error.recovery_suggestion
    server.ask("ACL", "SETUSER", "reader", "+set", "+del", "+eval", "+scan")
    async with RedisStore(f"redis://reader:secret@127.0.0.1:{server.port}", key=KEY) as store:
        with pytest.raises(StoreUnavailableError, match="may not run"):
            await store.check()  # GETRANGE and PEXPIRE are run inside the scripts
    server.ask("ACL", "SETUSER", "reader", "+getrange", "+pexpire")
    async with RedisStore(f"redis://reader:secret@127.0.0.1:{server.port}", key=KEY) as store:
        await store.check()
        await store.rotate()


@needs_redis
async def test_a_replica_is_told(tmp_path, server):
    server.ask("REPLICAOF", "127.0.0.1", str(free_port()))
    error = await refused(server.url)
    assert "replica" in error.message


@needs_redis
async def test_one_server_is_told_from_a_cluster(server):
    error = await refused(server.url.replace("redis://", "redis+cluster://"))
    assert "it is no cluster" in error.message
    assert "redis://" in error.recovery_suggestion


@needs_redis
async def test_a_name_that_the_sentinels_do_not_know_is_told(tmp_path, server):
    configuration = tmp_path / "sentinel.conf"
    configuration.write_text(f"sentinel monitor game 127.0.0.1 {server.port} 1\n")
    with RedisServer(tmp_path, "--sentinel", file=configuration) as sentinel:
        error = await refused(f"redis+sentinel://127.0.0.1:{sentinel.port}/another/0")
    assert "know no such master" in error.message


@needs_redis
async def test_tls_is_spoken_and_its_troubles_are_told(tmp_path, monkeypatch):
    authority = Authority(tmp_path)
    signed, own = (
        authority.server_file("localhost", self_signed=by_itself) for by_itself in (False, True)
    )
    for certificate in (signed, own):
        port = free_port()
        options = ["--tls-port", str(port), "--tls-auth-clients", "no"]
        options += ["--tls-cert-file", str(certificate), "--tls-key-file", str(certificate)]
        with RedisServer(tmp_path, *options, "--tls-ca-cert-file", authority.path) as server:
            error = await refused(f"rediss://localhost:{port}")
            assert re.search(r"certificate is not trusted \(self.signed", error.message)
            assert "?ssl_ca_certs=FILE" in error.recovery_suggestion
            trusted = authority.path if certificate is signed else own
            for scheme in ("rediss", "valkeys"):
                url = f"{scheme}://localhost:{port}?ssl_ca_certs={trusted}"
                async with RedisStore(url, key=KEY) as store:
                    await store.check()
            error = await refused(f"rediss://127.0.0.1:{port}?ssl_ca_certs={trusted}")
            assert "not trusted" in error.message  # another name than the certificate's
            error = await refused(f"redis://localhost:{port}")
            assert "connection was closed" in error.message
            assert "rediss://" in error.recovery_suggestion
            monkeypatch.setattr(_redis_client, "DEADLINE", DEADLINE)
            error = await refused(f"rediss://localhost:{server.port}")
            assert "no answer" in error.message  # Redis waits for the end of a line
            monkeypatch.setattr(_redis_client, "DEADLINE", PLENTY)


@needs_redis
async def test_a_cluster_without_its_slots_is_told(tmp_path):
    with RedisServer(tmp_path, "--cluster-enabled", "yes") as server:
        error = await refused(f"redis+cluster://127.0.0.1:{server.port}")
    assert "cluster" in error.message
