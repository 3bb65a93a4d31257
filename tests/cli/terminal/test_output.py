import json

import click
from click.testing import CliRunner

from amplify_federation import SignedOutError
from amplify_federation.cli.terminal.output import (
    json_option,
    print_error,
    print_json,
    print_pairs,
    wants_json,
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
