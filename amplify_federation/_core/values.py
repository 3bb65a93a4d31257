"""Credentials and tokens: frozen values that are silent on their secrets.

This file owns how a secret is held in memory. It must not know where secrets come from or go to.
"""

import hmac
from datetime import UTC, datetime
from typing import Never, Self, TypedDict

from attrs import field, frozen

from amplify_federation.errors import ValidationError


class Secret:
    """A string that no repr, format, `asdict` or pickle gives away."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the string. Do not bind it to a local of a frame that may raise."""
        return self._text

    def __repr__(self) -> str:
        return "[secure]"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_bytes(self._text), _bytes(other._text))

    def __hash__(self) -> int:
        return hash(self._text)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> Never:
        # A pickle ends in caches, queues and crash reports. One with the secret left out would
        # sign requests wrongly somewhere else, so there is none at all.
        message = "Secrets are not pickled; hand over `boto3_arguments()` where they must travel."
        raise TypeError(message)


def _bytes(text: str) -> bytes:
    # JSON can spell half a surrogate pair, and an answer may do so.
    return text.encode(errors="surrogatepass")


def secret_text(value: object) -> Secret:
    """Convert an argument to a `Secret`; anything but a non-empty string is refused, unshown."""
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str) or not value:
        message = f"A secret must be a non-empty string, not {type(value).__name__}."
        raise ValidationError(message)
    return Secret(value)


def optional_secret(value: object) -> Secret | None:
    """Convert like `secret_text`, and let `None` pass."""
    return None if value is None else secret_text(value)


def aware_utc(value: object) -> datetime:
    """Convert an aware datetime to UTC; a naive one is refused."""
    if not isinstance(value, datetime) or value.utcoffset() is None:
        message = "`expiration` must be an aware datetime, such as `datetime.now(UTC)`."
        raise ValidationError(message)
    return value.astimezone(UTC)


class Boto3Arguments(TypedDict):
    """The keyword arguments of a boto3 session that carry credentials."""

    aws_access_key_id: str
    aws_secret_access_key: str
    aws_session_token: str


@frozen
class AWSCredentials:
    """Temporary AWS credentials.

    `expiration` is an aware UTC datetime on the server's clock. The two secrets are read as `str`
    by property; `repr`, `attrs.asdict` and pickling do not give them.
    """

    access_key_id: str
    _secret_access_key: Secret = field(converter=secret_text)
    _session_token: Secret = field(converter=secret_text)
    expiration: datetime = field(converter=aware_utc)

    @property
    def secret_access_key(self) -> str:
        """The secret access key."""
        return self._secret_access_key.reveal()

    @property
    def session_token(self) -> str:
        """The session token, which goes with every request beside the signature."""
        return self._session_token.reveal()

    def boto3_arguments(self) -> Boto3Arguments:
        """Return the three keyword arguments of `boto3.Session` that carry credentials."""
        return Boto3Arguments(
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            aws_session_token=self.session_token,
        )


@frozen
class UserPoolTokens:
    """Tokens of a Cognito user pool, as the application's own sign-in got them."""

    _id_token: Secret = field(converter=secret_text)
    _access_token: Secret | None = field(default=None, converter=optional_secret)

    @property
    def id_token(self) -> str:
        """The ID token, a JWT."""
        return self._id_token.reveal()

    @property
    def access_token(self) -> str | None:
        """The access token, if the application gave one."""
        return None if self._access_token is None else self._access_token.reveal()
