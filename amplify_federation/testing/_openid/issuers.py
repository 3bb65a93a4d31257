"""The issuers: their RSA keys, and every kind of token that a `Logins` entry may carry.

A key is made when it is first used, once per process and issuer: making one takes some 100 ms.
"""

import base64
import json
import secrets
import threading
import uuid
from collections.abc import Mapping
from functools import cached_property
from hashlib import sha256
from html import escape
from typing import Any

from attrs import field, frozen
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from amplify_federation import AuthProvider
from amplify_federation.testing.clock import ServerClock

KEY_BITS = 2048  # what Google, Apple and Cognito sign with
_PUBLIC_EXPONENT = 65537  # F4, the usual one


def encoded(data: bytes) -> str:
    """Return base64url without padding, as JOSE wants it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """Return what `encoded` was given. Raises `ValueError` if it is none of its texts."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        data = None
    if data is None or encoded(data) != text:
        message = "This is not base64url without padding."
        raise ValueError(message)
    return data


@frozen
class Jwt:
    """The parts of a JWT, not verified."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    @classmethod
    def parse(cls, token: str) -> "Jwt | None":
        """Return the parts of a token, or `None` if it is no JWT."""
        try:
            header, claims, signature = token.split(".")
            parts = json.loads(decoded(header)), json.loads(decoded(claims))
            signature_bytes = decoded(signature)
        except (ValueError, RecursionError):
            return None
        if not all(isinstance(part, dict) for part in parts):
            return None
        return cls(*parts, f"{header}.{claims}".encode(), signature_bytes)


class SigningKey:
    """One RSA key: signs RS256 and verifies it."""

    def __init__(self) -> None:
        self._private = rsa.generate_private_key(_PUBLIC_EXPONENT, KEY_BITS)

    @cached_property
    def jwk(self) -> dict[str, str]:
        """The public key as a member of a JWKS."""
        numbers = self._private.public_key().public_numbers()
        modulus = numbers.n.to_bytes(KEY_BITS // 8, "big")
        exponent = numbers.e.to_bytes(3, "big")
        kid = sha256(modulus).hexdigest()[:40]
        public = {"kty": "RSA", "n": encoded(modulus), "e": encoded(exponent)}
        return {**public, "kid": kid, "alg": "RS256", "use": "sig"}

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Return the claims as a JWT signed with RS256."""
        header = {"alg": "RS256", "kid": self.jwk["kid"], "typ": "JWT"}
        parts = (json.dumps(part, separators=(",", ":")).encode() for part in (header, claims))
        signed = ".".join(map(encoded, parts))
        signature = self._private.sign(signed.encode(), PKCS1v15(), SHA256())
        return f"{signed}.{encoded(signature)}"

    def verifies(self, jwt: Jwt) -> bool:
        """Return whether this key signed the token, with RS256 and nothing else."""
        if jwt.header.get("alg") != "RS256" or jwt.header.get("kid") != self.jwk["kid"]:
            return False
        try:
            self._private.public_key().verify(jwt.signature, jwt.signed, PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True


_keys: dict[str, SigningKey] = {}
_making = threading.Lock()


def signing_key(issuer: str) -> SigningKey:
    """Return the key of an issuer, the same one in the whole process."""
    with _making:
        key = _keys.get(issuer)
        if key is None:
            key = _keys[issuer] = SigningKey()
        return key


COGNITO = AuthProvider.DEVELOPER.login_key
OPAQUE = frozenset(
    p.login_key for p in (AuthProvider.FACEBOOK, AuthProvider.AMAZON, AuthProvider.TWITTER)
)
# Its key is never published: it signs the forged tokens.
_FORGER = "\0forger"


def is_opaque(login_key: str) -> bool:
    """Return whether tokens of this provider are opaque strings that only it can explain."""
    return login_key in OPAQUE or login_key.startswith("arn:")


def is_user_pool(login_key: str) -> bool:
    """Return whether this is the login key of a Cognito user pool."""
    return login_key.startswith("cognito-idp.")


@frozen
class TokenOrder:
    """The contents of a token to issue. `lifetime`: seconds; claims of `None` are left out."""

    login_key: str
    subject: str
    audience: str
    lifetime: float
    claims: Mapping[str, Any] = field(factory=dict[str, Any])


@frozen
class OpaqueToken:
    """The record that the provider has of an opaque token."""

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
        if is_user_pool(order.login_key):
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
    return (
        '<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" '
        'xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" '
        f'ID="_{random}" Version="2.0"><saml:Assertion><saml:Subject><saml:NameID>'
        f"{escape(order.subject)}</saml:NameID></saml:Subject></saml:Assertion></samlp:Response>"
    )
