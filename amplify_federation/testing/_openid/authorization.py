"""An embedded OpenID provider: authorization, token, device, revocation, userinfo, logout.

It follows RFC 6749 with PKCE (RFC 7636, S256), RFC 7009, RFC 8252, RFC 8628, RFC 9207 and OpenID
Connect Core 1.0. This file must not know identity pools, nor how a request reached it.
"""

import base64
import binascii
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

from attrs import define, evolve, field, frozen

from amplify_federation.testing._openid.issuers import (
    Issuers,
    Jwt,
    TokenOrder,
    encoded,
    is_opaque,
    signing_key,
)
from amplify_federation.testing._openid.pages import device_page, message_page, sign_in_page
from amplify_federation.testing.clock import ServerClock

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_CODE_LIFE = 60.0  # seconds that an authorization code is good for
_DEVICE_LIFE = 600.0  # seconds that a device code is good for
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_ANY_LOOPBACK = ("http://127.0.0.1/", "http://[::1]/", "http://localhost/")
_USER_CODE = "BCDFGHJKLMNPQRSTVWXZ"  # RFC 8628, 6.1: no vowels, no digits
# Error codes of RFC 6749 and RFC 8628.
_INVALID_GRANT = "invalid_grant"
_UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"
_INVALID_CLIENT = "invalid_client"
_INVALID_REQUEST = "invalid_request"
_EXPIRED_TOKEN = "expired_token"
_ACCESS_DENIED = "access_denied"
_FORM = "application/x-www-form-urlencoded"


@frozen
class ProviderSetup:
    """How one provider behaves. `clients`: redirect URIs by client id; `None`: the pools' ids."""

    users: tuple[str, ...] = ("alice", "bob")
    clients: Mapping[str, tuple[str, ...]] | None = None
    client_secrets: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    audience: str | None = None
    lifetime: float = 3600.0
    claims: Mapping[str, Any] = field(factory=dict[str, Any])
    refresh_tokens: bool = True
    device_interval: float | None = 5.0


@frozen
class ProviderPage:
    """What a provider answers."""

    status: int
    content_type: str
    body: bytes = field(repr=False)
    headers: dict[str, str] = field(factory=dict[str, str], repr=False)


@frozen
class PageRequest:
    """A request to one of a provider's endpoints; `base` is the URL that they are below."""

    login_key: str
    base: str
    endpoint: str
    method: str
    query: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def parameters(self) -> dict[str, str]:
        """Return the form of a POST, or the query of anything else."""
        text = self.body.decode(errors="replace") if self.method == "POST" else self.query
        return dict(parse_qsl(text, keep_blank_values=True))


@frozen
class _Grant:
    """What a user allowed a client."""

    login_key: str
    client_id: str
    user: str
    scope: str
    auth_time: int
    nonce: str | None = None
    family: str = field(factory=lambda: secrets.token_hex(8))


@frozen
class _Code:
    grant: _Grant
    redirect_uri: str
    challenge: str | None
    expires: float


@define
class _Device:
    login_key: str
    client_id: str
    scope: str
    user_code: str
    expires: float
    polled: float = float("-inf")
    grant: _Grant | None = None
    denied: bool = False


class _OAuthError(Exception):
    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error)
        self.error, self.description, self.status = error, description, status


