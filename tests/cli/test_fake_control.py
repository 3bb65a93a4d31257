"""What another terminal asks of a running `fake-cognito`."""

import json
import re

import pytest

from amplify_federation import AuthProvider
from amplify_federation.cli.fake_control import COMMANDS, Control
from amplify_federation.testing import DEFAULT_CLIENT_ID, serve_control


@pytest.fixture
def ask(command, fake):
    """Run a subcommand against the fake of the test."""
    with serve_control(fake) as access:
        environment = {
            "AMPLIFY_FEDERATION_CONTROL_URL": access.url,
            "AMPLIFY_FEDERATION_CONTROL_TOKEN": access.token,
            "AMPLIFY_FEDERATION_CLIENT_ID": DEFAULT_CLIENT_ID,
        }

        def run(*arguments, env=None):
            return command("fake-cognito", *arguments, env={**environment, **(env or {})})

        yield run


def claims(fake, token):
    """Return what the fake's Google says in a token, which it must have signed."""
    from amplify_federation.testing._openid.issuers import Jwt, signing_key  # noqa: PLC0415

    jwt = Jwt.parse(token)
    return jwt.claims, signing_key("accounts.google.com").verifies(jwt)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_subcommand_has_examples_and_json(command, name):
    done = command("fake-cognito", name, "--help")
    assert done.code == 0
    assert "Examples:" in done.stdout
    assert "--json" in done.stdout


def test_a_token_of_any_user_signs_in(ask, command):
    done = ask("token", "--user", "bob")
    signed = command("federate", "--provider", "google", "--token-file", "-", stdin=done.stdout)
    assert signed.code == 0, signed


def test_what_a_token_says_is_chosen(ask, fake):
    told = ask(
        *("token", "--json", "--lifetime", "15m", "--claim", 'groups=["a"]'),
        *("--claim", "team=red", "--without", "jti", "--audience", "other"),
    ).json
    said, signed = claims(fake, told["token"])
    assert (said["groups"], said["team"], said["aud"]) == (["a"], "red", "other")
    assert (said["exp"] - said["iat"], "jti" in said) == (900, False)
    assert (told["login_key"], signed) == ("accounts.google.com", True)


def test_a_token_may_be_over_forged_or_another_providers(ask, fake, command):
    for argument, text in (("--expired", "expired"), ("--forged", "signature")):
        token = ask("token", argument).stdout
        done = command("federate", "--provider", "google", "--token-file", "-", stdin=token)
        assert done.code == 6, done
        assert text in done.stderr.lower() or "verify signed token" in done.stderr
    assert ask("token", "--provider", "facebook").stdout.startswith("EAA")
    assert fake.calls[-1].code == "NotAuthorizedException"


def test_a_pool_is_made(ask, fake):
    pool = ask("pool", "--provider", "google=web", "--provider", "apple", "--guests").stdout.strip()
    assert fake.identity_pools()[-1] == pool
    assert ask("pool", "--json", "--name", "game").json["identity_pool_id"] in fake.identity_pools()


def test_the_sign_in_of_a_provider_is_set_up(ask, fake):
    done = ask(
        *("provider", "--user", "carol", "--client", "app=http://127.0.0.1/back"),
        *("--claim", "groups=[]", "--lifetime", "5m", "--no-refresh-tokens"),
    )
    assert "https://accounts.google.com" in done.stdout
    settings = fake._provider.clients.settings("accounts.google.com")
    assert list(settings.users) == ["carol"]
    assert settings.clients == {"app": ("http://127.0.0.1/back",)}
    assert (settings.claims, settings.lifetime) == ({"groups": []}, 300)
    document = fake.discovery_document(AuthProvider.GOOGLE)
    assert "refresh_token" not in document["grant_types_supported"]


def test_the_clock_is_moved(ask, fake):
    before = fake.time()
    assert ask("clock", "--advance", "2h", "--json").json == {"time": before + 7200}
    ask("clock", "--skew", "-90")
    assert fake.skew == -90


def test_faults_are_injected_and_calls_listed(ask, command, token):
    def federate():
        return command("federate", "--provider", "google", "--token-file", "-", stdin=token)

    ask("fault", "LimitExceededException", "--operation", "GetId")
    assert federate().code == 6
    ask("fault", "--operation", "GetId", "--status", "500", "--times", "9")
    ask("fault", "--clear")
    assert federate().code == 0
    lines = ask("calls").stdout.splitlines()
    assert lines == [
        "GetId 400 LimitExceededException", "GetId 200", "GetCredentialsForIdentity 200",
    ]  # fmt: skip
    as_json = ask("calls", "--json", "--clear")
    assert json.loads(as_json.stdout)[1]["input"]["Logins"] == {"accounts.google.com": "[secure]"}
    assert token not in as_json.stdout
    assert ask("calls").stdout == ""


def test_an_operation_is_throttled(ask, command, token):
    def federate():
        return command("federate", "--provider", "google", "--token-file", "-", stdin=token)

    assert ask("quota", "GetId=0", "--json").json == {"GetId": 0}
    assert federate().code == 8
    assert ask("quota").stdout.split() == ["quotas", "none"]
    assert federate().code == 0


def test_requests_to_the_providers_are_listed(ask, url, fake):
    import httpx  # noqa: PLC0415  # only here

    fake.fail_next(operation="userinfo", cut_connection=True)
    base = f"{url}/accounts.google.com"
    httpx.get(f"{base}/.well-known/openid-configuration")
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{base}/userinfo")
    assert ask("calls", "--providers").stdout.splitlines() == [
        "GET accounts.google.com/openid-configuration 200",
        "GET accounts.google.com/userinfo cut",
    ]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("token", "--claim", "groups"), "NAME=VALUE"),
        (("token", "--lifetime", "soon"), "no duration"),
        (("token", "--provider", "developer"), "issue_developer_token"),
        (("fault",), "Say what shall fail"),
        (("quota", "GetId"), "no OPERATION=CALLS_A_SECOND"),
        (("quota", "GetId=nan"), "no OPERATION=CALLS_A_SECOND"),
        (("provider", "--client", "app"), "no ID=REDIRECT_URI"),
        (("clock", "--advance", "-1"), "forward only"),
    ],
)
def test_a_mistake_is_wrong_usage(ask, arguments, text):
    done = ask(*arguments)
    assert (done.code, text in done.stderr) == (2, True), done


def test_without_a_server_the_way_to_one_is_told(ask, command):
    missing = command("fake-cognito", "token")
    assert missing.code == 3
    assert "AMPLIFY_FEDERATION_CONTROL_URL is not set" in missing.stderr
    assert "amplify-federation fake-cognito > fake.env &" in re.sub(r"\s+", " ", missing.stderr)
    wrong = ask("clock", env={"AMPLIFY_FEDERATION_CONTROL_TOKEN": "canary"})
    assert (wrong.code, "canary" in wrong.everything) == (3, False)
    gone = ask("clock", env={"AMPLIFY_FEDERATION_CONTROL_URL": "http://127.0.0.1:1"})
    assert (gone.code, "No fake Cognito answers" in gone.stderr) == (7, True)


def test_the_control_token_is_not_shown():
    assert "canary" not in repr(Control("http://127.0.0.1:1", "canary"))
