"""RSA keys of the issuers, and JWTs signed with them. This file must not know what claims mean.

Keys are made when first asked for, once per process and issuer: making one takes some 100 ms.
"""

import base64
import json
import threading
from collections.abc import Mapping
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

KEY_BITS = 2048  # what Google, Apple and Cognito sign with
_PUBLIC_EXPONENT = 65537  # F4, the exponent that everybody uses


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
    """A JWT taken apart, not verified."""

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
        from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415  # 15 ms

        self._private: RSAPrivateKey = rsa.generate_private_key(_PUBLIC_EXPONENT, KEY_BITS)

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
        from cryptography.hazmat.primitives.asymmetric.padding import (  # noqa: PLC0415  # 15 ms
            PKCS1v15,
        )
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415  # 15 ms

        header = {"alg": "RS256", "kid": self.jwk["kid"], "typ": "JWT"}
        parts = (json.dumps(part, separators=(",", ":")).encode() for part in (header, claims))
        signed = ".".join(map(encoded, parts))
        signature = self._private.sign(signed.encode(), PKCS1v15(), SHA256())
        return f"{signed}.{encoded(signature)}"

    def verifies(self, jwt: Jwt) -> bool:
        """Return whether this key signed the token, with RS256 and nothing else."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  # 15 ms
        from cryptography.hazmat.primitives.asymmetric.padding import (  # noqa: PLC0415  # 15 ms
            PKCS1v15,
        )
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415  # 15 ms

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
