import base64
import errno
import os
import subprocess
import sys
import time
from tempfile import TemporaryDirectory

import httpx
import pytest

from amplify_federation import (
    AuthProvider,
    AuthSettings,
    EncryptedFileStore,
    FederatedAuth,
    IdentityPool,
    MemoryStore,
    NetworkError,
)
from amplify_federation.cli.checks import Verdict
from amplify_federation.cli.doctor import reach_findings, session_finding, transport_finding
from amplify_federation.cli.exit_codes import ExitCode
from amplify_federation.cli.options import Target
from amplify_federation.stores import _redis_client
from amplify_federation.testing import FakeCognito, ManualClock
from tests.another_user import UID, as_another_user
from tests.stores.redis_server import PLENTY, RedisServer, needs_redis


def verdicts(done):
    return {finding["subject"]: finding["verdict"] for finding in done.json}


def test_where_all_is_well_nothing_is_wrong(signed_in):
    done = signed_in("doctor")
    assert done.code == 0, done
    assert done.stdout.endswith("Nothing is wrong.\n")


def test_every_subject_is_looked_at(signed_in):
    looked = verdicts(signed_in("doctor", "--json"))
    assert looked == dict.fromkeys(
        ["version", "pool", "endpoint", "guests", "store", "folder", "key", "lock", "session",
         "transport", "network", "clock"],
        "ok",
    )  # fmt: skip


def test_offline_the_network_is_left_alone(signed_in):
    looked = verdicts(signed_in("doctor", "--offline", "--json"))
    assert "network" not in looked
    assert "session" in looked


def test_it_prints_no_secret(signed_in, token, folder):
    key = (folder / "master.key").read_text().strip()
    secret = signed_in("credentials", "--json").json
    told = signed_in("doctor").everything + signed_in("doctor", "--json").everything
    for text in (key, token, secret["secret_access_key"], secret["session_token"]):
        assert text not in told


def test_it_changes_nothing_where_nothing_is_yet(command, folder):
    done = command("doctor")
    assert done.code == 0
    assert not folder.exists()


def test_a_file_open_to_others_is_told_with_the_command_that_mends_it(signed_in, folder):
    (file,) = folder.glob("*.session")
    os.chmod(file, 0o640)  # noqa: PTH101
    done = signed_in("doctor")
    assert done.code == 9
    assert done.stdout.count(f"chmod 600 {file}") == 1  # and not again for the session


def test_without_a_pool_the_rest_is_looked_at_all_the_same(command):
    done = command("doctor", "--json", env={"AMPLIFY_FEDERATION_POOL_ID": ""})
    assert done.code == 3
    assert verdicts(done)["pool"] == "wrong"
    assert "folder" in verdicts(done)


def test_an_endpoint_that_does_not_answer_is_told(command):
    env = {"AWS_ENDPOINT_URL_COGNITO_IDENTITY": "http://127.0.0.1:9"}
    done = command("doctor", "--json", env=env)
    assert done.code == 7
    assert verdicts(done)["network"] == "wrong"


@pytest.mark.parametrize(
    ("ahead", "verdict", "words"),
    [
        (0, Verdict.OK, "right"),
        (60, Verdict.NOTE, "behind"),
        (-60, Verdict.NOTE, "ahead of"),
        (3600, Verdict.WRONG, "behind"),
    ],
)
async def test_the_clock_is_compared_with_cognitos(ahead, verdict, words):
    fake = FakeCognito(clock=ManualClock(time.time() + ahead))
    async with fake.serve() as url:
        pool = IdentityPool(fake.create_identity_pool(), endpoint_url=url)
        network, clock = await reach_findings(pool)
    assert network.verdict is Verdict.OK
    assert clock.verdict is verdict
    assert words in clock.found


def test_what_was_set_aside_is_removed_by_the_command_that_is_advised(signed_in, folder):
    (file,) = folder.glob("*.session")
    file.write_bytes(b"damaged")
    assert signed_in("session").code == 4
    done = signed_in("doctor", "--offline")
    assert "set aside as .corrupt" in done.stdout
    assert "`amplify-federation clear` removes" in done.stdout
    assert signed_in("clear").code == 0
    assert "corrupt" not in signed_in("doctor", "--offline").stdout


async def test_the_finding_of_an_endpoint_that_does_not_answer_names_it():
    pool = IdentityPool(FakeCognito().create_identity_pool(), endpoint_url="http://127.0.0.1:9")
    (finding,) = await reach_findings(pool)
    assert (finding.verdict, finding.exit_code) == (Verdict.WRONG, ExitCode.NETWORK)
    async with FederatedAuth(pool, store=MemoryStore()) as auth:
        with pytest.raises(NetworkError) as caught:
            await auth.federate_to_identity_pool("token", AuthProvider.GOOGLE)
    told = finding.found.partition(": ")[0]  # the words for the cause are the transport's
    assert told == caught.value.message.partition(": ")[0] == "ConnectError from 127.0.0.1:9"
    assert finding.advice == caught.value.recovery_suggestion
    assert os.strerror(errno.ECONNREFUSED) in finding.found


HOUR = 3600.0


@pytest.fixture
def target(pool, tmp_path):
    return Target(pool, folder=tmp_path / "sessions")


