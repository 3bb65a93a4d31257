"""What users allowed clients: codes, device codes, refresh and access tokens.

It follows RFC 6749 with PKCE (RFC 7636, S256), RFC 7009 (revocation) and RFC 8628 (devices).
"""

import secrets
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from attrs import define, evolve, field, frozen

from amplify_federation.testing._openid.clients import Clients, ErrorCode, OAuthError
from amplify_federation.testing._openid.issuers import Issuers, TokenOrder, encoded
from amplify_federation.testing.clock import ServerClock

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
DEVICE_LIFE = 600.0  # seconds that a device code is good for
_CODE_LIFE = 60.0  # seconds that an authorization code is good for
_USER_CODE = "BCDFGHJKLMNPQRSTVWXZ"  # RFC 8628, 6.1: no vowels, no digits


@frozen
class Grant:
    """What a user allowed a client. All tokens of one sign-in have one `family`.

    `claims` and `lifetime` (seconds) are those that were chosen on the sign-in page. `offline`: the
    client asked for a refresh token.
    """

    login_key: str
    client_id: str
    user: str
    scope: str
    auth_time: int
    nonce: str | None = None
    claims: Mapping[str, Any] = field(factory=dict[str, Any])
    lifetime: float | None = None
    offline: bool = False
    family: str = field(factory=lambda: secrets.token_hex(8))


@frozen
class _Code:
    grant: Grant
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
    offline: bool
    polled: float = float("-inf")
    grant: Grant | None = None
    denied: bool = False


