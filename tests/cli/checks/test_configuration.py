import json

import pytest

from amplify_federation.cli.checks.configuration import (
    key_finding,
    pool_findings,
    store_findings,
)
from amplify_federation.cli.checks.finding import Verdict
from amplify_federation.cli.target import Target
from amplify_federation.cli.terminal.exit_codes import ExitCode

POOL = "us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768"
KEY = "A" * 43 + "="


@pytest.fixture(autouse=True)
def _no_endpoint(monkeypatch):
    for name in ("AWS_ENDPOINT_URL_COGNITO_IDENTITY", "AWS_ENDPOINT_URL", "AWS_USE_FIPS_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


def found(target):
    _, findings = pool_findings(target)
    return {finding.subject: finding.found for finding in findings}


def test_the_source_of_the_pool_is_named(monkeypatch, tmp_path):
    assert found(Target(POOL))["pool"] == f"{POOL}, from --pool"
    path = tmp_path / "amplify_outputs.json"
    path.write_text(json.dumps({"auth": {"identity_pool_id": POOL}}))
    assert found(Target(config=path))["pool"] == f"{POOL}, from --config {path}"
    monkeypatch.setenv("AMPLIFY_FEDERATION_POOL_ID", POOL)
    assert found(Target())["pool"] == f"{POOL}, from AMPLIFY_FEDERATION_POOL_ID"
    monkeypatch.delenv("AMPLIFY_FEDERATION_POOL_ID")
    monkeypatch.setenv("AMPLIFY_FEDERATION_CONFIG", str(path))
    assert "which AMPLIFY_FEDERATION_CONFIG names" in found(Target())["pool"]


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL_COGNITO_IDENTITY", "AWS_ENDPOINT_URL"])
def test_the_source_of_the_endpoint_is_named(monkeypatch, name):
    assert found(Target(POOL))["endpoint"].endswith("from AWS's rules for us-west-2")
    monkeypatch.setenv(name, "http://127.0.0.1:4566/")
    assert found(Target(POOL))["endpoint"] == f"http://127.0.0.1:4566, from {name}"


def test_a_rule_of_the_environment_is_named(monkeypatch):
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    assert "AWS_USE_FIPS_ENDPOINT" in found(Target(POOL))["endpoint"]


def test_a_pool_that_is_wrong_is_told_and_there_is_none():
    pool, (finding,) = pool_findings(Target("nonsense"))
    assert pool is None
    assert (finding.verdict, finding.exit_code) == (Verdict.WRONG, ExitCode.CONFIGURATION)


def test_the_source_of_the_store_is_named(monkeypatch, tmp_path):
    def store(target):
        return [finding.found for finding in store_findings(target)]

    assert store(Target(folder=tmp_path)) == [f"{tmp_path}, from --store"]
    monkeypatch.setenv("AMPLIFY_FEDERATION_HOME", str(tmp_path))
    assert store(Target()) == [f"{tmp_path}, from AMPLIFY_FEDERATION_HOME"]
    monkeypatch.delenv("AMPLIFY_FEDERATION_HOME")
    assert store(Target())[0].endswith("user state folder")
    monkeypatch.setenv("AMPLIFY_FEDERATION_TRUST_DIRECTORY", "true")
    assert "AMPLIFY_FEDERATION_TRUST_DIRECTORY" in store(Target())[1]


async def test_the_source_of_the_key_is_named_and_the_key_is_not(monkeypatch, tmp_path):
    target = Target(folder=tmp_path)
    assert "made when the first session is stored" in (await key_finding(target)).found
    (tmp_path / "master.key").write_text(KEY)
    assert "beside the sessions" in (await key_finding(target)).found
    monkeypatch.setenv("AMPLIFY_FEDERATION_KEY", KEY)
    finding = await key_finding(target)
    assert finding.found == "from AMPLIFY_FEDERATION_KEY"
    monkeypatch.setenv("AMPLIFY_FEDERATION_KEY", KEY[:-2])
    finding = await key_finding(target)
    assert finding.exit_code is ExitCode.CONFIGURATION
    assert KEY[:-2] not in finding.found


async def test_two_keys_at_once_are_wrong(monkeypatch, tmp_path):
    monkeypatch.setenv("AMPLIFY_FEDERATION_KEY", KEY)
    monkeypatch.setenv("AMPLIFY_FEDERATION_KEY_FILE", str(tmp_path / "key"))
    assert (await key_finding(Target())).verdict is Verdict.WRONG
