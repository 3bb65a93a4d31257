"""Web applications sign their users in at an embedded provider, with certified client libraries.

One is Starlette's with Authlib, one Node's with openid-client. A person signs in with an HTTP
client that follows the redirects, and by keyboard in a headless Chromium without JavaScript.
"""

import os
import re
import subprocess
import threading
import time

import httpx
import pytest

from amplify_federation import AuthProvider
from amplify_federation.testing import DEFAULT_CLIENT_ID, FakeCognito
from amplify_federation.testing._openid.grants import DEVICE_GRANT
from tests.chromium import Chromium

GOOGLE = AuthProvider.GOOGLE
LABEL = "User (pick one, or type any name)"


@pytest.fixture(scope="module")
def served():
    fake = FakeCognito()
    pool = fake.create_identity_pool()
    with fake.serve() as url:
        yield fake, pool, f"{url}/{GOOGLE.login_key}/.well-known/openid-configuration"


def starlette_application(discovery):
    client = pytest.importorskip(
        "authlib.integrations.starlette_client", reason="Authlib is not installed"
    )
    pytest.importorskip("itsdangerous", reason="itsdangerous is not installed")
    responses = pytest.importorskip("starlette.responses", reason="Starlette is not installed")
    from starlette.applications import Starlette  # noqa: PLC0415  # it is there
    from starlette.middleware import Middleware  # noqa: PLC0415  # it is there
    from starlette.middleware.sessions import SessionMiddleware  # noqa: PLC0415  # it is there
    from starlette.routing import Route  # noqa: PLC0415  # it is there

    google = client.OAuth().register(
        "google",
        client_id=DEFAULT_CLIENT_ID,
        server_metadata_url=discovery,
        authorize_params={"access_type": "offline", "prompt": "consent"},  # for a refresh token
        client_kwargs={"scope": "openid email", "code_challenge_method": "S256"},
    )

    async def login(request):
        return await google.authorize_redirect(request, str(request.url_for("callback")))

    async def callback(request):
        try:
            tokens = await google.authorize_access_token(request)
        except client.OAuthError as error:
            return responses.PlainTextResponse(f"refused: {error.error}", 403)
        user = await google.userinfo(token=tokens)
        again = await google.fetch_access_token(
            refresh_token=tokens["refresh_token"], grant_type="refresh_token"
        )
        text = f"{user['email']} {tokens['userinfo']['sub']} - {again['id_token']}"
        return responses.PlainTextResponse(text)

    return Starlette(
        routes=[Route("/login", login), Route("/callback", callback, name="callback")],
        middleware=[Middleware(SessionMiddleware, secret_key="for this test")],
    )


@pytest.fixture(scope="module")
def authlib(served):
    """Where the application with Authlib listens."""
    _, _, discovery = served
    uvicorn = pytest.importorskip("uvicorn", reason="uvicorn is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")  # loopback
        config = uvicorn.Config(starlette_application(discovery), port=0, log_level="critical")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        [address] = [one.getsockname() for each in server.servers for one in each.sockets]
        yield f"http://127.0.0.1:{address[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def openid_client(served, node_program):
    """Where the application with openid-client listens."""
    _, _, discovery = served
    with subprocess.Popen(
        node_program("web_application.mjs"),
        env={**os.environ, "DISCOVERY_URL": discovery, "CLIENT_ID": DEFAULT_CLIENT_ID},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.terminate()


@pytest.fixture(params=["authlib", "openid_client"])
def application(request):
    return request.getfixturevalue(request.param)


def check(served, text, user):
    """The ID token that the application got is one that Cognito takes."""
    fake, pool, _ = served
    email, subject, _, token = text.split()
    assert (email, subject) == (f"{user}@example.com", user)
    calls = len(fake.calls)
    with fake.serve() as url:
        answer = httpx.post(
            url,
            json={"IdentityPoolId": pool, "Logins": {GOOGLE.login_key: token}},
            headers={
                "content-type": "application/x-amz-json-1.1",
                "x-amz-target": "AWSCognitoIdentityService.GetId",
            },
        )
    assert answer.status_code == 200, answer.text
    assert fake.calls[calls].code is None


@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_a_web_application_signs_in_who_allows_it(served, application, decision):
    with httpx.Client(follow_redirects=True) as person:
        page = person.get(f"{application}/login")
        hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text)
        form = {name: value.replace("&amp;", "&") for name, value in hidden}
        answer = person.post(str(page.url), data={**form, "user": "bob", "decision": decision})
    if decision == "deny":
        assert (answer.status_code, answer.text) == (403, "refused: access_denied")
    else:
        assert answer.status_code == 200, answer.text
        check(served, answer.text, "bob")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with Chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


def text_of(browser):
    found, _ = browser.spoken()
    return " ".join(name for role, name in found if role == "StaticText")


def test_a_person_signs_in_by_keyboard_and_without_scripts(served, application, chromium):
    chromium.open(f"{application}/login")
    found, focused = chromium.spoken()
    assert ("heading", "Sign in at accounts.google.com") in found
    assert focused == ("combobox", LABEL)
    assert [name for role, name in found if role == "button"] == ["Allow", "Deny"]
    chromium.type("carol")
    for _ in range(2):  # over what the token says, to the first button
        chromium.press("Tab")
    assert chromium.spoken()[1] == ("button", "Allow")
    chromium.press("Enter", loads=True)
    check(served, text_of(chromium), "carol")


def test_a_person_denies_by_keyboard(served, application, chromium):
    chromium.open(f"{application}/login")
    for _ in range(3):
        chromium.press("Tab")
    assert chromium.spoken()[1] == ("button", "Deny")
    chromium.press("Enter", loads=True)
    assert text_of(chromium) == "refused: access_denied"


def test_a_person_connects_a_device_by_keyboard(served, chromium):
    _, _, discovery = served
    metadata = httpx.get(discovery).json()
    client = {"client_id": DEFAULT_CLIENT_ID}
    device = httpx.post(metadata["device_authorization_endpoint"], data=client).json()
    chromium.open(device["verification_uri"])
    assert chromium.spoken()[1] == ("textbox", "Code on your device")
    chromium.type(device["user_code"].lower())
    chromium.press("Tab")
    assert chromium.spoken()[1] == ("combobox", LABEL)
    chromium.press("Enter", loads=True)  # the first button: allow
    assert ("heading", "Connected") in chromium.spoken()[0]
    form = {**client, "grant_type": DEVICE_GRANT, "device_code": device["device_code"]}
    assert httpx.post(metadata["token_endpoint"], data=form).json()["id_token"]


def test_every_field_of_the_page_has_a_name_and_a_mistake_is_announced(
    served, application, chromium
):
    chromium.open(f"{application}/login")
    chromium.press("Tab")
    chromium.press("Enter")  # opens what the token says
    chromium.press("Tab")
    assert chromium.spoken()[1][1].startswith("Additional claims, a JSON object")
    chromium.type("{")
    chromium.press("Tab")
    assert chromium.spoken()[1][1].startswith("Lifetime in seconds")
    chromium.press("Tab")
    chromium.press("Enter", loads=True)
    found, _ = chromium.spoken()
    assert any(role == "alert" for role, _ in found)
    assert "The token cannot say this" in text_of(chromium)
    fields = [(role, name) for role, name in found if role in {"textbox", "combobox"}]
    assert len(fields) == 3
    assert all(name for _, name in fields)
