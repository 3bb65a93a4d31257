"""A client of the embedded OpenID provider, over loopback HTTP, that follows its redirects."""

import base64
import re
from hashlib import sha256
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from amplify_federation import AuthProvider
from amplify_federation.testing import DEFAULT_CLIENT_ID
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
    "access_type": "offline",
    "state": "s&1",
    "nonce": "n-1",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


class Browser:
    """Signs in on the provider's pages, and calls its endpoints."""

    def __init__(self, client, url, provider=GOOGLE):
        self.client, self.url, self.base = client, url, f"{url}/{provider.login_key}"
        discovery = client.get(f"{self.base}/.well-known/openid-configuration")
        self.metadata = discovery.json()

    def at(self, provider):
        return Browser(self.client, self.url, provider)

    def form(self, **changed):
        asked = {k: v for k, v in {**ASKED, **changed}.items() if v is not None}
        return self.client.get(self.metadata["authorization_endpoint"], params=asked)

    def post(self, form, **changed):
        page = self.form(**changed)
        assert page.status_code == 200, page.text
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text))
        hidden = {name: value.replace("&amp;", "&") for name, value in hidden.items()}
        return self.client.post(str(page.url), data=hidden | form)

    def decide(self, decision="allow", user="alice", *, form=None, **changed):
        answer = self.post({"user": user, "decision": decision, **(form or {})}, **changed)
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

    @staticmethod
    def claims(answer):
        return Jwt.parse(answer.json()["id_token"]).claims

    def refresh(self, token):
        return self.token(grant_type="refresh_token", refresh_token=token)


@pytest.fixture
def browser(fake):
    with fake.serve() as url, httpx.Client() as client:
        yield Browser(client, url)
