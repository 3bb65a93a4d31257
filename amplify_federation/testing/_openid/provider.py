"""The embedded OpenID providers over HTTP: discovery, keys, and the other endpoints.

Browsers see `authorize`, `device` and `logout`; clients call the others. It follows OpenID Connect
Core 1.0, Discovery 1.0 and RP-Initiated Logout 1.0, and RFC 9207. A provider is asked under its own
host (in process), or under a path of the server:
`https://accounts.google.com/.well-known/...` or `<url>/accounts.google.com/.well-known/...`.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

from attrs import evolve, frozen

from amplify_federation.testing._http.messages import Request, Response
from amplify_federation.testing._openid.clients import (
    LOOPBACK,
    OFFLINE_ACCESS,
    Clients,
    ErrorCode,
    OAuthError,
    is_standard,
    needs_consent,
    wants_refresh_token,
)
from amplify_federation.testing._openid.grants import DEVICE_GRANT, DEVICE_LIFE, Grant, Grants
from amplify_federation.testing._openid.issuers import Issuers, Jwt, is_opaque, signing_key
from amplify_federation.testing._openid.responses import (
    device_page,
    html_response,
    json_response,
    message_page,
    redirect_response,
    refusal_page,
    sign_in_page,
)
from amplify_federation.testing.clock import ServerClock

_WELL_KNOWN = "/.well-known"
_DISCOVERY = "openid-configuration"
_KEYS = "jwks.json"
OAUTH_ENDPOINTS = frozenset(
    {"authorize", "token", "device_authorization", "device", "revoke", "userinfo", "logout"}
)
ENDPOINTS = OAUTH_ENDPOINTS | {_DISCOVERY, _KEYS}
_FORM = "application/x-www-form-urlencoded"
# What the sign-in page adds to the parameters of the client.
_DECISION = ("decision", "user", "token_claims", "token_lifetime")


@frozen
class Address:
    """The endpoint of a provider that a request is for; `base` is the URL that it is below."""

    login_key: str
    base: str
    endpoint: str


class OpenIdProvider:
    """The endpoints of every embedded issuer. Calls must not overlap."""

    def __init__(
        self, issuers: Issuers, clock: ServerClock, client_ids: Callable[[str], set[str]]
    ) -> None:
        self.clients = Clients(client_ids)
        self._clock = clock
        self._grants = Grants(issuers, clock, self.clients)
        self._endpoints: dict[str, Callable[[Address, Request], Response]] = {
            _DISCOVERY: self._discovery,
            _KEYS: self._keys,
            "authorize": self._authorize,
            "token": self._token,
            "device_authorization": self._device_authorization,
            "device": self._device,
            "revoke": self._revoke,
            "userinfo": self._userinfo,
            "logout": self._logout,
        }

    def address_of(self, request: Request) -> Address | None:
        """Return which endpoint a request is for, or `None` if it is for none."""
        path, _, endpoint = request.path.rpartition("/")
        methods = {"GET", "HEAD", "POST"}
        if endpoint in {_DISCOVERY, _KEYS}:
            if not path.endswith(_WELL_KNOWN):
                return None
            path, methods = path.removesuffix(_WELL_KNOWN), {"GET", "HEAD"}
        if request.method not in methods:
            return None
        # In a network of containers the server has any name.
        served = request.served or urlsplit(f"//{request.host}").hostname in LOOPBACK
        login_key = path.strip("/") if served else f"{request.host}{path}"
        if endpoint not in ENDPOINTS or not login_key or is_opaque(login_key):
            return None
        # A TLS proxy before the server says so.
        is_http = served and request.headers.get("x-forwarded-proto") != "https"
        scheme = "http" if is_http else "https"
        return Address(login_key, f"{scheme}://{request.host}{path}", endpoint)

    def respond(self, address: Address, request: Request, fault: OAuthError | None) -> Response:
        """Return the response of an endpoint, or the `fault` in the form of its errors."""
        try:
            if address.endpoint == "authorize":
                return self._authorize(address, request, fault)
            if fault is not None:
                raise fault
            return self._endpoints[address.endpoint](address, request)
        except OAuthError as refused:
            body = {"error": refused.error, "error_description": refused.description}
            return json_response(body, refused.status)

    # -- discovery

    def discovery_document(self, login_key: str, base: str | None = None) -> dict[str, Any]:
        """Return the discovery document of an issuer whose endpoints are below the URL `base`."""
        settings = self.clients.settings(login_key)
        issuer = f"https://{login_key}"
        base = base or issuer
        grants = ["authorization_code"]
        device: dict[str, str] = {}
        if settings.refresh_tokens:
            grants.append("refresh_token")
        if settings.device_interval is not None:
            grants.append(DEVICE_GRANT)
            device["device_authorization_endpoint"] = f"{base}/device_authorization"
        offline = [OFFLINE_ACCESS] if is_standard(login_key) else []
        methods = ["client_secret_basic", "client_secret_post"] if settings.client_secrets else []
        return {
            "issuer": issuer,
            "jwks_uri": f"{base}{_WELL_KNOWN}/{_KEYS}",
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
            **device,
            "revocation_endpoint": f"{base}/revoke",
            "userinfo_endpoint": f"{base}/userinfo",
            "end_session_endpoint": f"{base}/logout",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": grants,
            "scopes_supported": ["openid", "profile", "email", *offline],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none", *methods],
            "authorization_response_iss_parameter_supported": True,
        }

    def jwks(self, login_key: str) -> dict[str, Any]:
        """Return the public keys of an issuer."""
        return {"keys": [signing_key(login_key).jwk]}

    def _discovery(self, address: Address, _: Request) -> Response:
        return json_response(self.discovery_document(address.login_key, address.base), store=True)

    def _keys(self, address: Address, _: Request) -> Response:
        return json_response(self.jwks(address.login_key), store=True)

    # -- the browser

    def _authorize(
        self, address: Address, request: Request, fault: OAuthError | None = None
    ) -> Response:
        asked = _parameters(request)
        login_key = address.login_key
        client_id, redirect_uri = asked.get("client_id", ""), asked.get("redirect_uri", "")
        if self.clients.redirect_uris(login_key, client_id) is None:
            return refusal_page(f"There is no client {client_id!r} at this provider.")
        if not self.clients.may_redirect(login_key, client_id, redirect_uri):
            return refusal_page(f"{redirect_uri!r} is not a redirect URI of {client_id!r}.")
        typed = {name: asked.pop(name, "").strip() for name in _DECISION}
        answer = {"state": asked.get("state"), "iss": f"https://{login_key}"}
        try:
            if fault is not None:
                raise fault
            self._expect_lawful(login_key, asked)
            if typed["decision"] == "deny":
                message = "The user denied the request."
                raise OAuthError(ErrorCode.ACCESS_DENIED, message)  # noqa: TRY301  # one way to refuse
            grant = self._decided(login_key, asked, typed)
        except OAuthError as refused:
            error = {"error": refused.error, "error_description": refused.description}
            return redirect_response(redirect_uri, {**error, **answer})
        if isinstance(grant, Response):
            return grant
        code = self._grants.code_for(grant, redirect_uri, asked.get("code_challenge"))
        return redirect_response(redirect_uri, {"code": code, **answer})

    def _expect_lawful(self, login_key: str, asked: Mapping[str, str]) -> None:
        public = self.clients.is_public(login_key, asked["client_id"])
        if asked.get("response_type") != "code":
            raise OAuthError(ErrorCode.UNSUPPORTED_RESPONSE_TYPE, "Only `code` is supported.")
        if asked.get("response_mode", "query") != "query":
            raise OAuthError(ErrorCode.INVALID_REQUEST, "`response_mode` must be `query`.")
        if "request" in asked or "request_uri" in asked:
            raise OAuthError(ErrorCode.REQUEST_NOT_SUPPORTED, "Request objects are not supported.")
        if "openid" not in asked.get("scope", "").split():
            raise OAuthError(ErrorCode.INVALID_SCOPE, "The scope must have `openid`.")
        if OFFLINE_ACCESS in asked["scope"].split() and not is_standard(login_key):
            message = f"This provider has no scope `{OFFLINE_ACCESS}`."
            raise OAuthError(ErrorCode.INVALID_SCOPE, message)
        if "code_challenge" in asked and asked.get("code_challenge_method") != "S256":
            raise OAuthError(ErrorCode.INVALID_REQUEST, "`code_challenge_method` must be S256.")
        if public and "code_challenge" not in asked:
            raise OAuthError(ErrorCode.INVALID_REQUEST, "A client without a secret needs PKCE.")

    def _decided(
        self, login_key: str, asked: Mapping[str, str], typed: Mapping[str, str]
    ) -> Grant | Response:
        """Return what the user allowed, or the page that asks for it."""
        users = self.clients.settings(login_key).users
        client_id, scope = asked["client_id"], asked["scope"]
        prompt = asked.get("prompt", "").split()
        signed_in = self.clients.settings(login_key).signed_in
        if not typed["decision"] and signed_in and "login" not in prompt:
            typed = {**typed, "decision": "allow", "user": signed_in}
        if typed["decision"] != "allow" or not typed["user"]:
            if "none" in prompt:
                raise OAuthError(ErrorCode.LOGIN_REQUIRED, "Nobody is signed in.")
            hint = {"user": asked["login_hint"]} if asked.get("login_hint") else None
            return html_response(sign_in_page(login_key, client_id, users, asked, typed=hint))
        try:
            claims = _claims_typed(typed["token_claims"])
            lifetime = int(typed["token_lifetime"]) if typed["token_lifetime"] else None
        except ValueError as wrong:
            text = f"The token cannot say this: {wrong}."
            again = sign_in_page(login_key, client_id, users, asked, typed=typed, mistake=text)
            return html_response(again, 400)
        now = int(self._clock.time())
        grant = Grant(
            login_key, client_id, typed["user"], scope, now, asked.get("nonce"), claims, lifetime,
            wants_refresh_token(login_key, asked),
        )  # fmt: skip
        if grant.offline and needs_consent(login_key, asked) and self._grants.has_consent(grant):
            return evolve(grant, offline=False)
        return grant

    def _device(self, address: Address, request: Request) -> Response:
        asked = _parameters(request)
        login_key, user_code = address.login_key, asked.get("user_code", "").strip().upper()
        if request.method != "POST":
            users = self.clients.settings(login_key).users
            return html_response(device_page(login_key, user_code, users))
        user = asked.get("user", "").strip() if asked.get("decision") == "allow" else ""
        if not self._grants.decide_device(login_key, user_code, user or None):
            return refusal_page("No device waits for this code.")
        if not user:
            return html_response(message_page("Denied", "The device gets nothing."))
        return html_response(message_page("Connected", "Go back to your device."))

    def _logout(self, address: Address, request: Request) -> Response:
        asked = _parameters(request)
        target = asked.get("post_logout_redirect_uri")
        hint = Jwt.parse(asked.get("id_token_hint", ""))
        if target is None:
            return html_response(message_page("Signed out", "You are signed out. Close this page."))
        if hint is None or not signing_key(address.login_key).verifies(hint):
            return refusal_page("`post_logout_redirect_uri` needs a valid `id_token_hint`.")
        if not self.clients.may_redirect(address.login_key, str(hint.claims.get("aud")), target):
            return refusal_page(f"{target!r} is not a redirect URI of this client.")
        return redirect_response(target, {"state": asked.get("state")})

    # -- the client

    def _token(self, address: Address, request: Request) -> Response:
        form = _form(request)
        login_key = address.login_key
        client_id = self.clients.authenticated(login_key, request.headers, form)
        grant_type = form.get("grant_type")
        if grant_type == "authorization_code":
            grant = self._grants.redeem(login_key, client_id, form)
        elif grant_type == "refresh_token" and self.clients.settings(login_key).refresh_tokens:
            grant = self._grants.refreshed(login_key, client_id, form.get("refresh_token", ""))
        elif grant_type == DEVICE_GRANT:
            grant = self._grants.poll(login_key, client_id, form.get("device_code", ""))
        else:
            raise OAuthError(ErrorCode.UNSUPPORTED_GRANT_TYPE, f"{grant_type!r} is not supported.")
        return json_response(self._grants.tokens_of(grant))

    def _device_authorization(self, address: Address, request: Request) -> Response:
        form = _form(request)
        interval = self.clients.settings(address.login_key).device_interval
        if interval is None:
            raise OAuthError(ErrorCode.UNSUPPORTED_GRANT_TYPE, "There is no device flow here.", 404)
        client_id = self.clients.authenticated(address.login_key, request.headers, form)
        # Google gives each device a refresh token.
        offline = wants_refresh_token(address.login_key, {"access_type": "offline", **form})
        device_code, user_code = self._grants.start_device(
            address.login_key, client_id, form.get("scope", "openid"), offline=offline
        )
        page = f"{address.base}/device"
        return json_response(
            {
                "device_code": device_code,
                "user_code": user_code,
                "verification_uri": page,
                "verification_uri_complete": f"{page}?user_code={user_code}",
                "expires_in": int(DEVICE_LIFE),
                "interval": interval,
            }
        )

    def _revoke(self, address: Address, request: Request) -> Response:
        form = _form(request)
        client_id = self.clients.authenticated(address.login_key, request.headers, form)
        self._grants.revoke(client_id, form.get("token", ""))
        return json_response({})

    def _userinfo(self, address: Address, request: Request) -> Response:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        claims = self._grants.claims_of_user(address.login_key, token)
        if scheme.lower() != "bearer" or claims is None:
            answer = json_response({"error": ErrorCode.INVALID_TOKEN}, 401)
            answer.headers["www-authenticate"] = 'Bearer error="invalid_token"'
            return answer
        return json_response(claims)


def _claims_typed(text: str) -> dict[str, Any]:
    value: object = json.loads(text) if text else {}
    if not isinstance(value, dict):
        message = "the additional claims are no JSON object"
        raise ValueError(message)  # noqa: TRY004  # reported as JSON that cannot be read is
    return cast("dict[str, Any]", value)


def _parameters(request: Request) -> dict[str, str]:
    """Return the form of a POST, or the query of anything else."""
    text = request.body.decode(errors="replace") if request.method == "POST" else request.query
    return dict(parse_qsl(text, keep_blank_values=True))


def _form(request: Request) -> dict[str, str]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method != "POST" or media_type != _FORM:
        raise OAuthError(ErrorCode.INVALID_REQUEST, f"POST a form: {_FORM}.")
    return _parameters(request)
