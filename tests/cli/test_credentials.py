"""The credentials for AWS tools, taken by the real ones against moto."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from shlex import quote

import httpx
import pytest

from amplify_federation import (
    AuthProvider,
    AuthSettings,
    AWSCredentials,
    FederatedAuth,
    MemoryStore,
)
from amplify_federation.cli.credentials import (
    fetch_for_tools,
    for_container,
    for_process,
    for_programs,
    for_shell,
)


@pytest.fixture
def profile(signed_in, tmp_path):
    """The environment of an AWS tool whose profile asks this command."""
    words = [sys.executable, "-m", "amplify_federation.cli", "credentials", "--format", "process"]
    (tmp_path / "config").write_text(
        "[profile player]\n"
        "region = us-west-2\n"
        f"credential_process = {' '.join(quote(word) for word in words)}\n"
    )
    return signed_in.environment(
        AWS_CONFIG_FILE=str(tmp_path / "config"),
        AWS_SHARED_CREDENTIALS_FILE=str(tmp_path / "credentials"),
        AWS_PROFILE="player",
        AWS_EC2_METADATA_DISABLED="true",
    )


def test_process_prints_one_json_object_and_nothing_else(signed_in):
    done = signed_in.in_a_process("credentials")
    told = json.loads(done.stdout)
    assert (done.code, done.stderr) == (0, "")
    assert set(told) == {
        "Version", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration",
    }  # fmt: skip
    assert told["Version"] == 1
    assert told["Expiration"].endswith("Z")


def test_env_sets_a_shell(signed_in):
    lines = signed_in("credentials", "--format", "env").stdout
    script = f'{lines}printf %s "$AWS_ACCESS_KEY_ID"'
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == signed_in("credentials", "--json").json["access_key_id"]


@pytest.mark.parametrize("arguments", [["--json"], ["--format", "json"]])
def test_json_tells_the_identity_too(signed_in, arguments):
    told = signed_in("credentials", *arguments).json
    assert told["identity_id"] == signed_in("session", "--json").json["identity_id"]


@pytest.mark.parametrize("form", ["process", "env", "json"])
def test_without_credentials_stdout_is_empty_and_stderr_has_advice(command, form):
    done = command("credentials", "--format", form)
    assert (done.code, done.stdout) == (4, "")
    assert "amplify-federation federate" in done.stderr


def test_credentials_near_their_end_are_renewed_for_tools_that_ask_again_early(signed_in, fake):
    first = signed_in("credentials", "--json").json
    again = signed_in("credentials", "--json").json
    assert first == again
    assert len(fake.calls) == 2


def test_the_aws_command_takes_them_by_credential_process(profile, signed_in, moto):
    aws = shutil.which("aws")
    if aws is None:
        pytest.skip("the aws command is not installed")
    done = subprocess.run(
        [aws, "--debug", "--endpoint-url", moto, "s3", "ls"],
        env=profile, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    key = signed_in("credentials", "--json").json["access_key_id"]
    assert done.returncode == 0, done.stderr[-2000:]
    assert f"Credential={key}/" in done.stderr


def test_the_aws_command_tells_its_user_what_we_advise(profile, signed_in, moto):
    aws = shutil.which("aws")
    if aws is None:
        pytest.skip("the aws command is not installed")
    signed_in("clear")
    done = subprocess.run(
        [aws, "--endpoint-url", moto, "s3", "ls"],
        env=profile, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode != 0
    assert "Nobody is signed in" in done.stderr
    assert "amplify-federation federate" in done.stderr


BOTO3 = """
import boto3, datetime, sys
session = boto3.Session()
s3 = session.client("s3", endpoint_url=sys.argv[1])
credentials = session.get_credentials()
s3.list_buckets()
print(credentials.method, credentials.get_frozen_credentials().access_key, flush=True)
sys.stdin.readline()
credentials._expiry_time = datetime.datetime.now(datetime.timezone.utc)  # an hour has passed
s3.list_buckets()
print(credentials.get_frozen_credentials().access_key)
"""


def test_boto3_takes_them_by_credential_process_through_a_renewal(profile, signed_in, moto):
    pytest.importorskip("boto3")
    first = signed_in("credentials", "--json").json["access_key_id"]
    with subprocess.Popen(
        [sys.executable, "-c", BOTO3, moto],
        env=profile, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout.readline() == f"custom-process {first}\n"
        assert signed_in("session", "--refresh").code == 0
        rest, _ = process.communicate("\n")
    renewed = signed_in("credentials", "--json").json["access_key_id"]
    assert rest.strip() == renewed != first


@pytest.fixture
async def auth(fake, pool, clock):
    """A session in memory, on the clock of the fake."""
    settings = AuthSettings(clock=clock)
    async with (
        httpx.AsyncClient(transport=fake.transport) as client,
        FederatedAuth(pool, store=MemoryStore(), http_client=client, settings=settings) as auth,
    ):
        yield auth


@pytest.mark.parametrize(("minutes_left", "calls"), [(60, 0), (17, 0), (15, 1), (6, 1)])
async def test_what_boto_would_ask_for_again_within_a_quarter_of_an_hour_is_renewed(
    auth, fake, clock, token, minutes_left, calls
):
    await auth.federate_to_identity_pool(token, AuthProvider.GOOGLE)
    before = len(fake.calls)
    fake.advance(60 * (60 - minutes_left))
    session = await fetch_for_tools(auth, now=datetime.fromtimestamp(clock.time(), UTC))
    assert len(fake.calls) - before == calls
    assert session.is_signed_in


async def test_what_is_still_good_is_given_if_it_cannot_be_renewed(auth, fake, clock, token):
    first = await auth.federate_to_identity_pool(token, AuthProvider.GOOGLE)
    fake.advance(50 * 60)
    fake.deactivate_token(token)
    session = await fetch_for_tools(auth, now=datetime.fromtimestamp(clock.time(), UTC))
    assert session.credentials == first.credentials


CREDENTIALS = AWSCredentials(
    "ASIAEXAMPLE", "se'cret$x", "to+ken/=", datetime(2026, 11, 23, 12, tzinfo=UTC)
)


def test_the_form_for_credential_process_is_the_one_of_aws():
    assert json.loads(for_process(CREDENTIALS)) == {
        "Version": 1,
        "AccessKeyId": "ASIAEXAMPLE",
        "SecretAccessKey": "se'cret$x",
        "SessionToken": "to+ken/=",
        "Expiration": "2026-11-23T12:00:00Z",
    }


def test_the_form_for_containers_calls_the_session_token_token():
    told = json.loads(for_container(CREDENTIALS))
    assert told["Token"] == "to+ken/="
    assert set(told) == {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}


def test_a_shell_gets_exactly_these_values_whatever_stands_in_them():
    script = f'{for_shell(CREDENTIALS)}\nprintf %s "$AWS_SECRET_ACCESS_KEY"'
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "se'cret$x"


def test_programs_get_the_identity_too():
    told = json.loads(for_programs(CREDENTIALS, "us-west-2:1"))
    assert told["identity_id"] == "us-west-2:1"
    assert told["secret_access_key"] == "se'cret$x"
