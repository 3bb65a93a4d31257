"""The calls as bytes: their members, and the limits of these.

This file owns the operations and their input limits (service models of Cognito Identity, and of STS
for the classic flow's second call). An argument beyond them is refused before anything is sent.
"""

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.values import Secret
from amplify_federation.errors import ValidationError

if TYPE_CHECKING:
    from amplify_federation._model.classic_flow import ClassicFlow

TARGET_PREFIX = "AWSCognitoIdentityService."
ASSUME_ROLE = "AssumeRoleWithWebIdentity"
MAX_TOKEN = 50_000  # characters; IdentityProviderToken
MAX_ID = 55  # characters; IdentityId and IdentityPoolId
MAX_LOGINS = 10  # entries; LoginsMap
ID_PATTERN = re.compile(r"[\w-]+:[0-9a-f-]+", re.ASCII)

_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PRINTABLE = bytes(range(0x20, 0x7F))

Logins = Mapping[AuthProvider, Secret]
_encoder = json.JSONEncoder(check_circular=False, ensure_ascii=False)  # made once


class Call:
    """One call: its operation, its body, its logins, and the secrets that no message may repeat.

    The body is JSON and goes to the pool's endpoint; with a `url`, it is a form and goes there.
    `identity_id`: the identity that it is about, if one is given.
    """

    __slots__ = ("body", "identity_id", "logins", "operation", "secrets", "url")

    def __init__(
        self,
        operation: str,
        body: bytes,
        secrets: tuple[Secret, ...],
        identity_id: str | None = None,
        *,
        url: str | None = None,
        logins: tuple[tuple[AuthProvider, Secret], ...] = (),
    ) -> None:
        self.operation = operation
        self.body = body
        self.secrets = secrets
        self.identity_id = identity_id
        self.url = url
        self.logins = logins

    def __repr__(self) -> str:
        return f"<Call {self.operation}>"  # the body holds the tokens


def checked_token(token: object, provider: AuthProvider | None = None) -> Secret:
    """Return the token as a secret; raises `ValidationError` if it can be none.

    White space is removed from a SAML response, which is often wrapped at 76 columns. Code of this
    package passes a `Secret`, since its frames are in the traceback.
    """
    secret = token if isinstance(token, Secret) else Secret(cast("str", token))
    del token
    if provider is not None and provider.login_key.startswith("arn:"):
        secret = _without_white_space(secret)
    fault = _fault_of_token(secret.reveal())
    if fault is not None:
        raise ValidationError(fault)
    return secret


def _without_white_space(secret: Secret) -> Secret:
    text = cast("object", secret.reveal())  # callers may not be typed
    return Secret("".join(text.split())) if isinstance(text, str) else secret


def _mistake_with_token(token: str) -> str | None:
    """Name a common mistake with a token, by its first characters."""
    begin = token[:8].lstrip().lower()
    if begin[:1] in {'"', "'"}:
        return "begins with a quotation mark; pass it without quotes."
    if begin.startswith(("bearer ", "jwt ")):
        return f"begins with `{begin.split()[0].title()} `; pass what follows it."
    if begin[:1] in {"{", "["}:
        return "is JSON; pass the `id_token` in it (for Facebook and Amazon the `access_token`)."
    return None


def _fault_of_token(token: object) -> str | None:
    if not isinstance(token, str):
        return f"The token must be a string, not {type(token).__name__}."
    if not token.strip():
        return "The token is empty; pass the token that the identity provider issued."
    if len(token) > MAX_TOKEN:
        return f"The token has {len(token)} characters; Cognito takes at most {MAX_TOKEN}."
    if fault := _mistake_with_token(token):
        return f"The token {fault}"
    # `translate` leaves what it is not to delete; `isprintable` would take twice as long.
    if not token.isascii() or token.encode().translate(None, _PRINTABLE):
        return "The token has characters that no token has, such as a line break; copy it whole."
    return None


