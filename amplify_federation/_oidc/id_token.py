"""ID tokens (OpenID Connect Core 1.0, 3.1.3.7): which is valid, and the error for each other.

Authlib checks the claims and joserfc the signature. They load in 100 ms, most of it cryptography's.
"""

import importlib
from contextlib import suppress
from typing import Any, cast

from attrs import frozen

from amplify_federation._model.values import Secret
from amplify_federation._oidc.http import malformed
from amplify_federation._oidc.library import check_installed
from amplify_federation.errors import AuthError, ConfigurationError, NotAuthorizedError

# What Cognito takes of OpenID providers; all of them asymmetric, so that neither `none` nor a
# client secret ever signs. "Set up an OpenID Connect (OIDC) provider", IAM user guide.
ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512")
# Seconds that a provider's `iat` and `exp` may differ from its own `Date`, or, where it sends none,
# from the local clock: Cognito allows as much.
_LEEWAY = 300
# "OpenID Connect", Google identity: its tokens may name it in either way.
_ISSUERS = {
    "https://accounts.google.com": ("https://accounts.google.com", "accounts.google.com"),
}
AGAIN = "Sign in again: call `sign_in`, or run `amplify-federation login`."
# Raised inside joserfc for tokens and keys malformed in ways that it does not check.
_UNEXPECTED = (ValueError, TypeError, KeyError, AttributeError)


@frozen
class Expected:
    """What an ID token must fit to. `now`: the provider's time, in epoch seconds."""

    issuer: str
    client_id: str
    nonce: str | None
    access_token: Secret | None
    now: float


def id_token_claims(token: Secret, keys: object, expected: Expected) -> dict[str, Any]:
    """Return the claims of an ID token that is signed with one of the keys and as expected.

    `keys`: the `keys` of the issuer's key set, as they came. Raises `ConfigurationError`,
    `NotAuthorizedError` or `MalformedResponseError` for any other token.
    """
    check_installed()
    errors = importlib.import_module("joserfc.errors")
    try:
        return _validated(token, keys, expected)
    except errors.JoseError as error:
        fault = str(getattr(error, "claim", "") or type(error).__name__)
    except _UNEXPECTED as error:
        fault = type(error).__name__
    # Outside the handlers: their exceptions, and the frames of these, have the token's claims.
    raise _error_of(fault, expected)


def _validated(token: Secret, keys: object, expected: Expected) -> dict[str, Any]:
    core = importlib.import_module("authlib.oidc.core")
    jwk = importlib.import_module("joserfc.jwk")
    jwt = importlib.import_module("joserfc.jwt")
    key_set = jwk.KeySet(_imported(keys))
    decoded = jwt.decode(token.reveal(), key_set, algorithms=list(ALGORITHMS))
    issuers = _ISSUERS.get(expected.issuer, (expected.issuer,))
    claims = core.CodeIDToken(
        decoded.claims,
        decoded.header,
        {
            "iss": {"essential": True, "values": list(issuers)},
            "aud": {"essential": True, "value": expected.client_id},
        },
        {
            "client_id": expected.client_id,
            "nonce": expected.nonce,
            "access_token": expected.access_token and expected.access_token.reveal(),
        },
    )
    claims.validate(int(expected.now), _LEEWAY)
    return dict(claims)


def _imported(keys: object) -> list[Any]:
    """Return the keys that joserfc knows and that sign: a provider may publish others, too."""
    errors = importlib.import_module("joserfc.errors")
    jwk = importlib.import_module("joserfc.jwk")
    known: list[Any] = []
    for key in cast("list[Any]", keys) if isinstance(keys, list) else []:  # type: ignore[redundant-cast]  # for pyright
        if _signs(key):
            with suppress(errors.JoseError, *_UNEXPECTED):
                known.append(jwk.import_key(key))
    return known


def _signs(key: object) -> bool:
    """Tell whether a key of a key set is one that an ID token may be signed with."""
    if not isinstance(key, dict):
        return False
    members = cast("dict[str, object]", key)
    return members.get("kty") in {"RSA", "EC"} and members.get("use", "sig") == "sig"


def _error_of(fault: str, expected: Expected) -> AuthError:
    """Return the error for a fault: a claim's name, or the name of joserfc's exception."""
    if fault in {"aud", "azp"}:
        message = f"The ID token is not for the client {expected.client_id!r} (`{fault}`)."
        advice = "Give the client id that the provider issues ID tokens to."
        return ConfigurationError(message, recovery_suggestion=advice)
    if fault == "nonce":
        message = "The ID token belongs to another sign-in (`nonce`)."
        return NotAuthorizedError(message, recovery_suggestion=AGAIN)
    if fault in {"exp", "iat", "nbf"}:
        message = f"The ID token is not good now (`{fault}`): two clocks disagree."
        advice = "Set this machine's clock; if it is right, the provider's is not."
        return NotAuthorizedError(message, recovery_suggestion=advice)
    return malformed(f"The ID token is not one of {expected.issuer}'s: {fault}.")
