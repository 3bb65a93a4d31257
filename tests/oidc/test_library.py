"""The extra `login`: what it is asked for, when it is loaded, and what is said without it."""

import subprocess
import sys
from urllib.parse import parse_qsl

import pytest

from amplify_federation._model.values import Secret
from amplify_federation._oidc.library import Client, authorization_url, code_challenge

TOKEN = "https://p.example.com/token"
WITHOUT = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"authlib", "joserfc"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
import anyio
from amplify_federation import ConfigurationError, OidcTokenSource, sign_in
named = dict(issuer="https://accounts.google.com", client_id="c")
for call in (
    lambda: anyio.run(lambda: sign_in(**named)),
    lambda: OidcTokenSource(refresh_token="r", **named),
):
    try:
        call()
    except ConfigurationError as error:
        print(error.recovery_suggestion)
"""


def test_without_the_extra_the_error_names_it():
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True
    )
    assert run.stdout.splitlines() == ["Install it: pip install 'amplify-federation[login]'"] * 2


def test_another_missing_module_is_no_matter_of_the_extra(monkeypatch):
    def fail(_name):
        raise ModuleNotFoundError(name="cryptography")

    monkeypatch.setattr("importlib.import_module", fail)
    with pytest.raises(ModuleNotFoundError):
        code_challenge(Secret("v"))


def test_the_challenge_is_that_of_the_standard():  # RFC 7636, appendix B
    verifier = Secret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert code_challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_an_authorization_url_keeps_the_query_of_its_endpoint():
    url = authorization_url("https://p.example.com/a?p=flow", client_id="c d", scope="openid")
    assert url == "https://p.example.com/a?p=flow&response_type=code&client_id=c+d&scope=openid"


@pytest.mark.parametrize(
    ("methods", "header", "members"),
    [
        (("client_secret_post", "client_secret_basic"), None, {"client_secret": "s:+"}),
        (("client_secret_basic",), "Basic YyUyRjE6cyUzQSUyQg==", {}),
        ((), "Basic YyUyRjE6cyUzQSUyQg==", {}),
    ],
)
def test_a_secret_goes_in_the_way_that_the_provider_takes(methods, header, members):
    client = Client("c/1", Secret("s:+"))
    form = client.token_form(TOKEN, methods, "refresh_token", {"refresh_token": Secret("r")})
    given = dict(parse_qsl(form.body.reveal()))
    assert form.headers.get("Authorization") == header
    assert {"grant_type": "refresh_token", "refresh_token": "r"} | members == {
        name: value for name, value in given.items() if name != "client_id"
    }
    assert "s:+" not in repr(form)
    assert "YyUy" not in repr(form)


def test_a_public_client_names_itself():
    form = Client("c").revocation_form(TOKEN, (), Secret("r"))
    assert dict(parse_qsl(form.body.reveal())) == {
        "token": "r",
        "token_type_hint": "refresh_token",
        "client_id": "c",
    }
