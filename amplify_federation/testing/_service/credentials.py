"""Which role an identity gets, and the credentials issued for it."""

import base64
import json
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

from attrs import field, frozen

from amplify_federation.testing._service import errors
from amplify_federation.testing._service.errors import ServiceRefusal, not_authorized
from amplify_federation.testing._service.pools import Pool
from amplify_federation.testing._service.tokens import Login, strings_in

# The default mapping of claims to session tags: user name and client.
DEFAULT_TAGS: Mapping[str, str] = {"username": "sub", "client": "aud"}
TAGS_CLAIM = "https://aws.amazon.com/tags"


def role_of(pool: Pool, logins: Sequence[Login], custom: str | None, *, guest: bool) -> str:
    """Return the role, or refuse as the pool's configuration wants.

    The order is AWS's: `CustomRoleArn` if the token has it, then the provider's role mapping,
    then the pool's role. Without a mapping `cognito:preferred_role` counts, too.
    """
    usual = pool.roles.unauthenticated if guest else pool.roles.authenticated
    claimed = {role for login in logins for role in strings_in(login.claims, "cognito:roles")}
    if custom is not None and custom in claimed:
        return custom
    if custom is not None and claimed:
        raise not_authorized(errors.ROLE_NOT_OFFERED)
    role = usual
    for login in logins:
        mapping = _setting(pool.role_mappings, login)
        if mapping is not None:
            role = _mapped(mapping, login.claims) or _ambiguous(mapping, login, usual)
            break
        if preferred := login.claims.get("cognito:preferred_role"):
            role = str(preferred)
            break
    if role is None:
        raise ServiceRefusal(errors.BAD_POOL, errors.NO_ROLE)
    return role


def principal_tags_of(pool: Pool, logins: Sequence[Login]) -> dict[str, str]:
    """Return the session tags that the pool makes of the tokens' claims."""
    tags: dict[str, str] = {}
    for login in logins:
        mapping = _setting(pool.principal_tags, login)
        if mapping is None:
            continue
        chosen = DEFAULT_TAGS if mapping["UseDefaults"] else mapping["PrincipalTags"]
        for tag, claim in chosen.items():
            value: Any = login.claims.get(claim, login.subject if claim == "sub" else None)
            if value is not None:
                tags[tag] = ",".join(_texts(value))
    return tags


def _setting(settings: Mapping[str, Any], login: Login) -> Any:  # noqa: ANN401  # JSON of the API
    # The mapping of a user pool names its client too.
    for audience in sorted(strings_in(login.claims, "aud")):
        if (found := settings.get(f"{login.login_key}:{audience}")) is not None:
            return found
    return settings.get(login.login_key)


def _mapped(mapping: Mapping[str, Any], claims: Mapping[str, Any]) -> str | None:
    if mapping["Type"] == "Token":
        if preferred := claims.get("cognito:preferred_role"):
            return str(preferred)
        claimed = strings_in(claims, "cognito:roles")
        return claimed.pop() if len(claimed) == 1 else None
    rules: list[dict[str, str]] = mapping.get("RulesConfiguration", {}).get("Rules", [])
    matching = (rule["RoleARN"] for rule in rules if _matches(rule, claims))
    return next(matching, None)


def _matches(rule: Mapping[str, str], claims: Mapping[str, Any]) -> bool:
    claim = claims.get(rule["Claim"])
    if claim is None:
        return False
    texts = _texts(claim)
    value = rule["Value"]
    match rule["MatchType"]:
        case "Equals":
            return value in texts
        case "NotEqual":
            return value not in texts
        case "StartsWith":
            return any(text.startswith(value) for text in texts)
        case _:
            return any(value in text for text in texts)


def _texts(claim: object) -> list[str]:
    parts = cast("list[object]", claim) if isinstance(claim, list) else [claim]
    return [str(part) for part in parts]


def _ambiguous(mapping: Mapping[str, Any], login: Login, usual: str | None) -> str | None:
    if mapping.get("AmbiguousRoleResolution") == "Deny":
        raise not_authorized(errors.ROLE_DENIED.format(provider=login.login_key))
    return usual


LIFETIME = 3600.0  # seconds, enhanced flow
_PREFIX = "IQoJb3JpZ2luX2Vj"  # what session tokens of AWS begin with
_TOKEN_BYTES = 720  # padded: session tokens of AWS are about 1,000 characters
_FIELDS = 5  # of IssuedCredentials
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


@frozen
class IssuedCredentials:
    """The identity and role of a session token of the fake. `expiration`: seconds since the epoch.

    `principal_tags` are the session tags that the pool makes of the token's claims.
    """

    access_key_id: str
    identity_id: str
    role_arn: str
    expiration: float
    principal_tags: Mapping[str, str] = field(factory=dict[str, str])


def issue(
    identity_id: str,
    role_arn: str,
    expiration: float,
    principal_tags: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the `Credentials` member of GetCredentialsForIdentity's answer."""
    random = secrets.token_bytes(16)
    access_key_id = "ASIA" + "".join(_ALPHABET[byte & 31] for byte in random)
    record = json.dumps(
        [access_key_id, identity_id, role_arn, expiration, dict(principal_tags or {})]
    ).encode()
    padding = secrets.token_bytes(max(32, _TOKEN_BYTES - len(record)))
    return {
        "AccessKeyId": access_key_id,
        "SecretKey": base64.b64encode(secrets.token_bytes(30)).decode(),
        "SessionToken": _PREFIX + base64.b64encode(record + b"\0" + padding).decode(),
        "Expiration": expiration,
    }


def read(session_token: str) -> IssuedCredentials:
    """Return the contents of a session token. Raises `ValueError` if it is not the fake's."""
    fields: list[Any] = []
    with suppress(ValueError, TypeError):
        record = base64.b64decode(session_token.removeprefix(_PREFIX), validate=True)
        fields = list(json.loads(record.partition(b"\0")[0]))
    if len(fields) != _FIELDS:
        message = "This session token was not issued by a FakeCognito."
        raise ValueError(message)  # the text is wrong, not the type of an argument
    return IssuedCredentials(*fields)
