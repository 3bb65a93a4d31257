import json

import click
import pytest

from amplify_federation import AuthProvider
from amplify_federation.cli.federate import ProviderType


def test_a_token_on_stdin_is_traded(command, token, fake):
    done = command("federate", "--provider", "google", "--token-file", "-", stdin=f"{token}\n")
    assert done.code == 0, done
    assert "federated" in done.stdout
    assert [call.operation for call in fake.calls] == ["GetId", "GetCredentialsForIdentity"]


def test_a_token_in_a_file_is_traded(command, token, tmp_path):
    (tmp_path / "token").write_text(token)
    done = command("federate", "--provider", "google", "--token-file", str(tmp_path / "token"))
    assert done.code == 0, done


def test_a_token_in_the_environment_is_traded(command, token):
    done = command("federate", "--provider", "google", env={"AMPLIFY_FEDERATION_TOKEN": token})
    assert done.code == 0, done


def test_the_provider_may_stand_in_the_environment(command, token):
    named = {"AMPLIFY_FEDERATION_TOKEN": token, "AMPLIFY_FEDERATION_PROVIDER": "google"}
    done = command("federate", env=named)
    assert done.code == 0, done


def test_json_tells_the_identity_and_no_secret(command, token, fake):
    done = command("federate", "--provider", "google", "--token-file", "-", "--json", stdin=token)
    told = done.json
    assert (told["state"], told["provider"]) == ("federated", "accounts.google.com")
    assert set(told) == {"state", "identity_id", "provider", "expiration", "session"}
    assert told["identity_id"].startswith("us-west-2:")


def test_a_token_as_an_argument_is_wrong_usage(command, token):
    done = command("federate", "--provider", "google", token)
    assert done.code == 2


@pytest.mark.parametrize("stdin", ["", "  \n", "\udcff"])
def test_no_token_is_wrong_usage(command, stdin, fake):
    raw = stdin.encode(errors="surrogateescape")
    done = command("federate", "--provider", "google", "--token-file", "-", stdin=raw)
    assert done.code == 2
    assert "holds no token" in done.stderr
    assert fake.calls == []


def test_without_any_source_the_sources_are_named(command):
    done = command("federate", "--provider", "google")
    assert done.code == 2
    assert "--token-file" in done.stderr
    assert "AMPLIFY_FEDERATION_TOKEN" in done.stderr


def test_a_missing_file_is_told(command, tmp_path):
    path = str(tmp_path / "nothing")
    done = command("federate", "--provider", "google", "--token-file", path)
    assert done.code == 2
    assert "No such file" in done.stderr


def test_a_token_that_is_too_long_is_not_sent(command, fake):
    long = "x" * 60_000
    done = command("federate", "--provider", "google", "--token-file", "-", stdin=long)
    assert done.code == 2
    assert "xxxx" not in done.everything
    assert fake.calls == []


def test_a_refused_token_ends_with_6_and_is_not_shown(command, fake, pool):
    forged = fake.issue_token(AuthProvider.GOOGLE, "alice", forged=True)
    done = command("federate", "--provider", "google", "--token-file", "-", stdin=forged)
    assert done.code == 6
    assert forged not in done.everything
    assert "new token" in done.stderr
    assert done.stdout == ""


def test_a_refusal_is_told_as_json(command, fake, pool):
    old = fake.issue_token(AuthProvider.GOOGLE, "alice", lifetime=-3600)
    done = command("federate", "--provider", "google", "--token-file", "-", "--json", stdin=old)
    assert (done.error["error"], done.error["exit_code"]) == ("NotAuthorizedError", 6)
    assert "Token expired" in done.error["message"]


def test_an_endpoint_that_does_not_answer_ends_with_7(command, token):
    done = command(
        "federate", "--provider", "google", "--token-file", "-", stdin=token,
        env={"AWS_ENDPOINT_URL_COGNITO_IDENTITY": "http://127.0.0.1:9"},
    )  # fmt: skip
    assert done.code == 7


def test_a_service_in_trouble_ends_with_8(command, token, fake):
    fake.fail_next("TooManyRequestsException", times=9)
    fake.fail_next("InternalErrorException", times=9)
    done = command("federate", "--provider", "google", "--token-file", "-", stdin=token)
    assert done.code == 8


def test_a_malformed_pool_ends_with_3_and_nothing_is_written(command, token, folder):
    done = command(
        "federate", "--provider", "google", "--token-file", "-", "--pool", "x", stdin=token
    )
    assert done.code == 3
    assert not folder.exists()


def test_a_developer_login_needs_the_identity_of_its_backend(command, fake):
    pool = fake.create_identity_pool({AuthProvider.DEVELOPER: ["login.game"]})
    identity, token = fake.issue_developer_token(pool, "alice")
    arguments = ["federate", "--pool", pool, "--provider", "developer", "--token-file", "-"]
    assert command(*arguments, stdin=token).code == 2
    done = command(*arguments, "--identity-id", identity, "--json", stdin=token)
    assert json.loads(done.stdout)["identity_id"] == identity


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
