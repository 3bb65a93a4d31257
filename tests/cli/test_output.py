import io
import json
import sys
from datetime import UTC, datetime, timedelta, timezone

import click
import pytest
from click.testing import CliRunner

from amplify_federation import AWSCredentials, SignedOutError
from amplify_federation.cli.output import (
    duration,
    json_option,
    masked_key_id,
    print_error,
    print_json,
    print_pairs,
    progress,
    remaining,
    utc_text,
    wants_json,
    wrapped,
)


@click.command
@json_option
def told():
    print_pairs([("a", "1"), ("long name", "2\n3")])
    print_json({"json": wants_json()})
    print_error(SignedOutError("Nobody is here."))


def test_names_and_values_stand_in_columns():
    lines = CliRunner().invoke(told).stdout.splitlines()
    assert lines[:3] == ["a          1", "long name  2", "           3"]


def test_an_error_is_told_on_stderr_with_its_advice():
    done = CliRunner().invoke(told)
    assert done.stderr.startswith("Error: Nobody is here.\n  Sign in:")


def test_with_json_an_error_is_told_as_json_on_stderr():
    done = CliRunner().invoke(told, ["--json"])
    error = json.loads(done.stderr)
    assert (error["error"], error["exit_code"]) == ("SignedOutError", 4)
    assert error["message"] == "Nobody is here."
    assert "federate" in error["advice"]
    assert '"json": true' in done.stdout


def test_outside_of_a_command_nobody_wants_json():
    assert wants_json() is False


class Screen(io.StringIO):
    """A stderr that says when something was written."""

    def __init__(self, terminal):
        super().__init__()
        self.terminal = terminal
        self.wrote = __import__("threading").Event()

    def isatty(self):
        return self.terminal

    def write(self, text):
        done = super().write(text)
        self.wrote.set()
        return done


@pytest.mark.parametrize("terminal", [True, False])
def test_what_takes_long_is_told_on_stderr(monkeypatch, terminal):
    screen = Screen(terminal)
    monkeypatch.setattr(sys, "stderr", screen)
    with progress("Asking Cognito", delay=0.0):
        assert screen.wrote.wait(10)
    told = screen.getvalue()
    assert "Asking Cognito ..." in told
    assert told.endswith("\n") is not terminal  # a terminal's line is taken away


def test_a_dumb_terminal_gets_no_control_sequences(monkeypatch):
    screen = Screen(terminal=True)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "dumb")
    with progress("Asking Cognito", delay=0.0):
        assert screen.wrote.wait(10)
    assert screen.getvalue() == "Asking Cognito ...\n"


def test_prose_is_wrapped_at_a_terminal_and_a_command_is_not(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Screen(terminal=True))
    monkeypatch.setenv("COLUMNS", "30")
    assert wrapped("word " * 20, indent="  ").count("\n") == 3
    command = "Sign in again: amplify-federation login, or something else of this length"
    assert wrapped(command, indent="  ") == f"  {command}"
    monkeypatch.setattr(sys, "stderr", Screen(terminal=False))
    assert wrapped("word " * 20) == "word " * 20


def test_what_is_quick_is_not_told(capsys):
    with progress("Asking Cognito", delay=3600.0):
        pass
    assert capsys.readouterr().err == ""


def test_with_json_nothing_is_told():
    @click.command
    @json_option
    def quiet():
        with progress("Asking Cognito", delay=0.0):
            pass

    assert CliRunner().invoke(quiet, ["--json"]).stderr == ""


NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
CREDENTIALS = AWSCredentials("ASIAIOSFODNN7EXAMPLE", "secret", "token", NOON)


def test_an_access_key_id_is_shown_short():
    assert masked_key_id(CREDENTIALS) == "ASIA...MPLE"


def test_a_time_is_shown_in_utc_as_aws_writes_it():
    assert utc_text(NOON.astimezone(timezone(timedelta(hours=5)))) == "2026-11-23T12:00:00Z"


def test_what_remains_is_shown():
    soon = remaining(CREDENTIALS, NOON - timedelta(minutes=59, seconds=30))
    assert soon == "good for 59 min (until 2026-11-23T12:00:00Z)"
    assert remaining(CREDENTIALS, NOON) == "over since 2026-11-23T12:00:00Z"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5, "5 s"), (59.9, "59 s"), (60, "1 min"), (3600, "1 h 0 min"), (9000, "2 h 30 min")],
)
def test_a_duration_is_shown_in_the_units_that_matter(seconds, text):
    assert duration(seconds) == text
