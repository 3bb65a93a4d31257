"""Claims of a JWT, read without verification: for scheduling and matching only.

This file owns what is read from a token, and until when a token is worth sending. Cognito checks
signatures; a claim read here proves no identity.
"""

import base64
import hashlib
import hmac
import json
import math
from typing import Any, cast

from attrs import field, frozen

from amplify_federation._model.state import Login
from amplify_federation._model.values import Secret, SubjectDigest

COGNITO_GRACE = 300.0  # seconds that Cognito allows beyond a token's `exp`
_DIGEST_BYTES = 16  # 128 bits: matching one user's two tokens, never a look-up


@frozen
class Claims:
    """Claims of a JWT, unverified.

    `expires` is `exp`, in seconds since the epoch; `audience` is `aud`, or the first of several;
    `use` is `token_use`, by which Cognito's user pools tell their tokens apart.
    """

    issuer: str | None = field(default=None, repr=False)
    subject: str | None = field(default=None, repr=False)
    expires: float | None = None
    username: str | None = field(default=None, repr=False)
    audience: str | None = field(default=None, repr=False)
    use: str | None = field(default=None, repr=False)


def peek(token: Secret) -> Claims | None:
    """Return the claims of a JWT, or `None` if the token is none (an opaque one, say)."""
    try:
        _header, payload, _signature = token.reveal().split(".")
        padded = payload + "=" * (-len(payload) % 4)
        claims: object = json.loads(base64.urlsafe_b64decode(padded))
    except (ValueError, RecursionError):
        return None
    if not isinstance(claims, dict):
        return None
    members = cast("dict[str, Any]", claims)
    return Claims(
        issuer=_text(members.get("iss")),
        subject=_text(members.get("sub")),
        expires=_seconds(members.get("exp")),
        username=_text(members.get("cognito:username")),
        audience=_first_text(members.get("aud")),
        use=_text(members.get("token_use")),
    )


def subject_digest(token: Secret, key: bytes) -> SubjectDigest | None:
    """Return the digest of the token's `iss` and `sub` under `key`, or `None` if it lacks them."""
    claims = peek(token)
    if claims is None or not claims.issuer or not claims.subject:
        return None
    pair = json.dumps([claims.issuer, claims.subject]).encode()
    return SubjectDigest(key, hashlib.blake2b(pair, key=key, digest_size=_DIGEST_BYTES).digest())


def same_subject(token: Secret, known: SubjectDigest | None) -> bool:
    """Tell whether the token carries the `iss` and `sub` that `known` was made of."""
    if known is None:
        return False
    again = subject_digest(token, known.key)
    return again is not None and hmac.compare_digest(again.value, known.value)


def token_helps(login: Login, now: float) -> bool:
    """Tell whether Cognito may still take the stored token, as far as the token itself says."""
    if login.token is None:
        return False
    claims = peek(login.token)
    if claims is None or claims.expires is None:
        return True
    return now <= claims.expires + COGNITO_GRACE


def seems_good(token: Secret, now: float) -> bool:
    """Tell whether a token has an `exp` of its own, and it is not over."""
    claims = peek(token)
    return claims is not None and claims.expires is not None and now < claims.expires


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _first_text(value: object) -> str | None:
    if isinstance(value, list):
        return next((_text(each) for each in cast("list[object]", value)), None)
    return _text(value)


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) else None
