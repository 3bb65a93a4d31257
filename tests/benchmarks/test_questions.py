"""The short form of a benchmark runs and gives figures for us; they are not judged.

The cheap ones are run here. All of them are `python -m benchmarks --quick`, a step of its own.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import QUESTIONS

ROOT = Path(__file__).parents[2]


def command(*arguments):
    return [sys.executable, "-m", "benchmarks", *arguments]


@pytest.mark.parametrize("question", ["hot_path", "renewal", "file_store", "users"])
def test_a_question_is_answered_in_the_short_form(question, tmp_path):
    order = command(question, "--quick", "--out", str(tmp_path))
    done = subprocess.run(order, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers = json.loads((tmp_path / "results.json").read_text())["answers"]
    assert answers
    for answer in answers.values():
        ours = [row for row in answer["samples"] if "Fe" in row or "amp" in row or "Enc" in row]
        assert ours, done.stdout + done.stderr
        assert all(answer["samples"][row] for row in ours)


def test_each_question_has_its_file_and_asks_it():
    for question in QUESTIONS:
        text = (ROOT / "benchmarks" / "questions" / f"{question}.py").read_text()
        assert text.startswith('"""')
        assert "?" in text.partition('"""')[2].partition('"""')[0]


def test_an_unknown_question_is_refused():
    done = subprocess.run(
        command("nonsense"), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "no such question" in done.stderr


def test_both_servers_give_every_peer_the_same_answers():
    import http.client  # noqa: PLC0415  # only here
    from urllib.parse import urlsplit  # noqa: PLC0415  # only here

    from benchmarks.rig.server import running_server  # noqa: PLC0415  # only here

    for embedded in (True, False):
        with running_server(embedded=embedded) as (url, name):
            connection = http.client.HTTPConnection(urlsplit(url).netloc)
            for operation, member in (
                ("GetId", "IdentityId"),
                ("GetCredentialsForIdentity", "Credentials"),
            ):
                target = {"X-Amz-Target": f"AWSCognitoIdentityService.{operation}"}
                connection.request("POST", "/", b"{}", target)
                response = connection.getresponse()
                assert response.status == 200, name
                assert member in json.loads(response.read())
                assert response.headers["Date"]
            connection.close()
