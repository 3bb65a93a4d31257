"""AuthProvider: which identity provider issued a token, as the key in Cognito's `Logins`.

This file owns the login keys.
"""

import re
from typing import ClassVar

from attrs import field, frozen

from amplify_federation._model.endpoint import partition_of
from amplify_federation.errors import ValidationError

MAX_LOGIN_KEY = 128  # characters; service model of Cognito Identity, IdentityProviderName
_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?"
_ISSUER = rf"{_HOST}(?::\d{{1,5}})?(?:/[A-Za-z0-9._~%!$&'()*+,;=:@/-]*)?"
_ISSUER_URL = rf"(?:[hH][tT][tT][pP][sS]?://)?({_ISSUER})"
_SAML_ARN = r"arn:aws[a-z-]*:iam::\d{12}:saml-provider/[\w+=,.@-]+"
_USER_POOL_ID = r"([a-z0-9-]+)_[0-9A-Za-z]+"
_MAX_USER_POOL_ID = 55  # characters; service model of Cognito user pools, UserPoolIdType


_WELL_KNOWN = "/.well-known/"
# What people write for the constants: no issuer has such a name.
_NICKNAMES = {
    "google": "GOOGLE", "facebook": "FACEBOOK", "amazon": "AMAZON", "loginwithamazon": "AMAZON",
    "apple": "APPLE", "signinwithapple": "APPLE", "twitter": "TWITTER", "developer": "DEVELOPER",
}  # fmt: skip


def _checked_key(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_LOGIN_KEY or not value.isprintable():
        message = (
            f"A login key must be 1 to {MAX_LOGIN_KEY} printable characters, such as "
            "'accounts.google.com'."
        )
        raise ValidationError(message)
    constant = _NICKNAMES.get(value.lower())
    if constant is not None:
        message = f"{value!r} is no login key; use AuthProvider.{constant}."
        raise ValidationError(message)
    if value.lower().startswith(("https://", "http://")):
        message = f"A login key has no scheme; use AuthProvider.oidc({value!r})."
        raise ValidationError(message)
    return value


def _matched(pattern: str, value: object, wanted: str) -> re.Match[str]:
    found = re.fullmatch(pattern, value, re.ASCII) if isinstance(value, str) else None
    if found is None:
        shown = f"{value!r:.100}" if isinstance(value, str) else type(value).__name__
        message = f"Expected {wanted}, not {shown}."
        raise ValidationError(message)
    return found


def login_key_of(issuer: str) -> str:
    """Return the key in Cognito's `Logins` of an issuer's ID tokens.

    A user pool has one key under both of its issuers: "Updated issuers have the format of
    https://issuer-cognito-idp.[region].amazonaws.com/[userPoolId]" (IssuerConfigurationType).
    """
    key = issuer.removeprefix("https://").rstrip("/")
    return key.removeprefix("issuer-") if key.startswith("issuer-cognito-idp.") else key


@frozen
class AuthProvider:
    """An identity provider. Two providers with one `login_key` are equal."""

    GOOGLE: ClassVar["AuthProvider"]
    FACEBOOK: ClassVar["AuthProvider"]
    AMAZON: ClassVar["AuthProvider"]
    APPLE: ClassVar["AuthProvider"]
    TWITTER: ClassVar["AuthProvider"]
    DEVELOPER: ClassVar["AuthProvider"]

    login_key: str = field(converter=_checked_key)

    @classmethod
    def oidc(cls, issuer: str) -> "AuthProvider":
        """Return the provider of an OpenID Connect issuer; scheme and trailing slash are dropped.

        Raises `ValidationError` if `issuer` is no issuer URL.
        """
        wanted = "an OpenID Connect issuer such as 'https://issuer.example.com'"
        if _WELL_KNOWN in (given := str(issuer)):  # callers may not be typed
            message = (
                f"{given!r:.120} is where an issuer's configuration is found; pass the issuer as "
                f"the token's `iss` has it: {given.partition(_WELL_KNOWN)[0]!r:.120}."
            )
            raise ValidationError(message)
        found = _matched(_ISSUER_URL, issuer, wanted)
        return cls(found.group(1).rstrip("/"))

    @classmethod
    def saml(cls, provider_arn: str) -> "AuthProvider":
        """Return the provider of an IAM SAML provider's ARN.

        Raises `ValidationError` if `provider_arn` is no such ARN.
        """
        wanted = "an ARN such as 'arn:aws:iam::123456789012:saml-provider/Name'"
        return cls(_matched(_SAML_ARN, provider_arn, wanted).group())

    @classmethod
    def cognito_user_pool(cls, user_pool_id: str, region: str | None = None) -> "AuthProvider":
        """Return the provider of a Cognito user pool. The region is in the pool id's prefix.

        Raises `ValidationError` if the id is malformed or `region` disagrees with it.
        """
        wanted = "a user pool id such as 'us-west-2_Ab1Cd2Ef3'"
        own_region = _matched(_USER_POOL_ID, user_pool_id, wanted).group(1)
        if len(user_pool_id) > _MAX_USER_POOL_ID:
            message = f"A user pool id has at most {_MAX_USER_POOL_ID} characters."
            raise ValidationError(message)
        if region is not None and region != own_region:
            message = f"Region {region!r:.80} disagrees with user pool id {user_pool_id!r}."
            raise ValidationError(message)
        suffix = partition_of(own_region).suffix
        return cls(f"cognito-idp.{own_region}.{suffix}/{user_pool_id}")

    @classmethod
    def custom(cls, login_key: str) -> "AuthProvider":
        """Return the provider of a login key given as it stands in the pool's settings.

        Raises `ValidationError` if it is empty, longer than 128 characters or unprintable.
        """
        return cls(login_key)


AuthProvider.GOOGLE = AuthProvider("accounts.google.com")
AuthProvider.FACEBOOK = AuthProvider("graph.facebook.com")
AuthProvider.AMAZON = AuthProvider("www.amazon.com")
AuthProvider.APPLE = AuthProvider("appleid.apple.com")
AuthProvider.TWITTER = AuthProvider("api.twitter.com")
AuthProvider.DEVELOPER = AuthProvider("cognito-identity.amazonaws.com")
