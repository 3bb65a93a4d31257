"""The identity providers: every kind of token that a `Logins` entry may carry.

This file must not know pools or identities, and it does not judge tokens; `checks` does.
"""

import base64
import secrets
import uuid
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from amplify_federation import AuthProvider
from amplify_federation.testing._providers.keys import signing_key
from amplify_federation.testing.clock import ServerClock

COGNITO = AuthProvider.DEVELOPER.login_key
OPAQUE = frozenset(
    p.login_key for p in (AuthProvider.FACEBOOK, AuthProvider.AMAZON, AuthProvider.TWITTER)
)
# What an issuer never publishes; its signatures are the forged ones.
_FORGER = "\0forger"


def is_opaque(login_key: str) -> bool:
    """Return whether tokens of this provider are opaque strings that only it can explain."""
    return login_key in OPAQUE or login_key.startswith("arn:")


@frozen
class TokenOrder:
    """What a token shall say. `lifetime` in seconds; claims that are `None` are left out."""

    login_key: str
    subject: str
    audience: str
    lifetime: float
    claims: Mapping[str, Any] = field(factory=dict[str, Any])


@frozen
class OpaqueToken:
    """What the provider knows about an opaque token."""

    login_key: str
    subject: str
    audience: str
    expires: float
    claims: Mapping[str, Any]


class Issuers:
    """Issues tokens, and remembers the opaque and the deactivated ones."""

    def __init__(self, clock: ServerClock) -> None:
        self._clock = clock
        self.opaque: dict[str, OpaqueToken] = {}
        self.inactive: set[str] = set()

    def issue(self, order: TokenOrder, *, forged: bool = False) -> str:
        """Return a token of the provider's kind; a forged one is not signed by, or known to, it."""
        if not is_opaque(order.login_key):
            key = signing_key(_FORGER if forged else order.login_key)
            return key.sign(self._claims(order))
        token = _opaque_text(order)
        if not forged:
            expires = self._clock.time() + order.lifetime
            self.opaque[token] = OpaqueToken(
                order.login_key, order.subject, order.audience, expires, order.claims
            )
        return token

    def _claims(self, order: TokenOrder) -> dict[str, Any]:
        now = int(self._clock.time())
        claims: dict[str, Any] = {
            "iss": f"https://{order.login_key}",
            "sub": order.subject,
            "aud": order.audience,
            "iat": now,
            "exp": int(now + order.lifetime),
            "jti": str(uuid.uuid4()),
        }
        if order.login_key.startswith("cognito-idp."):
            claims |= {"token_use": "id", "cognito:username": order.subject, "auth_time": now}
        claims |= order.claims
        return {name: value for name, value in claims.items() if value is not None}


def _opaque_text(order: TokenOrder) -> str:
    random = secrets.token_urlsafe(32)
    match order.login_key:
        case AuthProvider.FACEBOOK.login_key:
            return f"EAA{random}"
        case AuthProvider.AMAZON.login_key:
            return f"Atza|{random}"
        case AuthProvider.TWITTER.login_key:
            return f"{random};{secrets.token_urlsafe(32)}"
        case _:
            return base64.b64encode(_saml_response(order, random).encode()).decode()


def _saml_response(order: TokenOrder, random: str) -> str:
    from xml.sax.saxutils import escape  # noqa: PLC0415  # SAML is rare, and this is not

    return (
        '<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" '
        'xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" '
        f'ID="_{random}" Version="2.0"><saml:Assertion><saml:Subject><saml:NameID>'
        f"{escape(order.subject)}</saml:NameID></saml:Subject></saml:Assertion></samlp:Response>"
    )
