"""The embedded OpenID provider, as a browser and a client see it."""

import httpx
import pytest

from amplify_federation import AuthProvider
from amplify_federation.testing import DEFAULT_CLIENT_ID

GOOGLE = AuthProvider.GOOGLE
REDIRECT = "http://127.0.0.1:4711/callback"


def test_a_sign_in_gives_a_token_of_the_user_that_cognito_takes(fake, call, browser):
    back = browser.decide(user="bob")
    assert back["state"] == "s&1"
    assert back["iss"] == "https://accounts.google.com"
    answer = browser.redeem(back["code"])
    assert answer.headers["cache-control"] == "no-store"
    said = browser.claims(answer)
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


def test_audience_lifetime_and_claims_are_chosen(fake, browser):
    fake.set_up_provider(
        GOOGLE, audience="other", lifetime=60, claims={"groups": ["admin"], "auth_time": None}
    )
    said = browser.claims(browser.redeem(browser.decide()["code"]))
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


def test_a_provider_with_opaque_tokens_has_no_endpoints(call):
    assert call.send(method="GET", host="graph.facebook.com", path="/authorize").status == 404


def test_a_user_has_claims_of_their_own_and_those_of_the_scope(fake, browser):
    fake.set_up_provider(
        GOOGLE,
        users={"alice": {"cognito:roles": ["arn:a"], "name": None}, "bob@corp": {}},
        claims={"groups": ["staff"]},
    )
    said = browser.claims(browser.redeem(browser.decide(scope="openid email profile")["code"]))
    assert (said["cognito:roles"], said["groups"]) == (["arn:a"], ["staff"])
    assert (said["email"], said["email_verified"]) == ("alice@example.com", True)
    assert "name" not in said
    bob = browser.decide(user="bob@corp", scope="openid email profile")
    said = browser.claims(browser.redeem(bob["code"]))
    assert (said["email"], said["name"]) == ("bob@corp", "bob@corp")
    assert "cognito:roles" not in said


def test_the_page_chooses_claims_and_lifetime_of_one_token(browser):
    code = browser.decide(
        form={"token_claims": '{"groups": ["admin"], "sub": null}', "token_lifetime": "-600"}
    )["code"]
    said = browser.claims(browser.redeem(code))
    assert (said["groups"], said["exp"] - said["iat"]) == (["admin"], -600)
    assert "sub" not in said


@pytest.mark.parametrize(
    "form", [{"token_claims": "{"}, {"token_claims": "[]"}, {"token_lifetime": "soon"}], ids=str
)
def test_a_mistake_on_the_page_is_announced_and_nothing_is_lost(browser, form):
    page = browser.post({"user": "carol", "decision": "allow", **form})
    assert page.status_code == 400
    assert '<p role="alert" id="mistake">The token cannot say this: ' in page.text
    assert 'aria-describedby="mistake"' in page.text
    assert 'value="carol"' in page.text
    assert next(iter(form.values())) in page.text


def test_the_hint_of_a_client_is_the_user_on_the_page(browser):
    assert 'name="user" list="users" value="dave"' in browser.form(login_hint="dave").text


def test_an_endpoint_fails_when_a_test_says_so(fake, browser):
    fake.fail_next("invalid_grant", operation="token")
    fake.fail_next("temporarily_unavailable", operation="authorize")
    fake.fail_next(operation="openid-configuration", status=503)
    fake.fail_next("slow", operation="jwks.json", status=500)
    back = browser.parameters_of(browser.form())
    assert (back["error"], back["state"]) == ("temporarily_unavailable", "s&1")
    code = browser.decide()["code"]
    assert browser.redeem(code).json()["error"] == "invalid_grant"
    assert browser.redeem(code).status_code == 200
    discovery = f"{browser.base}/.well-known/openid-configuration"
    assert [browser.client.get(discovery).status_code for _ in range(2)] == [503, 200]
    assert browser.client.get(browser.metadata["jwks_uri"]).status_code == 500
    fake.fail_next(operation="token", cut_connection=True)
    with pytest.raises(httpx.RemoteProtocolError):
        browser.redeem(code)


def test_a_fault_of_any_operation_is_none_of_a_provider(fake, browser):
    fake.fail_next("TooManyRequestsException")
    assert browser.form().status_code == 200


def test_every_request_to_a_provider_is_recorded(fake, browser):
    browser.decide()
    told = [(call.endpoint, call.method, call.status) for call in fake.provider_calls]
    assert told == [
        ("openid-configuration", "GET", 200),
        ("authorize", "GET", 200),
        ("authorize", "POST", 302),
    ]
    assert {call.login_key for call in fake.provider_calls} == {GOOGLE.login_key}
    assert fake.calls == []


def test_a_user_who_is_signed_in_already_sees_no_page_unless_the_client_asks(fake, browser):
    fake.set_up_provider(GOOGLE, signed_in="carol")
    for prompt in (None, "none", "consent"):
        back = browser.parameters_of(browser.form(prompt=prompt))
        assert browser.claims(browser.redeem(back["code"]))["sub"] == "carol"
    assert browser.form(prompt="login").status_code == 200
    assert browser.decide(user="bob", prompt="login")["code"]
