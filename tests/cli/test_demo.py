import contextlib
import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
from click.testing import CliRunner

from amplify_federation.cli import demo_steps
from amplify_federation.cli.demo_environment import demo_environment
from amplify_federation.cli.program import program

needs_botocore = pytest.mark.skipif(not find_spec("botocore"), reason="botocore is not installed")


def demo(tmp_path, *arguments, **env):
    (tmp_path / "tmp").mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", "amplify_federation.cli", "demo", *arguments],
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp"), **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_demo_shows_the_whole_life_of_a_session_and_leaves_nothing_behind(tmp_path):
    done = demo(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "FAILED" not in done.stdout
    for word in ("federated", "expired", "signed_out", "SessionExpiredError", "0600", "picture"):
        assert word in done.stdout
    assert "Every check passed" in done.stdout
    assert "\x1b[" not in done.stdout  # no colours where no terminal is
    assert list((tmp_path / "tmp").iterdir()) == []


@needs_botocore
def test_the_demo_prints_its_steps_for_a_program_whatever_the_environment_is(tmp_path):
    done = demo(
        tmp_path,
        "--json",
        AWS_USE_FIPS_ENDPOINT="true",
        AWS_ENDPOINT_URL="http://127.0.0.1:9",
        HTTP_PROXY="http://127.0.0.1:9",
        AMPLIFY_FEDERATION_KEY="not a key",
        AMPLIFY_FEDERATION_POOL_ID="neither a pool",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shown = json.loads(done.stdout)
    assert shown["ok"] is True
    assert [(step["calls"], step["state"]) for step in shown["steps"]] == [
        (None, None),
        (None, None),
        (["GetId", "GetCredentialsForIdentity"], "federated"),
        ([], "federated"),
        (None, None),
        ([], "federated"),
        (["GetCredentialsForIdentity"], "federated"),
        ([], "expired"),
        (["GetCredentialsForIdentity"], "federated"),
        ([], "federated"),
        (["GetId", "GetCredentialsForIdentity"], None),
        ([], "signed_out"),
    ]
    identities = {step["identity_id"] for step in shown["steps"] if "identity_id" in step}
    assert len(identities) == 1
    assert all(all(step["checks"].values()) for step in shown["steps"])


def test_the_demo_shows_no_secret(monkeypatch):
    demos = []

    @contextlib.asynccontextmanager
    async def remembered():
        async with demo_environment() as demo:
            demos.append(demo)
            yield demo

    monkeypatch.setattr(demo_steps, "demo_environment", remembered)
    done = CliRunner().invoke(program, ["demo"])
    assert done.exit_code == 0, done.output
    *secrets, identity = demos[0].sealed
    assert len(secrets) == 3
    assert identity in done.output
    for secret in secrets:
        assert secret not in done.output


def test_the_demo_says_what_did_not_hold_and_fails(monkeypatch):
    monkeypatch.setattr(demo_steps, "RENEWAL", ("SomethingElse",))
    done = CliRunner().invoke(program, ["demo"])
    assert done.exit_code == 1
    assert "FAILED: one call" in done.output
    assert "Every check passed" not in done.output
