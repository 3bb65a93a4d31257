"""The user and the role of a session, as far as they can be known."""

import sys

import botocore.session
import pytest
from click.testing import CliRunner

from amplify_federation import AuthProvider
from amplify_federation.cli.program import program
from amplify_federation.cli.whoami import role_of


def test_the_user_is_named_by_the_token_and_the_role_by_sts(signed_in, fake, moto):
    done = signed_in("whoami", "--json", env={"AWS_ENDPOINT_URL_STS": moto})
    told = done.json
    assert done.code == 0
    assert told["providers"] == ["accounts.google.com"]
    assert told["identity_id"] == signed_in("session", "--json").json["identity_id"]
    assert told["role_arn"].startswith("arn:aws:")
    assert told["user"]
    assert told["expiration"].endswith("Z")
    secret = signed_in("credentials", "--json").json
    shown = done.everything + signed_in("whoami").everything
    for name in ("secret_access_key", "session_token"):
        assert secret[name] not in shown
    assert "eyJ" not in shown


def test_what_is_not_known_is_said_to_be_so(signed_in, fake, monkeypatch):
    calls = len(fake.calls)
    assert "AWS's STS is not asked" in signed_in("whoami").stdout
    assert "--no-network" in signed_in("whoami", "--no-network").stdout
    unreachable = {"AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9"}
    assert "STS was not reached" in signed_in("whoami", env=unreachable).stdout
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    assert "needs botocore" in signed_in("whoami", env=unreachable).stdout
    assert len(fake.calls) == calls


def test_an_assumed_role_is_shown_as_the_role():
    assumed = "arn:aws:sts::123456789012:assumed-role/Players/CognitoIdentityCredentials"
    assert role_of(assumed) == "arn:aws:iam::123456789012:role/Players"
    assert role_of("arn:aws:iam::123456789012:user/x") == "arn:aws:iam::123456789012:user/x"


def test_an_opaque_token_names_nobody(command, fake, pool):
    token = fake.issue_token(AuthProvider.FACEBOOK, "alice")
    assert command(
        "federate", "--provider", "facebook", "--token-file", "-", stdin=token
    ).code == 0  # fmt: skip
    done = command("whoami", "--no-network")
    assert "holds no ID token that names the user" in done.stdout


@pytest.mark.parametrize("arguments", [(), ("--no-network",)])
def test_nobody_signed_in_ends_with_4_and_says_how(command, arguments):
    done = command("whoami", *arguments)
    assert done.code == 4
    assert "amplify-federation login" in done.stderr


def test_session_names_are_completed(signed_in):
    done = CliRunner().invoke(
        program,
        prog_name="amplify-federation",
        env={
            **signed_in.variables(),
            "_AMPLIFY_FEDERATION_COMPLETE": "bash_complete",
            "COMP_WORDS": "amplify-federation whoami --session d",
            "COMP_CWORD": "3",
        },
    )
    assert "plain,default" in done.stdout


def test_a_custom_endpoint_s_credentials_never_go_to_aws(signed_in, monkeypatch):
    def refused(*_, **__):
        raise AssertionError("AWS was asked")

    monkeypatch.setattr(botocore.session, "Session", refused)
    assert signed_in("whoami").code == 0
