import json

import click
import pytest

from amplify_federation import ConfigurationError, InvalidAccountTypeError
from amplify_federation.cli.options import Target, run

POOL = "us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768"
OTHER = "eu-west-1:b4cd4809-7ab1-42e1-b044-07dab9eaa768"


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "amplify_outputs.json"
    path.write_text(json.dumps({"auth": {"identity_pool_id": OTHER, "aws_region": "us-east-1"}}))
    return path


def test_the_pool_comes_from_its_option_before_the_environment(monkeypatch):
    monkeypatch.setenv("AMPLIFY_FEDERATION_POOL_ID", OTHER)
    assert Target(POOL).pool().identity_pool_id == POOL


def test_the_environment_s_pool_has_its_role_where_an_option_names_it_too(monkeypatch):
    role = "arn:aws:iam::123456789012:role/Players"
    monkeypatch.setenv("AMPLIFY_FEDERATION_POOL_ID", POOL)
    monkeypatch.setenv("AMPLIFY_FEDERATION_CUSTOM_ROLE_ARN", role)
    assert Target(POOL).pool().custom_role_arn == role
    assert Target(OTHER).pool().custom_role_arn is None


def test_the_pool_comes_from_a_file(config):
    assert Target(config=config).pool().identity_pool_id == OTHER


def test_the_pool_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("AMPLIFY_FEDERATION_POOL_ID", OTHER)
    assert Target().pool().identity_pool_id == OTHER


def test_pool_and_config_exclude_each_other(config):
    with pytest.raises(click.UsageError, match="exclude"):
        Target(POOL, config).pool()


def test_without_any_pool_the_options_and_variables_are_named():
    with pytest.raises(ConfigurationError) as caught:
        Target().pool()
    for word in ("--pool", "--config", "AMPLIFY_FEDERATION_POOL_ID"):
        assert word in caught.value.recovery_suggestion


def test_a_file_without_identity_pool_is_told(tmp_path):
    path = tmp_path / "amplify_outputs.json"
    path.write_text("{}")
    with pytest.raises(InvalidAccountTypeError):
        Target(config=path).pool()


def test_the_store_is_the_folder_of_the_option(tmp_path, monkeypatch):
    monkeypatch.setenv("AMPLIFY_FEDERATION_HOME", str(tmp_path / "home"))
    assert Target(folder=tmp_path / "given").store().path == tmp_path / "given"
    assert Target().store().path == tmp_path / "home"


def test_the_handle_is_of_that_pool_and_session(tmp_path):
    auth = Target(POOL, session="bob", folder=tmp_path).open()
    assert auth.pool.identity_pool_id == POOL


@pytest.mark.parametrize(("given", "name"), [("Zo\udcc3\udcab", "Zoë"), ("Zoë", "Zoë")])
def test_a_session_s_name_is_utf_8_under_any_locale(command, given, name):
    assert command("clear", "--json", "--session", given).json["session"] == name


def test_a_session_s_name_that_is_no_text_is_wrong_usage(command):
    assert command("clear", "--session", "a\udcffb").code == 2


def test_work_is_run_to_its_end():
    async def work():
        return 42

    assert run(work, doing="Working") == 42