def checked_provider(provider: object) -> AuthProvider:
    """Return the provider; raises `ValidationError` for anything else."""
    if not isinstance(provider, AuthProvider):
        message = (
            f"The provider must be an AuthProvider, not {type(provider).__name__}; "
            "use AuthProvider.GOOGLE or AuthProvider.oidc('https://issuer.example.com')."
        )
        raise ValidationError(message)
    return provider


def checked_identity_id(identity_id: object, region: str) -> str:
    """Return the identity id; raises `ValidationError` if malformed or of another region."""
    if (
        not isinstance(identity_id, str)
        or len(identity_id) > MAX_ID
        or not ID_PATTERN.fullmatch(identity_id)
    ):
        message = f"An identity id is '{region}:<guid>', of at most {MAX_ID} characters."
        raise ValidationError(message)
    if identity_id.partition(":")[0] != region:
        message = f"Identity id {identity_id!r} is not of the pool's region {region!r}."
        raise ValidationError(message)
    return identity_id


def get_id(identity_pool_id: str, logins: Logins, *, account_id: str | None = None) -> Call:
    """Return the call that asks for the identity of these logins, or for a new guest."""
    return _call("GetId", logins, IdentityPoolId=identity_pool_id, AccountId=account_id)


def get_credentials(identity_id: str, logins: Logins, *, role_arn: str | None = None) -> Call:
    """Return the call that asks for an identity's credentials, for about an hour."""
    return _call(
        "GetCredentialsForIdentity", logins, IdentityId=identity_id, CustomRoleArn=role_arn
    )


def get_open_id_token(identity_id: str, logins: Logins) -> Call:
    """Return the call that asks for an OpenID token of an identity, good for 10 minutes."""
    return _call("GetOpenIdToken", logins, IdentityId=identity_id)


def assume_role(sts_url: str, classic: "ClassicFlow", token: Secret) -> Call:
    """Return STS's call that takes an OpenID token of an identity for a role's credentials."""
    policy = () if classic.session_policy is None else (("Policy", classic.session_policy),)
    pairs = (
        ("Action", ASSUME_ROLE),
        ("Version", "2011-06-15"),
        ("RoleArn", classic.role_arn),
        ("RoleSessionName", classic.session_name),
        ("DurationSeconds", str(classic.duration)),
        *policy,
    )
    form = "&".join(f"{name}={_percent_encoded(value)}" for name, value in pairs)
    body = f"{form}&WebIdentityToken={_percent_encoded(token.reveal())}"
    return Call(ASSUME_ROLE, body.encode(), (token,), url=sts_url)


def unlink_identity(identity_id: str, logins: Logins, providers: tuple[AuthProvider, ...]) -> Call:
    """Return the call that removes logins from an identity."""
    if not logins or not providers:
        message = "Unlinking needs a login that proves the identity and a provider to remove."
        raise ValidationError(message)
    removed = [provider.login_key for provider in providers]
    return _call("UnlinkIdentity", logins, IdentityId=identity_id, LoginsToRemove=removed)


def _percent_encoded(text: str) -> str:
    return "".join(chr(each) if each in _UNRESERVED else f"%{each:02X}" for each in text.encode())


def _call(operation: str, logins: Logins, **members: str | list[str] | None) -> Call:
    if len(logins) > MAX_LOGINS:
        message = f"{len(logins)} logins are too many; an identity has at most {MAX_LOGINS}."
        raise ValidationError(message)
    present: dict[str, object] = {key: value for key, value in members.items() if value is not None}
    if logins:
        present["Logins"] = {each.login_key: logins[each].reveal() for each in logins}
    given = members.get("IdentityId")
    identity_id = given if isinstance(given, str) else None
    return Call(
        operation,
        _encoder.encode(present).encode(),
        tuple(logins.values()),
        identity_id,
        logins=tuple(logins.items()),
    )
