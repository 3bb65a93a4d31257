"""The page from nothing to production: its commands run, beside the embedded Cognito and moto."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from amplify_federation import AuthProvider
from amplify_federation.cli.demo_s3 import RESOURCE
from amplify_federation.testing import FakeCognito
from tests.documents import blocks_of, text_of

PAGE = "amplify_federation/PRODUCTION.md"
EXAMPLE = "us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768"
TRUST, PERMISSIONS = [each.code for each in blocks_of(PAGE, "json")]
MAKE_POOL, MAKE_ROLE, FIRST_SESSION = [each.code for each in blocks_of(PAGE, "sh")]
CLIENT = "4711-players.apps.googleusercontent.com"


@pytest.fixture
def shell(moto, tmp_path, monkeypatch):
    """Give a function that runs a script of the page, as an administrator of an AWS by moto."""
    if shutil.which("aws") is None:
        pytest.skip("the aws command is not installed")
    fake = FakeCognito()
    own = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-west-2",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_ENDPOINT_URL_IAM": moto,
        "AMPLIFY_FEDERATION_HOME": str(tmp_path / "sessions"),
        "GOOGLE_CLIENT_ID": CLIENT,
    }
    with fake.serve() as url:

        def run(script, **more):
            env = {**os.environ, **own, "AWS_ENDPOINT_URL_COGNITO_IDENTITY": url, **more}
            return subprocess.run(
                ["sh", "-e", "-c", script],
                cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
            )  # fmt: skip

        yield fake, run


def test_the_commands_make_a_pool_whose_users_get_the_role(shell, tmp_path):
    fake, run = shell
    made = run(MAKE_POOL)
    pool = made.stdout.strip()
    assert re.fullmatch(r"us-west-2:[0-9a-f-]{36}", pool), made
    (tmp_path / "trust.json").write_text(TRUST.replace(EXAMPLE, pool))
    (tmp_path / "permissions.json").write_text(PERMISSIONS)
    done = run(MAKE_ROLE, AMPLIFY_FEDERATION_POOL_ID=pool)
    assert (done.returncode, done.stderr) == (0, "")

    doctor, federate = FIRST_SESSION.splitlines()
    for script, audience, code in ((federate, "another client", 6), (FIRST_SESSION, CLIENT, 0)):
        token = fake.issue_token(AuthProvider.GOOGLE, "alice", audience=audience)
        (tmp_path / "token.txt").write_text(token)
        done = run(script, AMPLIFY_FEDERATION_POOL_ID=pool)
        assert done.returncode == code, done
        assert ("Incorrect token audience" in done.stderr) == bool(code)
    assert doctor == "amplify-federation doctor"
    show = 'eval "$(amplify-federation credentials --format env)"; printf %s "$AWS_SESSION_TOKEN"'
    issued = fake.read_session_token(run(show, AMPLIFY_FEDERATION_POOL_ID=pool).stdout)
    assert issued.role_arn.endswith(":role/players")


def test_the_policies_know_the_variables_of_cognito_alone():
    trust, permissions = json.loads(TRUST), json.loads(PERMISSIONS)
    (statement,) = trust["Statement"]
    keys = {key for operator in statement["Condition"].values() for key in operator}
    assert keys == {f"cognito-identity.amazonaws.com:{name}" for name in ("aud", "amr")}
    own = "${cognito-identity.amazonaws.com:sub}"
    for each in permissions["Statement"]:
        assert own in json.dumps(each)
        assert set(re.findall(r"\$\{[^}]*\}", json.dumps(each))) == {own}
    assert "Scan" not in PERMISSIONS
    assert RESOURCE in {each["Resource"] for each in permissions["Statement"]}  # the demo's S3


def test_the_quotas_of_the_page_are_those_that_the_embedded_cognito_has():
    from amplify_federation.testing import AWS_QUOTAS  # noqa: PLC0415  # beside its use

    for name, times in re.findall(r"`(\w+)` (\d+) times", text_of(PAGE)):
        assert AWS_QUOTAS[name] == int(times)
