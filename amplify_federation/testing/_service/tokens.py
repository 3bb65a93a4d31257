"""Which logins the service accepts: signature, issuer, audience and expiry of every token.

Its refusals carry no token.
"""

from collections.abc import Mapping
from hashlib import sha256
from math import isfinite
from typing import Any

from attrs import field, frozen

from amplify_federation.testing._openid.issuers import (
    COGNITO,
    Issuers,
    Jwt,
    OpaqueToken,
    is_opaque,
    is_user_pool,
    signing_key,
)
from amplify_federation.testing._service import errors
from amplify_federation.testing._service.errors import ServiceRefusal, not_authorized
from amplify_federation.testing._service.pools import ANY_CLIENT, Pool
from amplify_federation.testing.clock import ServerClock

GRACE = 300.0  # seconds that Cognito grants after `exp`
_REQUIRED = ("aud", "sub", "exp")
_REMEMBERED = 20_000  # tokens; a load test with more verifies some of them twice


@frozen
class Login:
    """A login that a token proved: the subject at a provider, and the claims."""

    login_key: str
    subject: str
    claims: Mapping[str, Any] = field(repr=False)


class TokenChecks:
    """Validates the tokens of `Logins`. Verified signatures are remembered by the whole token."""

    def __init__(self, issuers: Issuers, clock: ServerClock) -> None:
        self._issuers = issuers
        self._clock = clock
        self._verified: dict[bytes, Jwt] = {}

    def logins(self, pool: Pool, tokens: Mapping[str, str]) -> list[Login]:
        """Return the logins that the tokens prove, or refuse with NotAuthorizedException."""
        for key in tokens:
            if key in pool.developer_names:
                raise ServiceRefusal(errors.INVALID_PARAMETER, errors.NO_PUBLIC_PROVIDER)
        return [self._login(pool, key, token) for key, token in tokens.items()]

    def cognito_login(self, pool: Pool, token: str) -> Login:
        """Return what a developer token proves; its subject is the identity id.

        Refuses with NotAuthorizedException.
        """
        jwt = self._jwt(COGNITO, token, malformed=errors.NO_COGNITO_TOKEN)
        by_developer = pool.client_ids.get(COGNITO, frozenset()) & strings_in(jwt.claims, "amr")
        if jwt.claims["aud"] != pool.id or not by_developer:
            raise not_authorized(errors.NO_COGNITO_TOKEN)
        self._expect_unexpired(jwt.claims["exp"], grace=0.0)
        return Login(COGNITO, str(jwt.claims["sub"]), jwt.claims)

    def _login(self, pool: Pool, key: str, token: str) -> Login:
        if key == COGNITO:
            raise not_authorized(errors.COGNITO_TOKEN)
        client_ids = pool.client_ids.get(key)
        if client_ids is None:
            raise not_authorized(errors.UNSUPPORTED_PROVIDER)
        if token in self._issuers.inactive:
            raise not_authorized(errors.TOKEN_INACTIVE)
        if is_opaque(key):
            return self._opaque_login(key, token, client_ids)
        jwt = self._jwt(key, token, malformed=errors.TOKEN_MALFORMED)
        audiences = {ANY_CLIENT} | strings_in(jwt.claims, "aud") | strings_in(jwt.claims, "azp")
        if not audiences & client_ids:
            raise not_authorized(
                errors.UNSUPPORTED_PROVIDER if is_user_pool(key) else errors.TOKEN_AUDIENCE
            )
        self._expect_unexpired(jwt.claims["exp"], grace=GRACE)
        return Login(key, jwt.claims["sub"], jwt.claims)

    def _opaque_login(self, key: str, token: str, client_ids: frozenset[str]) -> Login:
        known: OpaqueToken | None = self._issuers.opaque.get(token)
        if known is None or known.login_key != key:
            raise not_authorized(errors.TOKEN_UNKNOWN)
        # An IAM SAML provider has no client ids in the pool.
        if not key.startswith("arn:") and known.audience not in client_ids:
            raise not_authorized(errors.TOKEN_UNKNOWN)
        self._expect_unexpired(known.expires, grace=0.0)
        return Login(key, known.subject, known.claims)

    def _jwt(self, key: str, token: str, *, malformed: str) -> Jwt:
        digest = sha256(f"{key} {token}".encode()).digest()
        if (jwt := self._verified.get(digest)) is not None:
            return jwt
        jwt = Jwt.parse(token)
        if jwt is None:
            raise not_authorized(malformed)
        _expect_claims(key, jwt.claims)
        if not signing_key(key).verifies(jwt):
            raise not_authorized(errors.TOKEN_SIGNATURE)
        if len(self._verified) >= _REMEMBERED:
            self._verified.clear()
        self._verified[digest] = jwt
        return jwt

    def _expect_unexpired(self, expires: float, *, grace: float) -> None:
        now = self._clock.time()
        if not now < expires + grace:
            message = f"Invalid login token. Token expired: {int(now)} >= {int(expires)}"
            raise not_authorized(message)


def _expect_claims(key: str, claims: Mapping[str, Any]) -> None:
    issuer = str(claims.get("iss", "")).removeprefix("https://").removesuffix("/")
    if issuer == COGNITO != key:
        raise not_authorized(errors.COGNITO_TOKEN)
    if issuer != key:
        raise not_authorized(errors.TOKEN_ISSUER)
    for name in _REQUIRED:
        if name not in claims:
            message = f"Invalid login token. Missing a required claim: {name}"
            raise not_authorized(message)
    exp = claims["exp"]
    if isinstance(exp, bool) or not isinstance(exp, int | float) or not isfinite(exp):
        raise not_authorized(errors.TOKEN_MALFORMED)
    if not isinstance(claims["sub"], str) or not claims["sub"]:
        raise not_authorized(errors.TOKEN_MALFORMED)


def strings_in(claims: Mapping[str, Any], name: str) -> set[str]:
    """Return the strings of a claim that is one, or a list of them."""
    claim: Any = claims.get(name)
    parts: tuple[Any, ...] = tuple(claim) if isinstance(claim, list) else (claim,)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]  # JSON
    return {part for part in parts if isinstance(part, str)}
