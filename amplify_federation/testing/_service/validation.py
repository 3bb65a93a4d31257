"""Validation of inputs as the service does it: one text names all violations.

A sensitive value is never shown. Seen in public logs are the texts for lengths, patterns and the
values of maps, that `logins` comes before the ids, that a sensitive value in a map is shown as
nothing after its key, and those for most wrong JSON types. Without a public source are the order of
the other members, and the texts for numbers, enumerations, and a scalar in place of a map.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from amplify_federation.testing._service import errors
from amplify_federation.testing._service.errors import ServiceRefusal
from amplify_federation.testing._service.model import (
    OPERATIONS,
    Flag,
    ListOf,
    MapOf,
    Number,
    Shape,
    Structure,
    Text,
)

_JSON_TYPES: Mapping[type, type] = {
    Text: str,
    Number: int,
    Flag: bool,
    ListOf: list,
    MapOf: dict,
    Structure: dict,
}


def decode(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a body, or refuse with SerializationException."""
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        message = errors.LIST_FOUND if isinstance(value, list) else None
        raise ServiceRefusal(errors.SERIALIZATION, message)
    given = cast("dict[str, Any]", value)
    return {name: member for name, member in given.items() if member is not None}


def validate(operation: str, given: Mapping[str, Any]) -> None:
    """Refuse with SerializationException for a wrong type, ValidationException for a limit.

    Members that are not in the model are ignored, as by the service.
    """
    shape = OPERATIONS[operation].input
    _expect_types(shape, given)
    found = list(_violations("", shape, given))
    if found:
        count = f"{len(found)} validation error{'s'[: len(found) > 1]} detected: "
        raise ServiceRefusal(errors.VALIDATION, count + "; ".join(found))


def _expect_types(shape: Shape, value: Any) -> None:  # noqa: ANN401  # JSON
    # In Python a boolean is an integer; in JSON it is not.
    fits: bool = isinstance(value, _JSON_TYPES[type(shape)])
    if not fits or isinstance(value, bool) != isinstance(shape, Flag):
        raise ServiceRefusal(errors.SERIALIZATION, _wrong_type(shape, value))
    match shape:
        case ListOf():
            for part in value:
                _expect_types(shape.member, part)
        case MapOf():
            for part in value.values():
                _expect_types(shape.value, part)
        case Structure():
            for member, inner in shape.members.items():
                if value.get(member) is not None:
                    _expect_types(inner, value[member])
        case _:
            pass


def _wrong_type(shape: Shape, value: Any) -> str | None:  # noqa: ANN401  # JSON
    match value, shape:
        case list(), _:
            return errors.LIST_FOUND
        case dict(), _:
            return errors.MAP_FOUND
        case None, _:
            return None
        case _, Text() | Number() | Flag():
            wanted = {Text: "a String", Number: "an Integer", Flag: "a Boolean"}[type(shape)]
            return f"{_token_of(value)} can not be converted to {wanted}"
        case _, ListOf():
            return "Expected list or null"
        case _, MapOf():
            return "Expected map or null"
        case _:
            return "Expected null"


def _token_of(scalar: str | float) -> str:
    """Return the name of a JSON token, as the service's parser has it."""
    if isinstance(scalar, bool):
        return f"{scalar}_VALUE".upper()
    return "STRING_VALUE" if isinstance(scalar, str) else "NUMBER_VALUE"


def _violations(path: str, shape: Shape, value: Any) -> Iterator[str]:  # noqa: ANN401  # JSON
    if isinstance(shape, Structure):
        yield from _in_structure(path, shape, value)
        return
    for broken in _broken(shape, value):
        yield f"Value '{_shown(shape, value)}' at '{path}' failed to satisfy constraint: {broken}"
    if isinstance(shape, ListOf):
        yield from _in_list(path, shape, value)
    elif isinstance(shape, MapOf):
        yield from _in_map(path, shape, value)


