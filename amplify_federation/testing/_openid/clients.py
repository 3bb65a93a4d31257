"""The clients of an embedded OpenID provider: authentication, redirect URIs, refresh tokens.

It follows RFC 6749, section 2.3.1 (client authentication), and RFC 8252 (redirects to loopback).
"""

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any
from urllib.parse import unquote_plus, urlsplit

from attrs import field, frozen

from amplify_federation import AuthProvider
from amplify_federation.testing._openid.issuers import is_user_pool

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_ANY_LOOPBACK = ("http://127.0.0.1/", "http://[::1]/", "http://localhost/")
_GOOGLE = AuthProvider.GOOGLE.login_key
OFFLINE_ACCESS = "offline_access"  # the scope of OpenID Connect Core 1.0, section 11


class ErrorCode(StrEnum):
    """Error codes of RFC 6749, RFC 6750, RFC 8628 and OpenID Connect Core 1.0."""

    INVALID_CLIENT = "invalid_client"
    INVALID_REQUEST = "invalid_request"
    INVALID_GRANT = "invalid_grant"
    INVALID_SCOPE = "invalid_scope"
    UNSUPPORTED_RESPONSE_TYPE = "unsupported_response_type"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"
    REQUEST_NOT_SUPPORTED = "request_not_supported"
    ACCESS_DENIED = "access_denied"
    LOGIN_REQUIRED = "login_required"
    EXPIRED_TOKEN = "expired_token"
    SLOW_DOWN = "slow_down"
    AUTHORIZATION_PENDING = "authorization_pending"
    INVALID_TOKEN = "invalid_token"


class OAuthError(Exception):
    """A refusal; `error` is an `ErrorCode`, or any text that a test injects."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error)
        self.error, self.description, self.status = error, description, status


@frozen
class ProviderSettings:
    """How one provider behaves; see `FakeCognito.set_up_provider`.

    `users` maps the users of the sign-in page to their own claims. `clients` maps client ids to
    redirect URIs; `None` stands for the client ids of the identity pools.
    """

    users: Mapping[str, Mapping[str, Any]] = field(factory=lambda: {"alice": {}, "bob": {}})
    clients: Mapping[str, tuple[str, ...]] | None = None
    client_secrets: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    audience: str | None = None
    lifetime: float = 3600.0
    claims: Mapping[str, Any] = field(factory=dict[str, Any])
    refresh_tokens: bool = True
    device_interval: float | None = 5.0
    signed_in: str | None = None
    rotate_refresh_tokens: bool | None = None


def is_standard(login_key: str) -> bool:
    """Return whether a provider gives refresh tokens as the standards say.

    It does for the scope `offline_access` (OpenID Connect Core 1.0, section 11), and rotates them
    (RFC 9700, section 4.14.2). Google, Apple and Cognito user pools have no such scope, and their
    refresh tokens stay good: the response to a refresh has none.
    """
    others = {_GOOGLE, AuthProvider.APPLE.login_key}
    return login_key not in others and not is_user_pool(login_key)


def wants_refresh_token(login_key: str, asked: Mapping[str, str]) -> bool:
    """Return whether an authorization request asks for a refresh token, as its provider wants.

    Google wants `access_type=offline`, others the scope `offline_access`; Apple and Cognito user
    pools give a refresh token with each sign-in.
    """
    if is_standard(login_key):
        return OFFLINE_ACCESS in asked.get("scope", "").split()
    return login_key != _GOOGLE or asked.get("access_type") == "offline"


def needs_consent(login_key: str, asked: Mapping[str, str]) -> bool:
    """Return whether a refresh token is given with the user's consent alone.

    Google asks for it the first time, or where the client wants it (`prompt=consent`).
    """
    return login_key == _GOOGLE and "consent" not in asked.get("prompt", "").split()


class Clients:
    """The settings of every provider, and the clients in them."""

    def __init__(self, pool_client_ids: Callable[[str], set[str]]) -> None:
        self._pool_client_ids = pool_client_ids
        self._settings: dict[str, ProviderSettings] = {}

    def settings(self, login_key: str) -> ProviderSettings:
        """Return how a provider behaves."""
        return self._settings.get(login_key) or ProviderSettings()

    def rotates(self, login_key: str) -> bool:
        """Return whether a refresh token is good once, and replaced."""
        chosen = self.settings(login_key).rotate_refresh_tokens
        return is_standard(login_key) if chosen is None else chosen

    def set_up(self, login_key: str, settings: ProviderSettings) -> None:
        """Choose how a provider behaves."""
        self._settings[login_key] = settings

    def redirect_uris(self, login_key: str, client_id: str) -> tuple[str, ...] | None:
        """Return the registered redirect URIs of a client, `None` if there is no such client."""
        clients = self.settings(login_key).clients
        if clients is not None:
            return clients.get(client_id)
        return _ANY_LOOPBACK if client_id in self._pool_client_ids(login_key) else None

    def may_redirect(self, login_key: str, client_id: str, uri: str) -> bool:
        """Return whether a redirect URI is registered for a client."""
        registered = self.redirect_uris(login_key, client_id) or ()
        return any(_same_redirect(uri, each) for each in registered)

    def is_public(self, login_key: str, client_id: str) -> bool:
        """Return whether a client has no secret."""
        return client_id not in self.settings(login_key).client_secrets

    def authenticated(
        self, login_key: str, headers: Mapping[str, str], form: Mapping[str, str]
    ) -> str:
        """Return the id of the client that sent a form. Raises `OAuthError` (`invalid_client`)."""
        client_id, secret = form.get("client_id", ""), form.get("client_secret")
        scheme, _, basic = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                pair = base64.b64decode(basic, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                pair = ""
            client_id, _, secret = map(unquote_plus, pair.partition(":"))
        wanted = self.settings(login_key).client_secrets.get(client_id)
        known = self.redirect_uris(login_key, client_id) is not None
        right = wanted is None or hmac.compare_digest((secret or "").encode(), wanted.encode())
        if not known or not right:
            message = "The client is unknown or its secret wrong."
            raise OAuthError(ErrorCode.INVALID_CLIENT, message, 401)
        return client_id


def _same_redirect(given: str, registered: str) -> bool:
    """Compare exactly; on loopback any port is the registered one's (RFC 8252, 7.3).

    A registered loopback URI without a path stands for every path.
    """
    if re.search(r"[^!-~]", given):  # it becomes a header
        return False
    if given == registered:
        return True
    try:
        here, there = urlsplit(given), urlsplit(registered)
        _ = here.port
    except ValueError:
        return False
    if there.hostname not in LOOPBACK or here.scheme != there.scheme != "https":
        return False
    same_path = here.path == there.path or there.path in ("", "/")
    return (
        here.hostname == there.hostname
        and same_path
        and here.query == there.query
        and (not here.fragment and "@" not in here.netloc)
    )
