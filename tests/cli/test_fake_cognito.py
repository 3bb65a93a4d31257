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
                print(auth.state.identity_id, os.environ["AMPLIFY_FEDERATION_HOME"])
        anyio.run(main)
        sys.exit(7)"""
    done = command.in_a_process("fake-cognito", "--", sys.executable, "-c", script)
    assert (done.code, done.stderr) == (7, "")
    identity, folder = done.stdout.split()
    assert identity.startswith("us-west-2:")
    assert folder != str(command.folder)
    assert not Path(folder).exists()


def test_a_program_that_is_missing_is_named(command):
    done = command("fake-cognito", "--", "no-such-program")
    assert done.code == 127
    assert "no-such-program cannot be run: No such file" in done.stderr