class AuthorizationServer:
    """The endpoints of every embedded issuer. Calls must not overlap."""

    def __init__(
        self, issuers: Issuers, clock: ServerClock, client_ids: Callable[[str], set[str]]
    ) -> None:
        self.setups: dict[str, ProviderSetup] = {}
        self._issuers, self._clock, self._client_ids = issuers, clock, client_ids
        self._codes: dict[str, _Code | _Grant] = {}  # a grant: the code was redeemed
        self._devices: dict[str, _Device] = {}
        self._refresh: dict[str, tuple[_Grant, bool]] = {}  # whether it was rotated out
        self._access: dict[str, tuple[_Grant, float]] = {}
        self._revoked: set[str] = set()  # families
        self._endpoints: dict[str, Callable[[PageRequest], ProviderPage]] = {
            "authorize": self._authorize,
            "token": self._token,
            "device_authorization": self._device_authorization,
            "device": self._device,
            "revoke": self._revoke,
            "userinfo": self._userinfo,
            "logout": self._logout,
        }

    def setup(self, login_key: str) -> ProviderSetup:
        """Return how a provider behaves."""
        return self.setups.get(login_key, ProviderSetup())

    def metadata(self, login_key: str, base: str) -> dict[str, Any]:
        """Return the members of discovery that the endpoints here stand for."""
        setup = self.setup(login_key)
        grants = ["authorization_code"]
        device: dict[str, str] = {}
        if setup.refresh_tokens:
            grants.append("refresh_token")
        if setup.device_interval is not None:
            grants.append(DEVICE_GRANT)
            device["device_authorization_endpoint"] = f"{base}/device_authorization"
        methods = ["client_secret_basic", "client_secret_post"] if setup.client_secrets else []
        return {
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
            **device,
            "revocation_endpoint": f"{base}/revoke",
            "userinfo_endpoint": f"{base}/userinfo",
            "end_session_endpoint": f"{base}/logout",
            "response_types_supported": ["code"],
            "grant_types_supported": grants,
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none", *methods],
            "authorization_response_iss_parameter_supported": True,
        }

    def answer(self, request: PageRequest) -> ProviderPage | None:
        """Return the answer of an endpoint, or `None` if there is no such."""
        endpoint = self._endpoints.get(request.endpoint)
        if endpoint is None or not request.login_key or is_opaque(request.login_key):
            return None
        try:
            return endpoint(request)
        except _OAuthError as refused:
            body = {"error": refused.error, "error_description": refused.description}
            return _json(body, refused.status)

    # -- the browser -------------------------------------------------------------------------

    def _authorize(self, request: PageRequest) -> ProviderPage:
        asked = request.parameters()
        setup = self.setup(request.login_key)
        client_id, redirect_uri = asked.get("client_id", ""), asked.get("redirect_uri", "")
        allowed = self._redirect_uris(request.login_key, client_id)
        if allowed is None:
            return _refusal_page(f"There is no client {client_id!r} at this provider.")
        if not any(_same_redirect(redirect_uri, uri) for uri in allowed):
            return _refusal_page(f"{redirect_uri!r} is not a redirect URI of {client_id!r}.")
        decision, user = asked.pop("decision", None), asked.pop("user", "").strip()
        back = _Redirect(redirect_uri, asked.get("state"), f"https://{request.login_key}")
        fault = self._fault_of(request.login_key, asked)
        if fault is not None:
            return back.with_error(*fault)
        if decision is None or (decision == "allow" and not user):
            if "none" in asked.get("prompt", "").split():
                return back.with_error("login_required", "Nobody is signed in.")
            return _html(sign_in_page(request.login_key, client_id, setup.users, asked))
        if decision != "allow":
            return back.with_error("access_denied", "The user denied the request.")
        code = secrets.token_urlsafe(24)
        now = self._clock.time()
        grant = _Grant(
            request.login_key, client_id, user, asked["scope"], int(now), asked.get("nonce")
        )
        self._codes[code] = _Code(
            grant, redirect_uri, asked.get("code_challenge"), now + _CODE_LIFE
        )
        return back.with_parameters(code=code)

    def _fault_of(self, login_key: str, asked: Mapping[str, str]) -> tuple[str, str] | None:
        if asked.get("response_type") != "code":
            return "unsupported_response_type", "Only `code` is supported."
        if "openid" not in asked.get("scope", "").split():
            return "invalid_scope", "The scope must have `openid`."
        if "code_challenge" in asked and asked.get("code_challenge_method") != "S256":
            return "invalid_request", "`code_challenge_method` must be S256."
        public = asked["client_id"] not in self.setup(login_key).client_secrets
        if public and "code_challenge" not in asked:
            return "invalid_request", "A public client must send a `code_challenge`."
        return None

    def _redirect_uris(self, login_key: str, client_id: str) -> tuple[str, ...] | None:
        clients = self.setup(login_key).clients
        if clients is not None:
            uris = clients.get(client_id)
            return None if uris is None else tuple(uris)
        return _ANY_LOOPBACK if client_id in self._client_ids(login_key) else None

    def _device(self, request: PageRequest) -> ProviderPage:
        asked = request.parameters()
        user_code = asked.get("user_code", "").strip().upper()
        setup = self.setup(request.login_key)
        if request.method != "POST":
            return _html(device_page(request.login_key, user_code, setup.users))
        waiting = (
            device for device in self._devices.values()
            if device.login_key == request.login_key and device.user_code == user_code
            and device.expires > self._clock.time() and device.grant is None and not device.denied
        )  # fmt: skip
        device = next(waiting, None)
        if device is None:
            return _refusal_page("No device waits for this code.")
        if asked.get("decision") != "allow" or not asked.get("user", "").strip():
            device.denied = True
            return _html(message_page("Denied", "The device gets nothing. Close this page."))
        now = int(self._clock.time())
        device.grant = _Grant(
            device.login_key, device.client_id, asked["user"].strip(), device.scope, now
        )
        return _html(message_page("Connected", "Go back to your device. Close this page."))

    def _logout(self, request: PageRequest) -> ProviderPage:
        asked = request.parameters()
        target = asked.get("post_logout_redirect_uri")
        hint = Jwt.parse(asked.get("id_token_hint", ""))
        if target is None:
            return _html(message_page("Signed out", "You are signed out. Close this page."))
        if hint is None or not signing_key(request.login_key).verifies(hint):
            return _refusal_page("`post_logout_redirect_uri` needs a valid `id_token_hint`.")
        allowed = self._redirect_uris(request.login_key, str(hint.claims.get("aud"))) or ()
        if not any(_same_redirect(target, uri) for uri in allowed):
            return _refusal_page(f"{target!r} is not a redirect URI of this client.")
        return _Redirect(target, asked.get("state"), None).with_parameters()

    # -- the client --------------------------------------------------------------------------

    def _token(self, request: PageRequest) -> ProviderPage:
        form = _form(request)
        client_id = self._client(request, form)
        grant_type = form.get("grant_type")
        if grant_type == "authorization_code":
            return self._issue(self._redeem(request.login_key, client_id, form))
        if grant_type == "refresh_token" and self.setup(request.login_key).refresh_tokens:
            grant = self._rotate(request.login_key, client_id, form.get("refresh_token", ""))
            return self._issue(grant)
        if grant_type == DEVICE_GRANT:
            return self._issue(self._poll(request.login_key, client_id, form))
        raise _OAuthError(_UNSUPPORTED_GRANT_TYPE, f"{grant_type!r} is not supported.")

    def _client(self, request: PageRequest, form: Mapping[str, str]) -> str:
        client_id, secret = form.get("client_id", ""), form.get("client_secret")
        scheme, _, basic = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                pair = base64.b64decode(basic, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                pair = ""
            client_id, _, secret = map(unquote_plus, pair.partition(":"))
        wanted = self.setup(request.login_key).client_secrets.get(client_id)
        known = self._redirect_uris(request.login_key, client_id) is not None
        right = wanted is None or hmac.compare_digest((secret or "").encode(), wanted.encode())
        if not known or not right:
            raise _OAuthError(_INVALID_CLIENT, "The client is unknown or its secret wrong.", 401)
        return client_id

    def _redeem(self, login_key: str, client_id: str, form: Mapping[str, str]) -> _Grant:
        code = self._codes.get(form.get("code", ""))
        if isinstance(code, _Grant):  # RFC 6749, 4.1.2: a code that comes twice ends its tokens
            self._revoked.add(code.family)
            raise _OAuthError(_INVALID_GRANT, "The code was used before.")
        if code is None or code.grant.client_id != client_id or code.grant.login_key != login_key:
            raise _OAuthError(_INVALID_GRANT, "The code is unknown.")
        self._codes[form["code"]] = code.grant
        if code.expires <= self._clock.time():
            raise _OAuthError(_INVALID_GRANT, "The code is over.")
        if form.get("redirect_uri") != code.redirect_uri:
            raise _OAuthError(_INVALID_GRANT, "`redirect_uri` differs from the authorization's.")
        verifier = form.get("code_verifier")
        if (verifier is None) != (code.challenge is None) or (
            verifier is not None and encoded(sha256(verifier.encode()).digest()) != code.challenge
        ):
            raise _OAuthError(_INVALID_GRANT, "`code_verifier` does not match.")
        return code.grant

    def _rotate(self, login_key: str, client_id: str, token: str) -> _Grant:
        grant, used = self._refresh.get(token, (None, False))
        if grant is None or grant.client_id != client_id or grant.login_key != login_key:
            raise _OAuthError(_INVALID_GRANT, "The refresh token is unknown.")
        if used:
            self._revoked.add(grant.family)
        if grant.family in self._revoked:
            raise _OAuthError(_INVALID_GRANT, "The refresh token was revoked or used before.")
        self._refresh[token] = (grant, True)
        return evolve(grant, nonce=None)

    def _device_authorization(self, request: PageRequest) -> ProviderPage:
        form = _form(request)
        interval = self.setup(request.login_key).device_interval
        if interval is None:
            raise _OAuthError(_UNSUPPORTED_GRANT_TYPE, "There is no device flow here.", 404)
        client_id = self._client(request, form)
        half = ["".join(secrets.choice(_USER_CODE) for _ in range(4)) for _ in range(2)]
        device_code, user_code = secrets.token_urlsafe(24), "-".join(half)
        self._devices[device_code] = _Device(
            request.login_key, client_id, form.get("scope", "openid"), user_code,
            self._clock.time() + _DEVICE_LIFE,
        )  # fmt: skip
        page = f"{request.base}/device"
        return _json(
            {
                "device_code": device_code,
                "user_code": user_code,
                "verification_uri": page,
                "verification_uri_complete": f"{page}?user_code={user_code}",
                "expires_in": int(_DEVICE_LIFE),
                "interval": interval,
            }
        )

    def _poll(self, login_key: str, client_id: str, form: Mapping[str, str]) -> _Grant:
        code = form.get("device_code", "")
        device = self._devices.get(code)
        if device is None or device.client_id != client_id or device.login_key != login_key:
            raise _OAuthError(_INVALID_GRANT, "The device code is unknown.")
        now = self._clock.time()
        if device.expires <= now:
            raise _OAuthError(_EXPIRED_TOKEN, "The device code is over.")
        if device.denied:
            raise _OAuthError(_ACCESS_DENIED, "The user denied the request.")
        early = now - device.polled < (self.setup(login_key).device_interval or 0.0)
        device.polled = now
        if device.grant is None:
            raise _OAuthError(
                "slow_down" if early else "authorization_pending", "The user has not decided yet."
            )
        del self._devices[code]
        return device.grant

    def _issue(self, grant: _Grant) -> ProviderPage:
        setup = self.setup(grant.login_key)
        own = {"nonce": grant.nonce, "auth_time": grant.auth_time}
        order = TokenOrder(
            grant.login_key, grant.user, setup.audience or grant.client_id, setup.lifetime,
            {**own, **setup.claims},
        )  # fmt: skip
        access = secrets.token_urlsafe(24)
        self._access[access] = (grant, self._clock.time() + setup.lifetime)
        tokens: dict[str, object] = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": int(setup.lifetime),
            "scope": grant.scope,
            "id_token": self._issuers.issue(order),
        }
        if setup.refresh_tokens:
            refresh = secrets.token_urlsafe(24)
            self._refresh[refresh] = (grant, False)
            tokens["refresh_token"] = refresh
        return _json(tokens)

    def _revoke(self, request: PageRequest) -> ProviderPage:
        form = _form(request)
        client_id = self._client(request, form)
        token = form.get("token", "")
        known: _Grant | None = (self._refresh.get(token) or self._access.get(token) or (None,))[0]
        if known is not None and known.client_id == client_id:
            self._revoked.add(known.family)
        return _json({})  # RFC 7009, 2.2: an unknown token is no error

    def _userinfo(self, request: PageRequest) -> ProviderPage:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        grant, expires = self._access.get(token, (None, 0.0))
        lives = grant is not None and expires > self._clock.time()
        if (
            scheme.lower() != "bearer" or grant is None or not lives
            or grant.family in self._revoked or grant.login_key != request.login_key
        ):  # fmt: skip
            answer = _json({"error": "invalid_token"}, 401)
            return evolve(
                answer,
                headers={**answer.headers, "www-authenticate": 'Bearer error="invalid_token"'},
            )
        claims = {**self.setup(grant.login_key).claims, "sub": grant.user}
        return _json({name: value for name, value in claims.items() if value is not None})


