import pytest

from amplify_federation import ConfigurationError
from amplify_federation.cli.aws_config import edited, without_default_credentials, write

MINE = "[profile mine]\n# of mine\nregion=eu-west-1\ns3 =\n    max_concurrent_requests = 3\n"
PROCESS = "/bin/amplify-federation credentials --pool p"


@pytest.mark.parametrize("before", ["", MINE, "[default]\nregion = a", f"{MINE}\n\n", "# only\n"])
@pytest.mark.parametrize("profile", ["default", "mine", "new"])
def test_editing_twice_is_editing_once(before, profile):
    once = edited(before, profile, PROCESS, "us-east-1").text
    assert edited(once, profile, PROCESS, "us-east-1").text == once
    changed = edited(once, profile, f"{PROCESS}2", "us-east-1")
    assert changed.conflicts == ()
    assert changed.text == once.replace(PROCESS, f"{PROCESS}2") or PROCESS + "2" in changed.text


def test_a_file_that_was_changed_meanwhile_is_left_alone(tmp_path):
    config = tmp_path / "config"
    config.write_text("# another's\n")
    with pytest.raises(ConfigurationError, match="changed meanwhile"):
        write(config, "# before\n", "# after\n")
    assert config.read_text() == "# another's\n"
    assert list(config.parent.iterdir()) == [config]


def test_a_header_that_is_indented_is_not_written_twice():
    with pytest.raises(ConfigurationError, match="cannot be written into this file"):
        edited("  [profile mine]\noutput=json\n", "mine", PROCESS, "us-east-1")


KEYS = "aws_access_key_id = AKIACANARY\naws_secret_access_key = canary-secret\n"


def test_a_default_profile_loses_its_credentials_and_keeps_its_settings():
    before = f"# first\n[default]\nregion = eu-west-1\n{KEYS}output = json\n\n{MINE}"
    copy = without_default_credentials(before)
    assert copy == f"[default]\nregion = eu-west-1\noutput = json\n\n{MINE}"


def test_the_copy_has_no_key_of_another_profile_and_no_profile_without_its_key():
    before = f"[default]\ncredential_process = {PROCESS}\n[other]\nregion = x\n{KEYS}{MINE}"
    assert without_default_credentials(before) == f"[default]\n{MINE}"


@pytest.mark.parametrize("name", ["default", "profile default", 'profile "default"'])
def test_a_default_profile_is_found_as_botocore_finds_it(name):
    indented = "".join(f"  {line}\n" for line in KEYS.splitlines())
    assert without_default_credentials(f"[{name}]\n{indented}") == f"[{name}]\n"
    other = f"[other]\n{indented}"
    assert without_default_credentials(f"[{name}]\n{KEYS}{other}") == f"[{name}]\n"


@pytest.mark.parametrize("before", ["", MINE, f"[other]\n{KEYS}", "[default]\nregion = x\n"])
def test_a_file_without_default_credentials_needs_no_copy(before):
    assert without_default_credentials(before) is None