class Grants:
    """The grants of every provider. Calls must not overlap."""

    def __init__(self, issuers: Issuers, clock: ServerClock, clients: Clients) -> None:
        self._issuers, self._clock, self._clients = issuers, clock, clients
        self._codes: dict[str, _Code | Grant] = {}  # a grant: the code was redeemed
        self._devices: dict[str, _Device] = {}
        self._refresh: dict[str, tuple[Grant, bool]] = {}  # whether it was rotated out
        self._consents: dict[tuple[str, str, str], frozenset[str]] = {}  # scopes, for offline use
        self._access: dict[str, tuple[Grant, float]] = {}
        self._revoked: set[str] = set()  # families

    # -- the authorization code flow

    def has_consent(self, grant: Grant) -> bool:
        """Return whether the user allowed this client offline use before, with these scopes."""
        scopes = self._consents.get(_consent_of(grant))
        return scopes is not None and scopes.issuperset(grant.scope.split())

    def code_for(self, grant: Grant, redirect_uri: str, challenge: str | None) -> str:
        """Return an authorization code."""
        if grant.offline:
            key = _consent_of(grant)
            self._consents[key] = self._consents.get(key, frozenset()).union(grant.scope.split())
        code = secrets.token_urlsafe(24)
        expires = self._clock.time() + _CODE_LIFE
        self._codes[code] = _Code(grant, redirect_uri, challenge, expires)
        return code

    def redeem(self, login_key: str, client_id: str, form: Mapping[str, str]) -> Grant:
        """Return the grant of an authorization code. Raises `OAuthError`."""
        code = self._codes.get(form.get("code", ""))
        if isinstance(code, Grant):  # RFC 6749, 4.1.2: a code that comes twice ends its tokens
            self._revoked.add(code.family)
            raise OAuthError(ErrorCode.INVALID_GRANT, "The code was used before.")
        if code is None or code.grant.client_id != client_id or code.grant.login_key != login_key:
            raise OAuthError(ErrorCode.INVALID_GRANT, "The code is unknown.")
        self._codes[form["code"]] = code.grant
        if code.expires <= self._clock.time():
            raise OAuthError(ErrorCode.INVALID_GRANT, "The code is over.")
        if form.get("redirect_uri") != code.redirect_uri:
            raise OAuthError(ErrorCode.INVALID_GRANT, "`redirect_uri` is another than before.")
        verifier = form.get("code_verifier")
        if (verifier is None) != (code.challenge is None) or (
            verifier is not None and encoded(sha256(verifier.encode()).digest()) != code.challenge
        ):
            raise OAuthError(ErrorCode.INVALID_GRANT, "`code_verifier` does not match.")
        return code.grant

    # -- the device flow

    def start_device(
        self, login_key: str, client_id: str, scope: str, *, offline: bool
    ) -> tuple[str, str]:
        """Return a device code, and the user code that a person types."""
        half = ["".join(secrets.choice(_USER_CODE) for _ in range(4)) for _ in range(2)]
        device_code, user_code = secrets.token_urlsafe(24), "-".join(half)
        expires = self._clock.time() + DEVICE_LIFE
        self._devices[device_code] = _Device(
            login_key, client_id, scope, user_code, expires, offline
        )
        return device_code, user_code

    def decide_device(self, login_key: str, user_code: str, user: str | None) -> bool:
        """Let `user` allow, or `None` deny, what a device asks; `False` if none waits."""
        now = self._clock.time()
        waiting = (
            device for device in self._devices.values()
            if device.login_key == login_key and device.user_code == user_code
            and device.expires > now and device.grant is None and not device.denied
        )  # fmt: skip
        device = next(waiting, None)
        if device is None:
            return False
        if user is None:
            device.denied = True
        else:
            device.grant = Grant(
                login_key, device.client_id, user, device.scope, int(now), offline=device.offline
            )
        return True

    def poll(self, login_key: str, client_id: str, code: str) -> Grant:
        """Return the grant that a device waits for. Raises `OAuthError` until there is one."""
        device = self._devices.get(code)
        if device is None or device.client_id != client_id or device.login_key != login_key:
            raise OAuthError(ErrorCode.INVALID_GRANT, "The device code is unknown.")
        now = self._clock.time()
        if device.expires <= now:
            raise OAuthError(ErrorCode.EXPIRED_TOKEN, "The device code is over.")
        if device.denied:
            raise OAuthError(ErrorCode.ACCESS_DENIED, "The user denied the request.")
        interval = self._clients.settings(login_key).device_interval or 0.0
        early = now - device.polled < interval
        device.polled = now
        if device.grant is None:
            error = ErrorCode.SLOW_DOWN if early else ErrorCode.AUTHORIZATION_PENDING
            raise OAuthError(error, "The user has not decided yet.")
        del self._devices[code]
        return device.grant

    # -- tokens

    def tokens_of(self, grant: Grant) -> dict[str, object]:
        """Return the members of a token response."""
        settings = self._clients.settings(grant.login_key)
        lifetime = settings.lifetime if grant.lifetime is None else grant.lifetime
        claims = {"nonce": grant.nonce, "auth_time": grant.auth_time, **self._claims_of(grant)}
        audience = settings.audience or grant.client_id
        order = TokenOrder(grant.login_key, grant.user, audience, lifetime, claims)
        access = secrets.token_urlsafe(24)
        self._access[access] = (grant, self._clock.time() + lifetime)
        tokens: dict[str, object] = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": int(lifetime),
            "scope": grant.scope,
            "id_token": self._issuers.issue(order),
        }
        if settings.refresh_tokens and grant.offline:
            refresh = secrets.token_urlsafe(24)
            self._refresh[refresh] = (grant, False)
            tokens["refresh_token"] = refresh
        return tokens

    def refreshed(self, login_key: str, client_id: str, token: str) -> Grant:
        """Return the grant of a refresh token. Raises `OAuthError`.

        Where the provider rotates refresh tokens, this one is over from now on.
        """
        grant, used = self._refresh.get(token, (None, False))
        if grant is None or grant.client_id != client_id or grant.login_key != login_key:
            raise OAuthError(ErrorCode.INVALID_GRANT, "The refresh token is unknown.")
        if used:
            self._revoked.add(grant.family)
        if grant.family in self._revoked:
            raise OAuthError(ErrorCode.INVALID_GRANT, "The refresh token is revoked or used.")
        rotates = self._clients.rotates(login_key)
        self._refresh[token] = (grant, rotates)
        return evolve(grant, nonce=None, offline=rotates)

    def revoke(self, client_id: str, token: str) -> None:
        """End all tokens of a sign-in; a token that is unknown is no error (RFC 7009, 2.2)."""
        known: Grant | None = (self._refresh.get(token) or self._access.get(token) or (None,))[0]
        if known is not None and known.client_id == client_id:
            self._revoked.add(known.family)
            self._consents.pop(_consent_of(known), None)

    def claims_of_user(self, login_key: str, access_token: str) -> dict[str, Any] | None:
        """Return the userinfo claims for an access token that is good, or `None`."""
        grant, expires = self._access.get(access_token, (None, 0.0))
        if (
            grant is None or expires <= self._clock.time()
            or grant.family in self._revoked or grant.login_key != login_key
        ):  # fmt: skip
            return None
        claims = {**self._claims_of(grant), "sub": grant.user}
        return {name: value for name, value in claims.items() if value is not None}

    def _claims_of(self, grant: Grant) -> dict[str, Any]:
        settings = self._clients.settings(grant.login_key)
        standard: dict[str, Any] = {}
        scope = grant.scope.split()
        if "email" in scope:
            email = grant.user if "@" in grant.user else f"{grant.user}@example.com"
            standard |= {"email": email, "email_verified": True}
        if "profile" in scope:
            standard["name"] = grant.user
        own = settings.users.get(grant.user, {})
        return {**standard, **settings.claims, **own, **grant.claims}


def _consent_of(grant: Grant) -> tuple[str, str, str]:
    return grant.login_key, grant.client_id, grant.user
