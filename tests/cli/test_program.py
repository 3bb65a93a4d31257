import builtins
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import amplify_federation
from amplify_federation import cli
from amplify_federation.cli import program as module
from amplify_federation.cli.exit_codes import MEANINGS
from amplify_federation.cli.program import program

COMMANDS = [
    "demo",
    "login",
    "whoami",
    "exec",
    "configure",
    "list",
    "logout",
    "federate",
    "session",
    "credentials",
    "clear",
    "serve",
    "doctor",
    "fake-cognito",
]


def ask(*arguments, **options):
    return CliRunner().invoke(program, arguments, **options)


def test_help_names_every_command_and_every_exit_code():
    done = ask("--help")
    assert done.exit_code == 0
    listed = done.stdout[done.stdout.index("Commands:") :]
    assert [line.split()[0] for line in listed.splitlines()[1 : len(COMMANDS) + 1]] == COMMANDS
    for code, meaning in MEANINGS.items():
        assert f"{int(code):>3}  {meaning}" in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_has_examples_and_json(name):
    done = ask(name, "--help")
    assert done.exit_code == 0
    assert "Examples:" in done.stdout
    assert done.stdout.replace("\n", "").isprintable()
    assert "--json" in done.stdout


def test_an_unknown_command_is_wrong_usage():
    done = ask("dance")
    assert done.exit_code == 2
    assert "dance" in done.stderr


@pytest.mark.parametrize(("typed", "meant"), [("logn", "login"), ("whoam", "whoami")])
def test_a_misspelt_command_is_answered_with_the_one_that_is_alike(typed, meant):
    assert f"Did you mean {meant}" in ask(typed).stderr


def test_the_list_of_commands_loads_none_of_them():
    script = (
        "import sys; from click.testing import CliRunner;"
        "from amplify_federation.cli.program import program;"
        "CliRunner().invoke(program, ['--help']);"
        "print(*(name for name in sys.modules if name.startswith('amplify_federation.cli.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert {name.rpartition(".")[2] for name in done.stdout.split()} == {
        "program", "exit_codes", "output",
    }  # fmt: skip


def test_the_package_itself_is_the_command_and_knows_its_version():
    done = subprocess.run(
        [sys.executable, "-m", "amplify_federation", "--version"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"amplify-federation, version {amplify_federation.__version__}\n"


def test_wrong_usage_is_told_as_json_too():
    done = ask("federate", "--json", "--provider", "dance")
    told = json.loads(done.stderr)
    assert (done.exit_code, told["exit_code"], told["error"]) == (2, 2, "UsageError")
    assert "dance" in told["message"]


def test_the_version_is_told():
    assert "amplify-federation, version " in ask("--version").stdout


def test_a_fault_of_the_program_is_told_by_class_and_place_without_its_text(monkeypatch):
    def broken(_target):
        raise RuntimeError("with a secret in it")

    monkeypatch.setattr("amplify_federation.cli.options.Target.pool", broken)
    done = ask("session")
    assert done.exit_code == 1
    assert "RuntimeError in " in done.stderr
    assert "secret" not in done.output
    assert "Traceback" not in done.output


def test_an_interrupt_ends_with_130_and_no_traceback(monkeypatch):
    def interrupted(_target):
        raise KeyboardInterrupt

    monkeypatch.setattr("amplify_federation.cli.options.Target.pool", interrupted)
    done = ask("session")
    assert done.exit_code == 130
    assert "Traceback" not in done.output


def test_an_interrupt_while_modules_are_imported_ends_with_130_too(monkeypatch):
    def interrupted(_name):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "find_spec", interrupted)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 130


def test_a_name_that_a_code_page_does_not_have_is_printed_as_escapes(command):
    done = command.in_a_process("session", "--session", "\u2603", PYTHONIOENCODING="cp1252")
    assert done.code == 4, done
    assert "session  \\u2603\n" in done.stdout


def test_a_reader_that_goes_away_is_no_fault_of_ours():
    script = f"{sys.executable} -m amplify_federation.cli --help | head -n 1"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_behind_stdout_is_no_fault_of_ours(command):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "amplify_federation.cli", "clear"], env=command.environment(),
            stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60,
        )  # fmt: skip
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "fault" not in done.stderr


def test_a_warning_of_the_package_is_printed_and_with_json_is_not(command):
    env = {"AWS_ENDPOINT_URL_COGNITO_IDENTITY": "http://nowhere.invalid"}
    lines = command("doctor", env=env).stderr.splitlines()
    assert lines[0].startswith("Warning: Tokens and credentials go unencrypted to nowhere.invalid")
    assert command("doctor", "--json", env=env).stderr == ""


@pytest.mark.parametrize("without", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_color_is_obeyed(monkeypatch, without):
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = ask("session", "--pool", "nonsense", color=True, env={"TERM": "xterm"})
    plain = ask("session", "--pool", "nonsense", color=True, env=without)
    assert "\x1b[" in coloured.stderr
    assert "\x1b[" not in plain.stderr


def test_shell_completion_offers_commands_and_providers():
    def complete(words, position):
        return ask(
            env={
                "_AMPLIFY_FEDERATION_COMPLETE": "bash_complete",
                "COMP_WORDS": words,
                "COMP_CWORD": str(position),
            },
            prog_name="amplify-federation",
        ).stdout

    assert "plain,federate" in complete("amplify-federation fed", 1)
    assert "plain,google" in complete("amplify-federation federate --provider go", 3)


def test_without_click_the_extra_is_named(monkeypatch, capsys):
    monkeypatch.setattr(cli, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 3
    assert "pip install 'amplify-federation[cli]'" in capsys.readouterr().err


def test_the_way_in_imports_neither_click_nor_the_session():
    script = "import sys, amplify_federation.cli; print('click' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_a_command_is_imported_when_it_is_called(monkeypatch):
    real, seen = builtins.__import__, []
    monkeypatch.setattr(module, "import_module", lambda name: seen.append(name) or real_of(name))

    def real_of(name):
        return real(name, fromlist=["command"])

    ask("clear", "--help")
    assert seen == ["amplify_federation.cli.session"]
