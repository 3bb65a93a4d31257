import json

import click
import pytest

from amplify_federation import AuthProvider, ConfigurationError, InvalidAccountTypeError
from amplify_federation.cli.options import ProviderType, Target, run

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


ARN = "arn:aws:iam::123456789012:saml-provider/Corp"


@pytest.mark.parametrize(
    ("text", "provider"),
    [
        ("google", AuthProvider.GOOGLE),
        ("Facebook", AuthProvider.FACEBOOK),
        ("amazon", AuthProvider.AMAZON),
        ("apple", AuthProvider.APPLE),
        ("twitter", AuthProvider.TWITTER),
        ("developer", AuthProvider.DEVELOPER),
        ("oidc:https://issuer.example.com/a", AuthProvider.oidc("https://issuer.example.com/a")),
        (f"saml:{ARN}", AuthProvider.saml(ARN)),
        ("user-pool:us-west-2_Ab1", AuthProvider.cognito_user_pool("us-west-2_Ab1")),
        ("custom:my.login", AuthProvider.custom("my.login")),
    ],
)
def test_a_provider_is_named(text, provider):
    assert ProviderType().convert(text, None, None) == provider
    assert ProviderType().convert(provider, None, None) == provider


@pytest.mark.parametrize("text", ["goggle", "", "oidc:", "saml:no-arn", "user-pool:x", "custom:"])
def test_what_names_no_provider_is_wrong_usage(text):
    with pytest.raises(click.BadParameter):
        ProviderType().convert(text, None, None)


def test_names_and_kinds_are_offered_to_the_shell():
    offered = [item.value for item in ProviderType().shell_complete(None, None, "")]
    assert {"google", "apple", "oidc:", "saml:"} <= set(offered)
