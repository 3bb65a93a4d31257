"""The embedded OpenID provider, over loopback HTTP, by a client that follows its redirects."""

import base64
import re
from hashlib import sha256
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from amplify_federation import AuthProvider
from amplify_federation.testing import DEFAULT_CLIENT_ID
from amplify_federation.testing._openid.authorization import DEVICE_GRANT
from amplify_federation.testing._openid.issuers import Jwt

GOOGLE = AuthProvider.GOOGLE
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
REDIRECT = "http://127.0.0.1:4711/callback"
ASKED = {
    "client_id": DEFAULT_CLIENT_ID,
    "redirect_uri": REDIRECT,
    "response_type": "code",
    "scope": "openid",
    "state": "s&1",
    "nonce": "n-1",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


class Browser:
    """Signs in on the provider's pages, and speaks to its endpoints."""

    def __init__(self, client, url):
        self.client, self.base = client, f"{url}/{GOOGLE.login_key}"
        discovery = client.get(f"{self.base}/.well-known/openid-configuration")
        self.metadata = discovery.json()

    def form(self, **changed):
        asked = {k: v for k, v in {**ASKED, **changed}.items() if v is not None}
        return self.client.get(self.metadata["authorization_endpoint"], params=asked)

    def decide(self, decision="allow", user="alice", **changed):
        page = self.form(**changed)
        assert page.status_code == 200, page.text
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text))
        hidden = {name: value.replace("&amp;", "&") for name, value in hidden.items()}
        answer = self.client.post(str(page.url), data=hidden | {"user": user, "decision": decision})
        assert answer.status_code == 302, answer.text
        return self.parameters_of(answer)

    @staticmethod
    def parameters_of(answer):
        location = urlsplit(answer.headers["location"])
        return {name: value for name, [value] in parse_qs(location.query).items()}

    def token(self, **form):
        return self.client.post(
            self.metadata["token_endpoint"], data={"client_id": DEFAULT_CLIENT_ID, **form}
        )

    def redeem(self, code, **changed):
        form = {"redirect_uri": REDIRECT, "code_verifier": VERIFIER, **changed}
        return self.token(grant_type="authorization_code", code=code, **form)

    def refresh(self, token):
        return self.token(grant_type="refresh_token", refresh_token=token)


@pytest.fixture
def browser(fake):
    with fake.serve() as url, httpx.Client() as client:
        yield Browser(client, url)


def claims(answer):
    return Jwt.parse(answer.json()["id_token"]).claims


def test_a_sign_in_gives_a_token_of_the_user_that_cognito_takes(fake, call, browser):
    back = browser.decide(user="bob")
    assert back["state"] == "s&1"
    assert back["iss"] == "https://accounts.google.com"
    answer = browser.redeem(back["code"])
    assert answer.headers["cache-control"] == "no-store"
    said = claims(answer)
    assert (said["sub"], said["aud"], said["nonce"]) == ("bob", DEFAULT_CLIENT_ID, "n-1")
    pool = fake.create_identity_pool()
    call.identity(pool, {GOOGLE.login_key: answer.json()["id_token"]})


def test_the_page_works_without_scripts_and_labels_its_field(browser):
    page = browser.form()
    assert "<script" not in page.text
    assert '<label for="user">' in page.text
    assert "alice" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


def test_a_parameter_cannot_put_html_on_the_page(browser):
    page = browser.form(state='"><script>alert(1)</script>')
    assert "<script" not in page.text


def test_discovery_names_only_what_is_served(browser):
    for name, url in browser.metadata.items():
        if name.endswith("_endpoint") or name == "jwks_uri":
            assert browser.client.get(url).status_code != 404, name


def test_a_provider_without_a_flow_neither_names_nor_serves_it(fake, browser):
    fake.set_up_provider(GOOGLE, refresh_tokens=False, device_interval=None)
    document = fake.discovery_document(GOOGLE)
    assert "device_authorization_endpoint" not in document
    assert document["grant_types_supported"] == ["authorization_code"]
    url = browser.metadata["device_authorization_endpoint"]
    assert browser.client.post(url, data={"client_id": DEFAULT_CLIENT_ID}).status_code == 404
    answer = browser.redeem(browser.decide()["code"])
    assert "refresh_token" not in answer.json()
    assert browser.refresh("x").json()["error"] == "unsupported_grant_type"


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "strange"},
        {"redirect_uri": "https://elsewhere.example.com/callback"},
        {"redirect_uri": "http://127.0.0.1@elsewhere.example.com/callback"},
        {"redirect_uri": "http://127.0.0.1:x/callback"},
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


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "email"}, "invalid_scope"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
    ],
)
def test_a_client_hears_of_its_mistake(browser, changed, error):
    back = browser.parameters_of(browser.form(**changed))
    assert (back["error"], back["state"]) == (error, "s&1")