@frozen
class _Redirect:
    """The way back to a client."""

    uri: str
    state: str | None
    issuer: str | None

    def with_error(self, error: str, description: str) -> ProviderPage:
        return self.with_parameters(error=error, error_description=description)

    def with_parameters(self, **parameters: str) -> ProviderPage:
        own = {"state": self.state, "iss": self.issuer}
        query = {**parameters, **{name: value for name, value in own.items() if value is not None}}
        separator = "&" if urlsplit(self.uri).query else "?"
        location = f"{self.uri}{separator}{urlencode(query)}" if query else self.uri
        return ProviderPage(302, "text/plain", b"", {"location": location, **_NO_STORE})


_NO_STORE = {"cache-control": "no-store", "referrer-policy": "no-referrer"}


def _form(request: PageRequest) -> dict[str, str]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method != "POST" or media_type != _FORM:
        raise _OAuthError(_INVALID_REQUEST, f"POST a form: {_FORM}.")
    return request.parameters()


def _same_redirect(given: str, registered: str) -> bool:
    """Compare exactly; on loopback any port is the registered one's (RFC 8252, 7.3).

    A registered loopback URI without a path stands for every path.
    """
    if given == registered:
        return True
    try:
        here, there = urlsplit(given), urlsplit(registered)
        _ = here.port
    except ValueError:
        return False
    if there.hostname not in _LOOPBACK or here.scheme != there.scheme != "https":
        return False
    same_path = here.path == there.path or there.path in ("", "/")
    return (
        here.hostname == there.hostname
        and same_path
        and here.query == there.query
        and (not here.fragment and "@" not in here.netloc)
    )


def _html(body: bytes, status: int = 200) -> ProviderPage:
    policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    headers = {"content-security-policy": policy, **_NO_STORE}
    return ProviderPage(status, "text/html; charset=utf-8", body, headers)


def _refusal_page(text: str) -> ProviderPage:
    return _html(message_page("This cannot be done", text), 400)


def _json(document: Mapping[str, object], status: int = 200) -> ProviderPage:
    body = json.dumps(document).encode()
    return ProviderPage(status, "application/json", body, dict(_NO_STORE))
