"""Which clients there are, and where users may be sent."""

import pytest

from amplify_federation import AuthProvider
from amplify_federation.testing import DEFAULT_CLIENT_ID
from amplify_federation.testing._openid.clients import ProviderSettings

GOOGLE = AuthProvider.GOOGLE
REDIRECT = "http://127.0.0.1:4711/callback"


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "strange"},
        {"redirect_uri": "https://elsewhere.example.com/callback"},
        {"redirect_uri": "http://127.0.0.1@elsewhere.example.com/callback"},
        {"redirect_uri": "http://127.0.0.1:x/callback"},
        {"redirect_uri": "http://127.0.0.1/\r\nx-injected: 1"},
        {"redirect_uri": "http://127.0.0.1/€"},
        {"redirect_uri": None},
    ],
    ids=str,
)
def test_nobody_is_sent_to_an_address_that_is_not_registered(browser, changed):
    page = browser.form(**changed)
    assert page.status_code == 400
    assert "location" not in page.headers


@pytest.mark.parametrize(
    ("registered", "given", "works"),
    [
        ("http://127.0.0.1/callback", "http://127.0.0.1:5000/callback", True),
        ("http://127.0.0.1/callback", "http://127.0.0.1:5000/other", False),
        ("http://127.0.0.1/callback", "http://localhost:5000/callback", False),
        ("http://127.0.0.1/callback", "http://127.0.0.1:5000/callback?x=1", False),
        ("http://127.0.0.1/callback", "http://127.0.0.1:5000/callback#x", False),
        ("http://127.0.0.1/callback", "http://user@127.0.0.1:5000/callback", False),
        ("http://[::1]/", "http://[::1]:5000/callback", True),
        ("https://app.example.com/back", "https://app.example.com/back", True),
        ("https://app.example.com/back", "https://app.example.com/back?x=1", False),
        ("https://app.example.com/back", "https://app.example.com:444/back", False),
    ],
)
def test_a_redirect_uri_is_exact_but_for_a_loopback_port(fake, browser, registered, given, works):
    fake.set_up_provider(GOOGLE, clients={"app": [registered]})
    page = browser.form(client_id="app", redirect_uri=given)
    assert page.status_code == (200 if works else 400)


def test_a_confidential_client_authenticates(fake, browser):
    fake.set_up_provider(GOOGLE, client_secrets={DEFAULT_CLIENT_ID: "pass word"})
    form = {"grant_type": "authorization_code", "redirect_uri": REDIRECT}
    url = browser.metadata["token_endpoint"]
    code = browser.decide(code_challenge=None, code_challenge_method=None)["code"]
    wrong = browser.client.post(url, data={**form, "code": code}, auth=(DEFAULT_CLIENT_ID, "no"))
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    right = browser.client.post(
        url, data={**form, "code": code}, auth=(DEFAULT_CLIENT_ID, "pass%20word")
    )
    assert right.status_code == 200, right.text


def test_settings_do_not_show_a_secret():
    assert "canary" not in repr(ProviderSettings(client_secrets={"app": "canary"}))
