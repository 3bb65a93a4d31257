import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest


def test_it_prints_what_another_shell_needs_to_sign_in(command):
    with subprocess.Popen(
        [sys.executable, "-m", "amplify_federation.cli", "fake-cognito", "--json"],
        env=command.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        text = ""
        while "}" not in text:
            text += process.stdout.readline()
        told = json.loads(text)
        done = command("federate", "--provider", "google", "--json", env=told)
        discovery = httpx.get(told["AMPLIFY_FEDERATION_DISCOVERY_URL"]).json()
        sign_in = {
            "client_id": told["AMPLIFY_FEDERATION_CLIENT_ID"],
            "redirect_uri": "http://127.0.0.1:49152/any",
            "response_type": "code",
            "scope": "openid",
            "code_challenge": "c" * 43,
            "code_challenge_method": "S256",
        }
        page = httpx.get(discovery["authorization_endpoint"], params=sign_in)
        bob = command("fake-cognito", "token", "--user", "bob", env=told)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert done.code == 0, done
    assert set(told) == {
        "AWS_ENDPOINT_URL_COGNITO_IDENTITY",
        "AMPLIFY_FEDERATION_POOL_ID",
        "AMPLIFY_FEDERATION_TOKEN",
        "AMPLIFY_FEDERATION_PROVIDER",
        "AMPLIFY_FEDERATION_CLIENT_ID",
        "AMPLIFY_FEDERATION_DISCOVERY_URL",
        "AMPLIFY_FEDERATION_CONTROL_URL",
        "AMPLIFY_FEDERATION_CONTROL_TOKEN",
    }
    assert bob.stdout.startswith("eyJ")
    assert (discovery["issuer"], page.status_code) == ("https://accounts.google.com", 200)
    assert "Traceback" not in errors


def test_its_lines_are_a_shells(command, monkeypatch):
    monkeypatch.setattr(
        "amplify_federation.testing.FakeCognito.serve_forever",
        lambda _self, *, port, on_ready: on_ready(f"http://127.0.0.1:{port}"),
    )
    lines = command("fake-cognito", "--port", "4566", "--guests", "--user", "bob").stdout
    script = f'{lines}\nprintf %s "$AWS_ENDPOINT_URL_COGNITO_IDENTITY"'
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "http://127.0.0.1:4566"


def test_a_port_that_is_none_is_wrong_usage(command):
    assert command("fake-cognito", "--port", "70000").code == 2


@pytest.mark.parametrize("port", ["-1", "many"])
def test_a_port_must_be_a_number(command, port):
    assert command("fake-cognito", "--port", port).code == 2


def test_a_port_that_is_taken_is_told_in_a_sentence(command):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = command("fake-cognito", "--port", str(port))
    assert done.code == 3
    assert f"Port {port} of 127.0.0.1 cannot be listened on: another program" in done.stderr
    assert "Give another --port" in done.stderr
    assert not done.stdout


def test_a_program_runs_against_it_and_ends_it(command, monkeypatch):
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    script = """if True:
        import os, sys
        import anyio
        from amplify_federation import AuthProvider, FederatedAuth, IdentityPool
        async def main():
            async with FederatedAuth(IdentityPool.from_env()) as auth:
                token = os.environ["AMPLIFY_FEDERATION_TOKEN"]
                await auth.federate_to_identity_pool(token, AuthProvider.GOOGLE)
                folders = os.environ["AMPLIFY_FEDERATION_HOME"], os.environ["AWS_CONFIG_FILE"]
                print(auth.state.identity_id, *folders)
        anyio.run(main)
        sys.exit(7)"""
    done = command.in_a_process("fake-cognito", "--", sys.executable, "-c", script)
    assert (done.code, done.stderr) == (7, "")
    identity, folder, config = done.stdout.split()
    assert identity.startswith("us-west-2:")
    assert folder != str(command.folder)
    assert Path(config).parent == Path(folder).parent
    assert not Path(folder).parent.exists()


def test_a_program_that_is_missing_is_named(command):
    done = command("fake-cognito", "--", "/no/such-program")
    assert done.code == 127
    assert "/no/such-program cannot be run: No such file" in done.stderr


def serve(command, monkeypatch, *arguments, then=lambda fake, url: None):
    """Run the command until it listens; `then` runs in its place."""

    def serve_forever(fake, *, port, on_ready):
        with fake.serve(port=port) as url:
            on_ready(url)
            then(fake, url)

    monkeypatch.setattr("amplify_federation.testing.FakeCognito.serve_forever", serve_forever)
    return command("fake-cognito", *arguments)


def test_pools_providers_faults_and_quotas_come_from_a_file(command, monkeypatch, tmp_path):
    setup = tmp_path / "setup.json"
    setup.write_text(
        json.dumps(
            {
                "pools": [
                    {"providers": {"login.example.com": ["web"]}, "name": "game"},
                    {"providers": ["google"], "guest_access": True, "name": "shop"},
                ],
                "providers": {"login.example.com": {"users": {"carol": {"groups": ["a"]}}}},
                "faults": [{"code": "TooManyRequestsException", "operation": "GetId"}],
                "quotas": {"GetId": 5},
            }
        )
    )
    seen = []

    def then(fake, url):
        seen.append(httpx.get(f"{url}/login.example.com/device").text)
        seen.append(fake._endpoint.faults.take("GetId").code)

    told = serve(command, monkeypatch, "--setup", str(setup), then=then)
    assert told.code == 0, told
    assert "export AMPLIFY_FEDERATION_PROVIDER=oidc:https://login.example.com" in told.stdout
    assert "export AMPLIFY_FEDERATION_CLIENT_ID=web" in told.stdout
    assert "(shop)" in told.stdout
    assert 'value="carol"' in seen[0]
    assert seen[1] == "TooManyRequestsException"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "is no JSON:"),
        ("[]", "is no JSON object"),
        ('{"pool": []}', "'pool', which is none"),
        ('{"pools": 3}', "'pools', which must be a list of objects"),
        ('{"faults": [3]}', "'faults', which must be a list of objects"),
        ('{"providers": ["google"]}', "'providers', which must be an object"),
        ('{"quotas": 3}', "'quotas', which must be an object"),
        (
            '{"pools": [{}, {"nam": ""}]}',
            "pools[1]: There is no member `nam` here; there is `name`",
        ),
        ('{"providers": {"gogle": {}}}', "providers['gogle']: There is no provider 'gogle'."),
        ('{"faults": [{"delay": "1s"}]}', "faults[0]: `delay` must be a number of seconds"),
        ('{"quotas": {"GetId": "1"}}', "quotas: `GetId` must be a number of calls per second"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(command, tmp_path, text, fault):
    setup = tmp_path / "setup.json"
    setup.write_text(text)
    done = command("fake-cognito", "--setup", str(setup))
    told = " ".join(done.stderr.split())
    assert (done.code, fault in told) == (3, True), done


@pytest.mark.parametrize("form", ["text", "json"])
def test_calls_are_logged_as_they_come(command, monkeypatch, form):
    def then(fake, url):
        httpx.get(f"{url}/accounts.google.com/.well-known/jwks.json")
        httpx.post(url, headers={"content-type": "application/x-amz-json-1.1"})

    options = ["--log", "--json"] if form == "json" else ["--log"]
    done = serve(command, monkeypatch, *options, then=then)
    lines = done.stderr.splitlines()
    if form == "json":
        assert json.loads(lines[0])["endpoint"] == "jwks.json"
        assert json.loads(lines[1])["code"] == "UnknownOperationException"
    else:
        assert lines == [
            "GET accounts.google.com/jwks.json 200",
            "(another service) 400 UnknownOperationException",
        ]


def test_a_subcommand_runs_no_program(command):
    done = command("fake-cognito", "token", "--", "true")
    assert (done.code, "A subcommand runs no program" in done.stderr) == (2, True)