def _in_structure(path: str, shape: Structure, value: dict[str, Any]) -> Iterator[str]:
    # As seen: `logins` comes before the ids.
    for name in sorted(shape.members, key=lambda name: name != "Logins"):
        member = f"{path}.{_lower(name)}" if path else _lower(name)
        if value.get(name) is not None:
            yield from _violations(member, shape.members[name], value[name])
        elif name in shape.required:
            where = f"Value null at '{member}' failed to satisfy constraint:"
            yield f"{where} Member must not be null"


def _in_list(path: str, shape: ListOf, value: list[Any]) -> Iterator[str]:
    if not isinstance(shape.member, Text):
        for number, part in enumerate(value, 1):
            yield from _violations(f"{path}.{number}.member", shape.member, part)
    elif any(any(_broken(shape.member, part)) for part in value):
        yield (
            f"Value '{_shown(shape, value)}' at '{path}' failed to satisfy constraint: "
            f"Member must satisfy constraint: {_constraints(shape.member)}"
        )


def _in_map(path: str, shape: MapOf, value: dict[str, Any]) -> Iterator[str]:
    parts: list[tuple[str, Text, list[Any]]] = [("Map keys", shape.key, list(value))]
    if isinstance(shape.value, Text):
        parts.append(("Map value", shape.value, list(value.values())))
    else:
        for key, part in value.items():
            yield from _violations(f"{path}.{key}.member", shape.value, part)
    for what, inner, given in parts:
        if any(any(_broken(inner, part)) for part in given):
            yield (
                f"Value '{_shown(shape, value)}' at '{path}' failed to satisfy constraint: "
                f"{what} must satisfy constraint: {_constraints(inner)}"
            )


def _broken(shape: Shape, value: Any) -> Iterator[str]:  # noqa: ANN401  # JSON
    if isinstance(shape, Number):
        if value > shape.maximum:
            yield f"Member must have value less than or equal to {shape.maximum}"
        if value < shape.minimum:
            yield f"Member must have value greater than or equal to {shape.minimum}"
    elif isinstance(shape, ListOf):
        yield from _length(value, shape.minimum, shape.maximum)
    elif isinstance(shape, MapOf):
        yield from _length(value, None, shape.maximum)
    elif isinstance(shape, Text):
        yield from _length(value, shape.minimum, shape.maximum)
        if shape.pattern is not None and not _matches(shape.pattern, value):
            yield f"Member must satisfy regular expression pattern: {shape.pattern}"
        if shape.values and value not in shape.values:
            yield f"Member must satisfy enum value set: [{', '.join(shape.values)}]"


def _length(value: Any, minimum: int | None, maximum: int | None) -> Iterator[str]:  # noqa: ANN401  # whatever has a length
    if minimum is not None and len(value) < minimum:
        yield f"Member must have length greater than or equal to {minimum}"
    if maximum is not None and len(value) > maximum:
        yield f"Member must have length less than or equal to {maximum}"


def _constraints(shape: Text) -> str:
    """Return all limits of the parts of a list or map, which the service names together."""
    limits = [
        f"Member must have length less than or equal to {shape.maximum}",
        f"Member must have length greater than or equal to {shape.minimum}",
    ]
    if shape.pattern is not None:
        limits.append(f"Member must satisfy regular expression pattern: {shape.pattern}")
    return f"[{', '.join(limits)}]"


def _matches(pattern: str, value: str) -> bool:
    if pattern.startswith(r"[\p"):
        # Letters, marks, symbols, numbers, punctuation: neither separators nor control characters.
        return value.isprintable() and not any(map(str.isspace, value))
    return re.fullmatch(pattern, value, re.ASCII) is not None


def _shown(shape: Shape, value: Any) -> str:  # noqa: ANN401  # JSON
    match shape:
        case Text(sensitive=True):
            return ""
        case MapOf():
            return f"{{{', '.join(f'{k}={_shown(shape.value, v)}' for k, v in value.items())}}}"
        case ListOf():
            return f"[{', '.join(_shown(shape.member, part) for part in value)}]"
        case _:
            return str(value)


def _lower(name: str) -> str:
    return f"{name[0].lower()}{name[1:]}"
