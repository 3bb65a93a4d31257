"""Codes, devices, refresh tokens: what a user allowed, and for how long."""

import pytest

from amplify_federation import AuthProvider
from amplify_federation.testing import DEFAULT_CLIENT_ID
from amplify_federation.testing._openid.grants import DEVICE_GRANT

GOOGLE = AuthProvider.GOOGLE
OTHER = AuthProvider.oidc("login.example.com")
USER_POOL = AuthProvider.cognito_user_pool("us-west-2_Ab1Cd2Ef3")
UNASKED = {"scope": "openid", "access_type": None}
OFFLINE_SCOPE = {"scope": "openid offline_access", "access_type": None}


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


@pytest.mark.parametrize(
    ("provider", "asked", "rotate"), [(OTHER, OFFLINE_SCOPE, None), (GOOGLE, {}, True)], ids=str
)
def test_refresh_tokens_rotate_and_the_old_one_ends_the_family(
    fake, browser, provider, asked, rotate
):
    fake.set_up_provider(provider, rotate_refresh_tokens=rotate)
    browser = browser.at(provider)
    first = browser.redeem(browser.decide(**asked)["code"]).json()["refresh_token"]
    answer = browser.refresh(first)
    second = answer.json()["refresh_token"]
    assert second != first
    assert "nonce" not in browser.claims(answer)
    assert browser.refresh(first).json()["error"] == "invalid_grant"
    assert browser.refresh(second).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("provider", "asked", "rotate"),
    [
        (GOOGLE, {}, None),
        (AuthProvider.APPLE, {}, None),
        (USER_POOL, {}, None),
        (OTHER, OFFLINE_SCOPE, False),
    ],
    ids=str,
)
def test_refresh_tokens_of_other_providers_stay_good(fake, browser, provider, asked, rotate):
    fake.set_up_provider(provider, rotate_refresh_tokens=rotate)
    browser = browser.at(provider)
    first = browser.redeem(browser.decide(**asked)["code"]).json()["refresh_token"]
    for answer in (browser.refresh(first), browser.refresh(first)):
        assert browser.claims(answer)["sub"] == "alice"
        assert "refresh_token" not in answer.json()


def test_google_gives_a_refresh_token_with_the_users_consent_alone(browser):
    def token(**asked):
        return browser.redeem(browser.decide(**asked)["code"]).json().get("refresh_token")

    first = token()
    assert first
    assert not token()
    assert token(prompt="consent")
    assert not token()
    assert token(user="bob")
    assert token(scope="openid email")
    assert not token()
    browser.client.post(
        browser.metadata["revocation_endpoint"],
        data={"client_id": DEFAULT_CLIENT_ID, "token": first},
    )
    assert token()


@pytest.mark.parametrize(
    ("provider", "asked", "given"),
    [
        (GOOGLE, UNASKED, False),
        (GOOGLE, {"access_type": "online"}, False),
        (GOOGLE, {"access_type": "offline"}, True),
        (OTHER, {"access_type": "offline"}, False),
        (OTHER, OFFLINE_SCOPE, True),
        (AuthProvider.APPLE, UNASKED, True),
        (USER_POOL, UNASKED, True),
    ],
    ids=str,
)
def test_a_refresh_token_is_asked_for_in_the_providers_own_way(browser, provider, asked, given):
    there = browser.at(provider)
    tokens = there.redeem(there.decide(**asked)["code"]).json()
    assert ("refresh_token" in tokens) == given


@pytest.mark.parametrize("provider", [GOOGLE, AuthProvider.APPLE, USER_POOL], ids=str)
def test_a_provider_without_the_scope_offline_access_refuses_it(fake, browser, provider):
    assert "offline_access" not in fake.discovery_document(provider)["scopes_supported"]
    there = browser.at(provider)
    back = there.parameters_of(there.form(**OFFLINE_SCOPE))
    assert back["error"] == "invalid_scope"


class Device:
    """A device that waits for its user."""

    def __init__(self, browser, scope="openid"):
        self.browser = browser
        self.started = browser.client.post(
            browser.metadata["device_authorization_endpoint"],
            data={"client_id": DEFAULT_CLIENT_ID, "scope": scope},
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
    assert browser.claims(device.poll())["sub"] == "alice"
    assert device.poll().json()["error"] == "invalid_grant"
    assert device.decide("allow").status_code == 400


def test_a_device_hears_of_a_denial_and_of_its_end(browser, clock):
    denied, late = Device(browser), Device(browser)
    denied.decide("deny")
    assert denied.poll().json()["error"] == "access_denied"
    clock.advance(600)
    assert late.poll().json()["error"] == "expired_token"


@pytest.mark.parametrize(
    ("provider", "scope", "given"),
    [(GOOGLE, "openid", True), (OTHER, "openid", False), (OTHER, "openid offline_access", True)],
    ids=str,
)
def test_a_device_asks_for_a_refresh_token_by_scope_where_there_is_one(
    browser, provider, scope, given
):
    device = Device(browser.at(provider), scope)
    device.decide("allow")
    assert ("refresh_token" in device.poll().json()) == given
