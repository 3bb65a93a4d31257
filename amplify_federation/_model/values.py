"""What values have in common, and those that hold credentials and tokens and show no secret.

This file owns how a secret is stored in memory.
"""

from datetime import UTC, datetime
from functools import partial
from hmac import compare_digest
from typing import Never, Self, TypedDict, cast

from attrs import NOTHING, AttrsInstance, field, fields, frozen

from amplify_federation.errors import ValidationError


class Value:
    """A frozen value, compared by its fields and shown with them.

    attrs writes these methods for each class, as text that Python compiles at each start. The
    classes that each restart makes are `@frozen(eq=False, repr=False)` and inherit them, which
    takes 4 % off its instructions. A value that is a key of dictionaries is not one of them:
    `__hash__` takes more than ten times as long as that of attrs.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        # A traceback may show one whose fields are not set yet.
        shown = (
            f"{each.name}={getattr(self, each.name, NOTHING)!r}"
            for each in fields(cast("type[AttrsInstance]", type(self)))
            if each.repr
        )
        return f"{type(self).__qualname__}({', '.join(shown)})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Value) or type(other) is not type(self):
            return NotImplemented
        return self._compared() == other._compared()

    def __hash__(self) -> int:
        return hash(self._compared())

    def _compared(self) -> tuple[object, ...]:
        own = fields(cast("type[AttrsInstance]", type(self)))
        return tuple(getattr(self, each.name) for each in own if each.eq)


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
        return compare_digest(_bytes(self._text), _bytes(other._text))

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


@frozen(eq=False, repr=False)
class SubjectDigest(Value):
    """A keyed digest of `iss` and `sub`: it recognises a user, and shows neither."""

    key: bytes = field(repr=False)
    value: bytes = field(repr=False)


def _bytes(text: str) -> bytes:
    # JSON can spell half a surrogate pair, and an answer may do so.
    return text.encode(errors="surrogatepass")


def as_secret(value: object) -> Secret:
    """Wrap an argument, whatever it is: the frame that refuses it stands in the traceback."""
    return value if isinstance(value, Secret) else Secret(cast("str", value))


def checked_secret(secret: Secret) -> Secret:
    """Return the secret; anything but a non-empty string is refused, unshown."""
    kind = type(cast("object", secret.reveal()))
    if not issubclass(kind, str) or not secret.reveal():
        message = f"A secret must be a non-empty string, not {kind.__name__}."
        raise ValidationError(message)
    return secret


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


@frozen(init=False, eq=False, repr=False)
class AWSCredentials(Value):
    """Temporary AWS credentials.

    `expiration` is an aware UTC datetime on the server's clock. The two secrets are read as `str`
    by property; `repr`, `attrs.asdict` and pickling do not give them.

    Raises `ValidationError` for an empty secret or a naive `expiration`.
    """

    access_key_id: str
    _secret_access_key: Secret
    _session_token: Secret
    expiration: datetime

    def __init__(
        self,
        access_key_id: str,
        secret_access_key: str | Secret,
        session_token: str | Secret,
        expiration: datetime,
    ) -> None:
        key, token = as_secret(secret_access_key), as_secret(session_token)
        del secret_access_key, session_token  # no frame of a traceback may hold them
        put = partial(object.__setattr__, self)
        put("access_key_id", access_key_id)
        put("_secret_access_key", checked_secret(key))
        put("_session_token", checked_secret(token))
        put("expiration", aware_utc(expiration))

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
