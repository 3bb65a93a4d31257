"""The profile in the AWS config file, read by the real botocore."""

import io
import os
import shlex
import stat
import subprocess
import sys

import botocore.session
import pytest
from botocore.compat import compat_shell_split
from click.testing import CliRunner

from amplify_federation import ConfigurationError
from amplify_federation.cli.configure import process_line
from amplify_federation.cli.program import program

MINE = "[profile mine]\n# of mine\nregion=eu-west-1\ns3 =\n    max_concurrent_requests = 3\n"
KEYS = "aws_access_key_id = AKIACANARY\naws_secret_access_key = canary-secret\n"


@pytest.fixture
def config(tmp_path):
    return tmp_path / "aws" / "config"


@pytest.fixture
def configure(command, config):
    """The command, over a config file of its own."""

    def run(*arguments, stdin=None):
        env = {"AWS_CONFIG_FILE": str(config), "AWS_SHARED_CREDENTIALS_FILE": str(config) + "s"}
        return command("configure", *arguments, stdin=stdin, env=env)

    return run


def kept(config):
    return sorted(path.name for path in config.parent.iterdir() if path != config)


def profiles_of(config, monkeypatch):
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    return botocore.session.Session().full_config["profiles"]


def test_a_profile_is_written_that_aws_tools_get_credentials_with(
    signed_in, configure, config, monkeypatch
):
    done = configure("--profile", "player", "--yes")
    assert done.code == 0, done
    assert "+[profile player]" in done.stderr
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    for name, value in signed_in.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir("/")
    session = botocore.session.Session(profile="player")
    assert session.get_config_variable("region") == "us-west-2"
    key = signed_in("credentials", "--json").json["access_key_id"]
    assert session.get_credentials().access_key == key
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    again = configure("--profile", "player", "--yes")
    assert "Already so" in again.stdout
    assert kept(config) == []


def test_all_else_in_the_file_stays_and_the_file_before_is_kept(configure, config, monkeypatch):
    config.parent.mkdir()
    before = f"# first\r\n[default]\r\noutput = json\r\n\r\n{MINE}"
    config.write_bytes(before.encode())
    config.chmod(0o640)
    assert configure("--yes").code == 0
    after = config.read_bytes().decode()
    assert after.startswith(before)
    assert stat.S_IMODE(config.stat().st_mode) == 0o640
    (backup,) = kept(config)
    assert (config.parent / backup).read_bytes() == before.encode()
    profiles = profiles_of(config, monkeypatch)
    assert profiles["mine"]["s3"] == {"max_concurrent_requests": "3"}
    assert "credential_process" in profiles["amplify-federation"]


def test_it_asks_and_takes_no_for_an_answer(configure, config):
    assert configure(stdin="n\n").code == 1
    assert not config.exists()
    done = configure()
    assert done.code == 2
    assert "give --yes" in done.stderr
    assert configure("--json").code == 2
    done = configure(stdin="y\n")
    assert done.code == 0
    assert "Write this to" in done.stderr


class Interrupted(io.BytesIO):
    """An input at which the user presses Ctrl-C."""

    def read1(self, _size=-1):
        raise KeyboardInterrupt


def test_ctrl_c_at_the_question_is_an_interrupt(configure, config):
    assert configure(stdin=Interrupted()).code == 130
    assert not config.exists()


def test_a_profile_with_credentials_of_another_kind_is_asked_about(configure, config, monkeypatch):
    config.parent.mkdir()
    before = f"{MINE}{KEYS}[profile other]\nrole_arn = r\n"
    config.write_text(before)
    arguments = ("--profile", "mine")
    done = configure(*arguments, "--yes")
    assert done.code == 2
    assert "--overwrite" in done.stderr
    assert "canary-secret" not in done.everything
    assert configure(*arguments, stdin="n\n").code == 1
    assert config.read_text() == before
    done = configure(*arguments, "--overwrite", "--yes", "--json")
    assert done.json["changed"] is True
    profiles = profiles_of(config, monkeypatch)
    assert profiles["mine"].keys() == {"region", "s3", "credential_process"}
    assert profiles["mine"]["region"] == "eu-west-1"
    assert profiles["other"] == {"role_arn": "r"}
    assert "# of mine\n" in config.read_text()


def test_a_role_of_the_environment_is_said_to_be_needed_there(command, config):
    role = {"AMPLIFY_FEDERATION_CUSTOM_ROLE_ARN": "arn:aws:iam::123456789012:role/Players"}
    done = command("configure", "--yes", env={"AWS_CONFIG_FILE": str(config), **role})
    assert "For that role AWS tools need AMPLIFY_FEDERATION_CUSTOM_ROLE_ARN and " in done.stderr


def test_a_link_is_followed_and_stays_one(configure, config, tmp_path):
    config.parent.mkdir()
    real = tmp_path / "dotfiles"
    real.write_text(MINE)
    config.symlink_to(real)
    assert configure("--yes").code == 0
    assert config.is_symlink()
    assert "amplify-federation" in real.read_text()


def test_what_aws_tools_do_not_read_is_left_alone(configure, config):
    config.parent.mkdir()
    config.write_text("region = canary\n[profile x]\n")
    done = configure("--yes")
    assert done.code == 3
    assert "MissingSectionHeaderError, line 1" in done.stderr
    assert "canary" not in done.everything
    assert config.read_text() == "region = canary\n[profile x]\n"


@pytest.mark.parametrize("word", ["/opt/my tools/x", "/a'b\"c", "/$HOME/`x`", "/a;b#c %PATH%"])
def test_the_process_is_quoted_for_shells_and_for_botocore(word):
    line = process_line([word], ["--session", "bob the builder"], windows=False)
    words = [word, "--session", "bob the builder"]
    assert shlex.split(line) == words
    assert compat_shell_split(line, platform="linux") == words
    told = subprocess.run(
        ["sh", "-c", f"printf '%s\\n' {line}"], capture_output=True, text=True, check=True
    )
    assert told.stdout.splitlines() == words


def test_the_process_is_quoted_for_windows():
    words = [r"C:\Program Files\x\amplify-federation.exe", "--session", "bob the builder"]
    line = process_line(words[:1], words[1:], windows=True)
    assert compat_shell_split(line, platform="win32") == words


@pytest.mark.parametrize("word", ["a\nb", "bob #2", "bob ;2", "a\udcffb"])
def test_what_some_aws_tool_would_not_read_as_it_stands_is_refused(word):
    with pytest.raises(ConfigurationError) as caught:
        process_line(["/bin/x"], ["--session", word])
    assert "Write the profile by hand" in caught.value.recovery_suggestion


def test_a_strange_name_is_refused_and_profiles_are_completed(command, configure, config):
    assert configure("--profile", "a]b").code == 2
    config.parent.mkdir()
    config.write_text(MINE)
    done = CliRunner().invoke(
        program,
        prog_name="amplify-federation",
        env={
            "AWS_CONFIG_FILE": str(config),
            "_AMPLIFY_FEDERATION_COMPLETE": "bash_complete",
            "COMP_WORDS": "amplify-federation configure --profile m",
            "COMP_CWORD": "3",
        },
    )
    assert "plain,mine" in done.stdout


def test_the_module_is_named_where_there_is_no_script(configure, config, monkeypatch, tmp_path):
    python = tmp_path / "a b" / "python"
    python.parent.mkdir()
    os.symlink(sys.executable, python)  # noqa: PTH211
    monkeypatch.setattr(sys, "executable", str(python))
    assert configure("--yes").code == 0
    assert f"credential_process = '{python}' -P -m amplify_federation.cli" in config.read_text()