@pytest.fixture
async def auth(fake, clock, pool, target):
    settings = AuthSettings(clock=clock)
    async with (
        httpx.AsyncClient(transport=fake.transport) as client,
        FederatedAuth(
            pool, store=EncryptedFileStore(target.folder), http_client=client, settings=settings
        ) as auth,
    ):
        token = fake.issue_token(AuthProvider.GOOGLE, "alice")
        await auth.federate_to_identity_pool(token, AuthProvider.GOOGLE)
        yield auth


async def test_nobody_signed_in_is_told_with_the_command(target):
    finding = await session_finding(target)
    assert finding.verdict is Verdict.NOTE
    assert "amplify-federation federate" in finding.advice


async def test_a_federated_session_is_told_without_a_call(auth, target, fake):
    calls = len(fake.calls)
    finding = await session_finding(target)
    assert finding.verdict is Verdict.OK
    assert "federated" in finding.found
    assert len(fake.calls) == calls


async def test_an_expired_session_is_told(auth, target, fake):
    fake.advance(3 * HOUR)
    await auth.fetch_auth_session()
    finding = await session_finding(target)
    assert "expired" in finding.found


async def test_a_store_that_cannot_be_read_is_wrong(auth, target, monkeypatch):
    monkeypatch.setenv("AMPLIFY_FEDERATION_KEY", "A" * 43 + "=")
    finding = await session_finding(target)
    assert (finding.verdict, finding.exit_code) == (Verdict.WRONG, ExitCode.STORE)


KEY = base64.b64encode(bytes(32)).decode()


@needs_redis
def test_a_redis_is_looked_at(command, monkeypatch, tmp_path):
    monkeypatch.setenv("AMPLIFY_FEDERATION_KEY", KEY)
    monkeypatch.setattr(_redis_client, "DEADLINE", PLENTY)
    server = RedisServer(tmp_path)
    try:
        done = command("doctor", "--store", server.url, "--json")
        assert (done.code, verdicts(done)["store"]) == (0, "ok"), done
        assert "folder" not in verdicts(done)
        with_password = server.url.replace("redis://", "redis://:hunter2@")
        in_arguments = command("doctor", "--store", with_password)
        monkeypatch.setenv("AMPLIFY_FEDERATION_STORE_URL", with_password)
        by_environment = command("doctor")
        in_folder = command("doctor", "--store", str(tmp_path / "sessions"))
    finally:
        server.stop()
    for wrong in (in_arguments, by_environment):
        assert wrong.code != 0
        assert "password" in wrong.stdout
        assert "hunter2" not in wrong.everything
    assert "Set AMPLIFY_FEDERATION_STORE_URL" in in_arguments.stderr
    assert "AMPLIFY_FEDERATION_STORE_URL" not in by_environment.stderr
    assert "folder" in in_folder.stdout
    assert "password" not in in_folder.stdout
    away = command("doctor")
    assert "nobody listens there" in away.stdout
    assert "hunter2" not in away.everything


def test_a_redis_needs_the_key_of_its_backend(command, monkeypatch):
    monkeypatch.delenv("AMPLIFY_FEDERATION_KEY", raising=False)
    done = command("doctor", "--store", "redis://127.0.0.1:1", "--offline")
    assert done.code != 0
    assert "AMPLIFY_FEDERATION_KEY" in done.stdout


def test_an_url_of_no_redis_is_told(command, monkeypatch):
    monkeypatch.setenv("AMPLIFY_FEDERATION_KEY", KEY)
    done = command("doctor", "--store", "http://somewhere", "--offline")
    assert "redis://host:port/db" in done.stdout


def test_commands_of_one_session_take_no_url(command):
    done = command("session", "--store", "redis://127.0.0.1")
    assert done.code == 2
    assert "`doctor` takes a URL" in done.everything


@pytest.mark.parametrize("name", ["doctor", "session"])
def test_a_user_without_a_home_is_told_where_to_keep_sessions(command, tmp_path, name):
    program = as_another_user(sys.executable, "-m", "amplify_federation.cli", name)

    def ask(*arguments):
        env = command.environment()
        del env["AMPLIFY_FEDERATION_HOME"]
        env.pop("HOME", None)
        return subprocess.run(
            [*program, *arguments],
            env=env, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    done = ask()
    assert done.returncode == 3, done
    assert "--store FOLDER" in done.stdout + done.stderr
    assert "has a fault" not in done.stdout + done.stderr
    with TemporaryDirectory(dir="/var/tmp") as folder:  # entered by another user
        os.chown(folder, UID, UID)
        followed = ask("--store", f"{folder}/sessions")  # the advice, followed
    assert followed.returncode == (0 if name == "doctor" else 4), followed


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("AMPLIFY_FEDERATION_TRANSPORT", "lean", "LeanTransport"),
        ("AMPLIFY_FEDERATION_TRANSPORT", "httpx", "httpx, as AMPLIFY_FEDERATION_TRANSPORT says"),
        ("ALL_PROXY", "http://u:p@proxy.test:3128", "httpx, through the proxy proxy.test:3128"),
        ("ALL_PROXY", "http://proxy.test:99999", "The proxy of HTTPS_PROXY or ALL_PROXY has"),
    ],
)
def test_the_transport_in_use_is_told(monkeypatch, name, value, found):
    for each in ("HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(name, value)
    pool = IdentityPool("us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768")
    assert transport_finding(pool).found.startswith(found)
