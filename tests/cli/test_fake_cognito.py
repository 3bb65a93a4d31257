import json
import signal
import subprocess
import sys

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
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert done.code == 0, done
    assert set(told) == {
        "AWS_ENDPOINT_URL_COGNITO_IDENTITY",
        "AMPLIFY_FEDERATION_POOL_ID",
        "AMPLIFY_FEDERATION_TOKEN",
    }
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