def test_a_user_may_deny(browser):
    assert browser.decide("deny")["error"] == "access_denied"


@pytest.mark.parametrize(
    "changed",
    [{"code_verifier": "w" * 43}, {"redirect_uri": "http://127.0.0.1:1/callback"}],
    ids=str,
)
def test_a_code_needs_its_verifier_and_its_redirect_uri(browser, changed):
    answer = browser.redeem(browser.decide()["code"], **changed)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_a_code_is_good_once_and_a_second_use_ends_its_tokens(browser):
    code = browser.decide()["code"]
    tokens = browser.redeem(code).json()
    assert browser.redeem(code).json()["error"] == "invalid_grant"
    assert browser.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_code_is_over_after_a_minute(browser, clock):
    code = browser.decide()["code"]
    clock.advance(60)
    assert browser.redeem(code).json()["error"] == "invalid_grant"


def test_refresh_tokens_rotate_and_the_old_one_ends_the_family(browser):
    first = browser.redeem(browser.decide()["code"]).json()["refresh_token"]
    answer = browser.refresh(first)
    second = answer.json()["refresh_token"]
    assert second != first
    assert "nonce" not in claims(answer)
    assert browser.refresh(first).json()["error"] == "invalid_grant"
    assert browser.refresh(second).json()["error"] == "invalid_grant"


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


def test_audience_lifetime_and_claims_are_chosen(fake, browser):
    fake.set_up_provider(
        GOOGLE, audience="other", lifetime=60, claims={"groups": ["admin"], "auth_time": None}
    )
    said = claims(browser.redeem(browser.decide()["code"]))
    assert said["aud"] == "other"
    assert said["exp"] - said["iat"] == 60
    assert said["groups"] == ["admin"]
    assert "auth_time" not in said


def test_userinfo_answers_until_the_token_is_revoked(fake, browser):
    fake.set_up_provider(GOOGLE, claims={"email": "a@example.com"})
    tokens = browser.redeem(browser.decide()["code"]).json()
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    url = browser.metadata["userinfo_endpoint"]
    assert browser.client.get(url, headers=bearer).json() == {
        "email": "a@example.com",
        "sub": "alice",
    }
    revoked = browser.client.post(
        browser.metadata["revocation_endpoint"],
        data={"client_id": DEFAULT_CLIENT_ID, "token": tokens["refresh_token"]},
    )
    assert revoked.status_code == 200
    assert browser.client.get(url, headers=bearer).status_code == 401
    assert browser.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_logout_goes_back_only_to_who_shows_an_id_token(browser):
    url = browser.metadata["end_session_endpoint"]
    assert browser.client.get(url).status_code == 200
    back = {"post_logout_redirect_uri": REDIRECT, "state": "bye"}
    assert browser.client.get(url, params=back).status_code == 400
    token = browser.redeem(browser.decide()["code"]).json()["id_token"]
    answer = browser.client.get(url, params={**back, "id_token_hint": token})
    assert answer.headers["location"] == f"{REDIRECT}?state=bye"


class Device:
    """A device that waits for its user."""

    def __init__(self, browser):
        self.browser = browser
        self.started = browser.client.post(
            browser.metadata["device_authorization_endpoint"],
            data={"client_id": DEFAULT_CLIENT_ID, "scope": "openid"},
        ).json()

    def poll(self):
        return self.browser.token(grant_type=DEVICE_GRANT, device_code=self.started["device_code"])

    def decide(self, decision):
        page = self.browser.client.get(self.started["verification_uri_complete"])
        assert self.started["user_code"] in page.text
        return self.browser.client.post(
            self.started["verification_uri"],
            data={
                "user_code": self.started["user_code"].lower(),
                "user": "alice",
                "decision": decision,
            },
        )


def test_a_device_waits_for_its_user_and_gets_tokens_once(browser, clock):
    device = Device(browser)
    assert device.poll().json()["error"] == "authorization_pending"
    assert device.poll().json()["error"] == "slow_down"
    clock.advance(5)
    assert device.decide("allow").status_code == 200
    assert claims(device.poll())["sub"] == "alice"
    assert device.poll().json()["error"] == "invalid_grant"
    assert device.decide("allow").status_code == 400


def test_a_device_hears_of_a_denial_and_of_its_end(browser, clock):
    denied, late = Device(browser), Device(browser)
    denied.decide("deny")
    assert denied.poll().json()["error"] == "access_denied"
    clock.advance(600)
    assert late.poll().json()["error"] == "expired_token"


def test_a_provider_with_opaque_tokens_has_no_endpoints(call):
    assert call.send(method="GET", host="graph.facebook.com", path="/authorize").status == 404
