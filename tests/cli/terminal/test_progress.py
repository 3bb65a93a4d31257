import io
import sys

import click
import pytest
from click.testing import CliRunner

from amplify_federation.cli.terminal.output import json_option
from amplify_federation.cli.terminal.progress import progress


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
    with progress("Asking Cognito", patience=0.0):
        assert screen.wrote.wait(10)
    told = screen.getvalue()
    assert "Asking Cognito ..." in told
    assert told.endswith("\n") is not terminal  # a terminal's line is taken away


def test_what_is_quick_is_not_told(capsys):
    with progress("Asking Cognito", patience=3600.0):
        pass
    assert capsys.readouterr().err == ""


def test_with_json_nothing_is_told():
    @click.command
    @json_option
    def quiet():
        with progress("Asking Cognito", patience=0.0):
            pass

    assert CliRunner().invoke(quiet, ["--json"]).stderr == ""
