"""The inputs of the four operations, as the service model limits them.

Values are checked as AWS does: all of them, with one message for all. A token is never shown.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, cast

from attrs import frozen

from amplify_federation.testing._service import refusal
from amplify_federation.testing._service.refusal import Refusal

Check = Callable[[Any], Iterator[str]]
_POOL_OR_IDENTITY = re.compile(r"[\w-]+:[0-9a-f-]+", re.ASCII)
_DIGITS = re.compile(r"\d+", re.ASCII)
_MAX_LOGINS, _MAX_KEY, _MAX_TOKEN = 10, 128, 50_000


@frozen
class Member:
    """One member of an input: its name, JSON type, limits, and whether it must be there."""

    name: str
    json_type: type
    check: Check
    required: bool = False


def _text(minimum: int, maximum: int, pattern: re.Pattern[str] | None = None) -> Check:
    def check(value: str) -> Iterator[str]:
        if len(value) < minimum:
            yield f"Member must have length greater than or equal to {minimum}"
        if len(value) > maximum:
            yield f"Member must have length less than or equal to {maximum}"
        if pattern is not None and not pattern.fullmatch(value):
            yield f"Member must satisfy regular expression pattern: {pattern.pattern}"

    return check


def _of_limits(what: str, maximum: int) -> str:
    return (
        f"{what} must satisfy constraint: [Member must have length less than or equal to "
        f"{maximum}, Member must have length greater than or equal to 1]"
    )


def _logins(value: dict[str, Any]) -> Iterator[str]:
    if len(value) > _MAX_LOGINS:
        yield f"Member must have length less than or equal to {_MAX_LOGINS}"
    if not all(0 < len(key) <= _MAX_KEY for key in value):
        yield _of_limits("Map keys", _MAX_KEY)
    if not all(0 < len(token) <= _MAX_TOKEN for token in value.values()):
        yield _of_limits("Map value", _MAX_TOKEN)


def _login_keys(value: list[Any]) -> Iterator[str]:
    if not all(0 < len(key) <= _MAX_KEY for key in value):
        yield _of_limits("Member", _MAX_KEY)


_LOGINS = Member("Logins", dict, _logins)
_IDENTITY_ID = Member("IdentityId", str, _text(1, 55, _POOL_OR_IDENTITY), required=True)

OPERATIONS: dict[str, tuple[Member, ...]] = {
    "GetId": (
        Member("IdentityPoolId", str, _text(1, 55, _POOL_OR_IDENTITY), required=True),
        Member("AccountId", str, _text(1, 15, _DIGITS)),
        _LOGINS,
    ),
    "GetCredentialsForIdentity": (
        _IDENTITY_ID,
        _LOGINS,
        Member("CustomRoleArn", str, _text(20, 2048)),
    ),
    "GetOpenIdToken": (_IDENTITY_ID, _LOGINS),
    "UnlinkIdentity": (
        _IDENTITY_ID,
        Member("Logins", dict, _logins, required=True),
        Member("LoginsToRemove", list, _login_keys, required=True),
    ),
}


def decode(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a body, or refuse with SerializationException."""
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Refusal(refusal.SERIALIZATION)
    given = cast("dict[str, Any]", value)
    return {name: member for name, member in given.items() if member is not None}


def validate(operation: str, given: dict[str, Any]) -> None:
    """Refuse with SerializationException for a wrong type, InvalidParameterException for a limit.

    Members that the model does not know are passed over, as the service does.
    """
    errors = [
        error
        for member in OPERATIONS[operation]
        for error in _errors(member, _typed(member, given.get(member.name)))
    ]
    if errors:
        count = f"{len(errors)} validation error{'s'[: len(errors) > 1]} detected: "
        raise Refusal(refusal.INVALID_PARAMETER, count + "; ".join(errors))


def _typed(member: Member, given: Any) -> Any:  # noqa: ANN401  # JSON from outside
    value: Any = given
    fits = value is None or isinstance(value, member.json_type)
    parts: Any = value if member.json_type is list else ()
    if isinstance(value, dict):
        parts = cast("dict[str, Any]", value).values()
    if not fits or not all(isinstance(part, str) for part in parts or ()):
        message = f"{member.name} has the wrong JSON type."
        raise Refusal(refusal.SERIALIZATION, message)
    return given


def _errors(member: Member, value: Any) -> Iterator[str]:  # noqa: ANN401  # JSON from outside
    where = f"at '{member.name[0].lower()}{member.name[1:]}' failed to satisfy constraint:"
    if value is None:
        if member.required:
            yield f"Value {where} Member must not be null"
        return
    shown = f"'{value:.200}' " if member.json_type is str else ""
    for constraint in member.check(value):
        yield f"Value {shown}{where} {constraint}"
