"""Who may ask. What real tools are answered is in `test_server`.

The container credentials endpoint over real HTTP, asked by real tools."""

import json
import os
import shutil
import socket
import stat
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from subprocess import run
from urllib.parse import urlsplit

import httpx
import pytest
from anyio.to_thread import run_sync

from amplify_federation import (
    AuthProvider,
    AuthSettings,
    AWSCredentials,
    ConfigurationError,
    FederatedAuth,
    MemoryStore,
    NetworkError,
    SignedOutError,
)
from amplify_federation.cli.credential_server import (
    PATH,
    CredentialEndpoint,
    _listen,
    serve_credentials,
)
from amplify_federation.cli.credentials import fetch_for_tools
from amplify_federation.testing import FakeCognito, ManualClock

HOST = "127.0.0.1:1234"


async def answer(fetch, **changed):
    headers = {"host": HOST, "authorization": "the token", **changed.pop("headers", {})}
    scope = {
        "type": "http",
        "method": "GET",
        "path": PATH,
        "headers": [(name.encode(), text.encode()) for name, text in headers.items()],
        **changed,
    }
    sent = []

    async def send(message):
        sent.append(message)

    await CredentialEndpoint(fetch, "the token", frozenset({HOST}))(scope, None, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


async def credentials():
    return AWSCredentials("ASIAEXAMPLE", "secret", "token", datetime(2026, 11, 23, tzinfo=UTC))


async def test_who_is_entitled_is_answered():
    status, body = await answer(credentials)
    assert (status, body["AccessKeyId"]) == (200, "ASIAEXAMPLE")


@pytest.mark.parametrize(
    ("status", "changed"),
    [
        (401, {"headers": {"authorization": "the toke"}}),
        (401, {"headers": {"authorization": "The token"}}),
        (421, {"headers": {"host": "evil.example.com:1234"}}),
        (403, {"headers": {"origin": f"http://{HOST}"}}),
        (404, {"path": "/other"}),
        (405, {"method": "PUT"}),
    ],
)
async def test_the_session_is_not_even_asked_for_anybody_else(status, changed):
    async def forbidden():
        raise AssertionError

    told, body = await answer(forbidden, **changed)
    assert told == status
    assert set(body) == {"code", "message"}


@pytest.mark.parametrize(
    ("error", "status"), [(SignedOutError("Nobody."), 403), (NetworkError("No answer."), 503)]
)
async def test_trouble_is_told_in_words(error, status):
    async def failing():
        raise error

    told, body = await answer(failing)
    assert told == status
    assert body["code"] == type(error).__name__
    assert body["message"].startswith(error.message)


def test_the_token_is_not_shown():
    assert "the token" not in repr(CredentialEndpoint(credentials, "the token", frozenset({HOST})))


HOUR = 3600.0


@pytest.fixture
def aws():
    """The AWS CLI."""
    found = shutil.which("aws")
    if found is None:
        pytest.skip("the aws command is not installed")
    return found


class Stand:
    """A session on a clock that moves, served."""

    def __init__(self, fake, auth, server):
        self.fake, self.auth, self.server = fake, auth, server

    async def ask(self, *, method="GET", path=None, **headers):
        """Send a request exactly as written, from a thread."""
        parts = urlsplit(self.server.url)

        def work():
            connection = HTTPConnection(parts.hostname, parts.port, timeout=20)
            connection.putrequest(method, path or parts.path, skip_host=True)
            for name, value in {"Host": parts.netloc, **headers}.items():
                connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            told = answer.status, dict(answer.getheaders()), answer.read()
            connection.close()
            return told

        return await run_sync(work)

    async def environment(self, tmp_path, **more):
        dropped = ("AWS_", "AMPLIFY_FEDERATION_")
        kept = {name: text for name, text in os.environ.items() if not name.startswith(dropped)}
        return {
            **kept,
            **self.server.variables(),
            "AWS_CONFIG_FILE": str(tmp_path / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
            "AWS_DEFAULT_REGION": "us-west-2",
            **more,
        }


@asynccontextmanager
async def standing():
    clock = ManualClock(datetime.now(UTC).timestamp())
    fake = FakeCognito(clock=clock)
    pool = fake.create_identity_pool()
    async with (
        httpx.AsyncClient(transport=fake.transport) as client,
        FederatedAuth(
            pool, store=MemoryStore(), http_client=client, settings=AuthSettings(clock=clock)
        ) as auth,
    ):
        token = fake.issue_token(AuthProvider.GOOGLE, "alice")
        await auth.federate_to_identity_pool(token, AuthProvider.GOOGLE)

        async def fetch():
            now = datetime.fromtimestamp(clock.time(), UTC)
            return (await fetch_for_tools(auth, now=now)).credentials

        async with serve_credentials(fetch) as server:
            yield Stand(fake, auth, server)


@pytest.fixture
def anyio_backend():
    """uvicorn is asyncio's."""
    return "asyncio"


@pytest.fixture
async def stand():
    async with standing() as stand:
        yield stand


async def test_who_has_the_token_gets_the_credentials_in_aws_form(stand):
    status, headers, body = await stand.ask(Authorization=stand.server.token)
    credentials = (await stand.auth.fetch_auth_session()).credentials
    assert status == 200
    assert json.loads(body) == {
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key,
        "Token": credentials.session_token,
        "Expiration": credentials.expiration.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    assert headers["cache-control"] == "no-store"
    assert not [name for name in headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    ("status", "changed"),
    [
        (401, {}),
        (401, {"Authorization": ""}),
        (401, {"Authorization": "wrong"}),
        (401, {"Authorization": "\u00e9"}),
        (421, {"Authorization": "right", "Host": "evil.example.com"}),
        (421, {"Authorization": "right", "Host": "127.0.0.1"}),
        (403, {"Authorization": "right", "Origin": "http://evil.example.com"}),
        (403, {"Authorization": "right", "Origin": "null"}),
        (404, {"Authorization": "right", "path": "/"}),
        (405, {"Authorization": "right", "method": "POST"}),
        (405, {"Authorization": "right", "method": "OPTIONS"}),
    ],
)
async def test_nobody_else_gets_anything(stand, status, changed):
    if changed.get("Authorization") == "right":
        changed = {**changed, "Authorization": stand.server.token}
    told, headers, body = await stand.ask(**changed)
    assert told == status
    credentials = (await stand.auth.fetch_auth_session()).credentials
    assert credentials.access_key_id.encode() not in body
    assert not [name for name in headers if name.lower().startswith("access-control")]


async def test_a_request_without_host_is_refused(stand):
    status, _, _ = await stand.ask(Authorization=stand.server.token, Host="")
    assert status in {400, 421}


async def test_the_token_is_random_and_in_a_private_file_that_goes():
    tokens = set()
    for _ in range(2):
        async with standing() as stand:
            file = Path(stand.server.token_file)
            tokens.add(await run_sync(file.read_text))
            assert stat.S_IMODE(file.stat().st_mode) == 0o600  # noqa: ASYNC240  # a test
            assert stand.server.token not in str(stand.server.variables())
            assert stand.server.token not in repr(stand.server)
        assert not os.path.lexists(file.parent)  # noqa: ASYNC240  # a test
    assert len(tokens) == 2
    assert min(len(token) for token in tokens) >= 43


async def test_an_expired_session_is_told_with_what_to_do(stand):
    stand.fake.advance(3 * HOUR)
    status, _, body = await stand.ask(Authorization=stand.server.token)
    assert status == 403
    told = json.loads(body)
    assert told["code"] == "SessionExpiredError"
    assert "amplify-federation federate" in told["message"]


async def test_what_may_pass_is_told_as_503(stand):
    stand.fake.advance(HOUR)
    stand.fake.fail_next("InternalErrorException", times=9)
    status, _, body = await stand.ask(Authorization=stand.server.token)
    assert (status, json.loads(body)["code"]) == (503, "InternalServiceError")


async def test_credentials_that_boto_would_ask_for_again_soon_are_renewed(stand):
    first = (await stand.auth.fetch_auth_session()).credentials
    stand.fake.advance(HOUR - 14 * 60)
    _, _, body = await stand.ask(Authorization=stand.server.token)
    assert json.loads(body)["AccessKeyId"] != first.access_key_id


async def test_a_port_in_use_is_told(stand):
    port = urlsplit(stand.server.url).port
    with pytest.raises(ConfigurationError, match="cannot be used") as caught:
        async with serve_credentials(lambda: None, port=port):
            pass
    assert "--port" in caught.value.recovery_suggestion


async def test_what_goes_wrong_in_the_block_comes_out_as_it_is():
    with pytest.raises(LookupError, match="in the block"):
        async with serve_credentials(lambda: None):
            raise LookupError("in the block")


BOTO3 = """
import boto3, sys
session = boto3.Session(region_name="us-west-2")
s3 = session.client("s3", endpoint_url=sys.argv[1])
credentials = session.get_credentials()
print(credentials.method, credentials.get_frozen_credentials().access_key, flush=True)
s3.list_buckets()
sys.stdin.readline()
# As when an hour has passed: what botocore holds is over, so it asks again by itself.
import datetime
credentials._expiry_time = datetime.datetime.now(datetime.timezone.utc)
s3.list_buckets()
print(credentials.get_frozen_credentials().access_key)
"""


async def test_boto3_takes_the_credentials_and_follows_a_renewal(stand, moto, tmp_path):
    pytest.importorskip("boto3")
    from subprocess import PIPE, Popen  # noqa: PLC0415

    environment = await stand.environment(tmp_path)
    first = (await stand.auth.fetch_auth_session()).credentials
    process = Popen(  # noqa: ASYNC220
        [sys.executable, "-c", BOTO3, moto], env=environment, stdin=PIPE, stdout=PIPE, text=True
    )
    with process:
        assert await run_sync(process.stdout.readline) == f"container-role {first.access_key_id}\n"
        stand.fake.advance(HOUR)
        rest, _ = await run_sync(process.communicate, "\n")
    renewed = (await stand.auth.fetch_auth_session()).credentials
    assert process.returncode == 0
    assert rest.strip() == renewed.access_key_id != first.access_key_id


async def test_the_aws_command_takes_the_credentials_through_a_renewal(stand, moto, tmp_path, aws):
    environment = await stand.environment(tmp_path)
    arguments = [aws, "--debug", "--endpoint-url", moto, "s3", "ls"]

    def list_buckets():
        return run(arguments, env=environment, capture_output=True, text=True, check=False)

    first = (await stand.auth.fetch_auth_session()).credentials
    done = await run_sync(list_buckets)
    assert done.returncode == 0, done.stderr[-2000:]
    assert f"Credential={first.access_key_id}/" in done.stderr
    stand.fake.advance(HOUR)
    done = await run_sync(list_buckets)
    renewed = (await stand.auth.fetch_auth_session()).credentials
    assert done.returncode == 0
    assert f"Credential={renewed.access_key_id}/" in done.stderr
    assert renewed.access_key_id != first.access_key_id


def test_body_of_a_response_does_not_wait_for_the_acknowledgement_of_its_head():
    with (
        _listen(0) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
