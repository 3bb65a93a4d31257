"""The 23 operations of the model 2014-06-30: inputs, limits and errors, and how inputs are judged.

The table is AWS's published service model, written down compactly; a test compares it with the
model that botocore carries, which the kit does not import. Values are judged as the service does:
all of them, with one text for all violations. A sensitive value is never shown.

Seen in public logs are the texts for lengths, patterns and the values of maps, that `logins` comes
before the ids, and that a sensitive value in a map is shown as nothing after its key. Without a
public source are the order of the other members, and the texts for numbers and enumerations.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from attrs import field, frozen

from amplify_federation.testing._service import errors
from amplify_federation.testing._service.errors import ServiceRefusal


@frozen
class Text:
    """A string: its length, its pattern, its values if they are enumerated."""

    minimum: int | None = None
    maximum: int | None = None
    pattern: str | None = None
    values: tuple[str, ...] = ()
    sensitive: bool = False


@frozen
class Number:
    """A whole number and its bounds."""

    minimum: int
    maximum: int


@frozen
class Flag:
    """A boolean."""


@frozen
class ListOf:
    """A list, the shape of its members, and how many it may have."""

    member: "Shape"
    minimum: int | None = None
    maximum: int | None = None


@frozen
class MapOf:
    """A map from strings, and how many entries it may have."""

    key: Text
    value: "Shape"
    maximum: int | None = None


@frozen
class Structure:
    """Named members, and which of them must be there."""

    members: Mapping[str, "Shape"]
    required: frozenset[str] = frozenset()


Shape = Text | Number | Flag | ListOf | MapOf | Structure


@frozen
class Operation:
    """One operation: its input, its modelled errors, whether a signature is asked for."""

    input: Structure
    errors: frozenset[str]
    signed: bool = field(default=True, kw_only=True)


_ID = Text(1, 55, r"[\w-]+:[0-9a-f-]+")
_ARN = Text(20, 2048)
_PROVIDER = Text(1, 128)
_TOKEN = Text(1, 50_000, sensitive=True)
_LOGINS = MapOf(_PROVIDER, _TOKEN, 10)
_DEVELOPER = Text(1, 128, r"[\w._-]+")
_DEVELOPER_USER = Text(1, 1024)
_LIMIT = Number(1, 60)
_PAGE = Text(1, 65_535, r"[\S]+")
_TAG_KEY = Text(1, 128)
_TAGS = MapOf(_TAG_KEY, Text(0, 256))
_PRINCIPAL_TAGS = MapOf(Text(1, 128), Text(1, 256), 50)
_RULE = Structure(
    {
        "Claim": Text(1, 64, r"[\p{L}\p{M}\p{S}\p{N}\p{P}]+"),
        "MatchType": Text(values=("Equals", "Contains", "StartsWith", "NotEqual")),
        "Value": Text(1, 128),
        "RoleARN": _ARN,
    },
    frozenset({"Claim", "MatchType", "Value", "RoleARN"}),
)
_ROLE_MAPPING = Structure(
    {
        "Type": Text(values=("Token", "Rules")),
        "AmbiguousRoleResolution": Text(values=("AuthenticatedRole", "Deny")),
        "RulesConfiguration": Structure({"Rules": ListOf(_RULE, 1, 400)}, frozenset({"Rules"})),
    },
    frozenset({"Type"}),
)
_POOL_SETTINGS: dict[str, Shape] = {
    "IdentityPoolName": Text(1, 128, r"[\w\s+=,.@-]+"),
    "AllowUnauthenticatedIdentities": Flag(),
    "AllowClassicFlow": Flag(),
    "SupportedLoginProviders": MapOf(_PROVIDER, Text(1, 128, r"[\w.;_/-]+"), 10),
    "DeveloperProviderName": _DEVELOPER,
    "OpenIdConnectProviderARNs": ListOf(_ARN),
    "CognitoIdentityProviders": ListOf(
        Structure(
            {
                "ProviderName": Text(1, 128, r"[\w._:/-]+"),
                "ClientId": Text(1, 128, r"[\w_]+"),
                "ServerSideTokenCheck": Flag(),
            }
        )
    ),
    "SamlProviderARNs": ListOf(_ARN),
    "IdentityPoolTags": _TAGS,
}
_EVERY = ("InvalidParameter", "TooManyRequests", "InternalError")
_USUAL = (*_EVERY, "ResourceNotFound", "NotAuthorized")
_LINKING = (*_USUAL, "ResourceConflict")
_UNSIGNED = (*_LINKING, "ExternalService")


def _operation(
    members: dict[str, Shape], required: str, errors: tuple[str, ...], *, signed: bool = True
) -> Operation:
    names = frozenset(f"{name}Exception" for name in errors)
    return Operation(Structure(members, frozenset(required.split())), names, signed=signed)


OPERATIONS: dict[str, Operation] = {
    # What an application calls for its user; none of it is signed.
    "GetId": _operation(
        {"AccountId": Text(1, 15, r"\d+"), "IdentityPoolId": _ID, "Logins": _LOGINS},
        "IdentityPoolId",
        (*_UNSIGNED, "LimitExceeded"),
        signed=False,
    ),
    "GetCredentialsForIdentity": _operation(
        {"IdentityId": _ID, "Logins": _LOGINS, "CustomRoleArn": _ARN},
        "IdentityId",
        (*_UNSIGNED, "InvalidIdentityPoolConfiguration"),
        signed=False,
    ),
    "GetOpenIdToken": _operation(
        {"IdentityId": _ID, "Logins": _LOGINS}, "IdentityId", _UNSIGNED, signed=False
    ),
    "UnlinkIdentity": _operation(
        {"IdentityId": _ID, "Logins": _LOGINS, "LoginsToRemove": ListOf(_PROVIDER)},
        "IdentityId Logins LoginsToRemove",
        _UNSIGNED,
        signed=False,
    ),
    # Identity pools.
    "CreateIdentityPool": _operation(
        _POOL_SETTINGS,
        "IdentityPoolName AllowUnauthenticatedIdentities",
        (*_EVERY, "NotAuthorized", "ResourceConflict", "LimitExceeded"),
    ),
    "UpdateIdentityPool": _operation(
        {"IdentityPoolId": _ID, **_POOL_SETTINGS},
        "IdentityPoolId IdentityPoolName AllowUnauthenticatedIdentities",
        (*_LINKING, "ConcurrentModification", "LimitExceeded"),
    ),
    "DeleteIdentityPool": _operation({"IdentityPoolId": _ID}, "IdentityPoolId", _USUAL),
    "DescribeIdentityPool": _operation({"IdentityPoolId": _ID}, "IdentityPoolId", _USUAL),
    "ListIdentityPools": _operation(
        {"MaxResults": _LIMIT, "NextToken": _PAGE}, "MaxResults", _USUAL
    ),
    "GetIdentityPoolRoles": _operation({"IdentityPoolId": _ID}, "IdentityPoolId", _LINKING),
    "SetIdentityPoolRoles": _operation(
        {
            "IdentityPoolId": _ID,
            "Roles": MapOf(Text(1, 128, r"(un)?authenticated"), _ARN, 2),
            "RoleMappings": MapOf(_PROVIDER, _ROLE_MAPPING, 10),
        },
        "IdentityPoolId Roles",
        (*_LINKING, "ConcurrentModification"),
    ),
    "GetPrincipalTagAttributeMap": _operation(
        {"IdentityPoolId": _ID, "IdentityProviderName": _PROVIDER},
        "IdentityPoolId IdentityProviderName",
        _USUAL,
    ),
    "SetPrincipalTagAttributeMap": _operation(
        {
            "IdentityPoolId": _ID,
            "IdentityProviderName": _PROVIDER,
            "UseDefaults": Flag(),
            "PrincipalTags": _PRINCIPAL_TAGS,
        },
        "IdentityPoolId IdentityProviderName",
        _USUAL,
    ),
    "ListTagsForResource": _operation({"ResourceArn": _ARN}, "ResourceArn", _USUAL),
    "TagResource": _operation({"ResourceArn": _ARN, "Tags": _TAGS}, "ResourceArn Tags", _USUAL),
    "UntagResource": _operation(
        {"ResourceArn": _ARN, "TagKeys": ListOf(_TAG_KEY)}, "ResourceArn TagKeys", _USUAL
    ),
    # Identities.
    "DescribeIdentity": _operation({"IdentityId": _ID}, "IdentityId", _USUAL),
    "ListIdentities": _operation(
        {"IdentityPoolId": _ID, "MaxResults": _LIMIT, "NextToken": _PAGE, "HideDisabled": Flag()},
        "IdentityPoolId MaxResults",
        _USUAL,
    ),
    "DeleteIdentities": _operation(
        {"IdentityIdsToDelete": ListOf(_ID, 1, 60)}, "IdentityIdsToDelete", _EVERY
    ),
    # A backend's own users.
    "GetOpenIdTokenForDeveloperIdentity": _operation(
        {
            "IdentityPoolId": _ID,
            "IdentityId": _ID,
            "Logins": _LOGINS,
            "PrincipalTags": _PRINCIPAL_TAGS,
            "TokenDuration": Number(1, 86_400),
        },
        "IdentityPoolId Logins",
        (*_LINKING, "DeveloperUserAlreadyRegistered"),
    ),
    "LookupDeveloperIdentity": _operation(
        {
            "IdentityPoolId": _ID,
            "IdentityId": _ID,
            "DeveloperUserIdentifier": _DEVELOPER_USER,
            "MaxResults": _LIMIT,
            "NextToken": _PAGE,
        },
        "IdentityPoolId",
        _LINKING,
    ),
    "MergeDeveloperIdentities": _operation(
        {
            "SourceUserIdentifier": _DEVELOPER_USER,
            "DestinationUserIdentifier": _DEVELOPER_USER,
            "DeveloperProviderName": _DEVELOPER,
            "IdentityPoolId": _ID,
        },
        "SourceUserIdentifier DestinationUserIdentifier DeveloperProviderName IdentityPoolId",
        _LINKING,
    ),
    "UnlinkDeveloperIdentity": _operation(
        {
            "IdentityId": _ID,
            "IdentityPoolId": _ID,
            "DeveloperProviderName": _DEVELOPER,
            "DeveloperUserIdentifier": _DEVELOPER_USER,
        },
        "IdentityId IdentityPoolId DeveloperProviderName DeveloperUserIdentifier",
        _LINKING,
    ),
}


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
        raise ServiceRefusal(errors.SERIALIZATION)
    given = cast("dict[str, Any]", value)
    return {name: member for name, member in given.items() if member is not None}


def validate(operation: str, given: Mapping[str, Any]) -> None:
    """Refuse with SerializationException for a wrong type, ValidationException for a limit.

    Members that the model does not know are passed over, as the service does.
    """
    shape = OPERATIONS[operation].input
    _expect_types("", shape, given)
    found = list(_violations("", shape, given))
    if found:
        count = f"{len(found)} validation error{'s'[: len(found) > 1]} detected: "
        raise ServiceRefusal(errors.VALIDATION, count + "; ".join(found))


def _expect_types(name: str, shape: Shape, value: Any) -> None:  # noqa: ANN401  # JSON
    if value is None:
        return
    # In Python a boolean is an integer; in JSON it is not.
    fits: bool = isinstance(value, _JSON_TYPES[type(shape)])
    if not fits or isinstance(value, bool) != isinstance(shape, Flag):
        message = f"{name} has the wrong JSON type."
        raise ServiceRefusal(errors.SERIALIZATION, message)
    match shape:
        case ListOf():
            for part in value:
                _expect_part(name, shape.member, part)
        case MapOf():
            for part in value.values():
                _expect_part(name, shape.value, part)
        case Structure():
            for member, inner in shape.members.items():
                _expect_types(member, inner, value.get(member))
        case _:
            pass


def _expect_part(name: str, shape: Shape, part: Any) -> None:  # noqa: ANN401  # JSON
    if part is None:
        message = f"{name} has the wrong JSON type."
        raise ServiceRefusal(errors.SERIALIZATION, message)
    _expect_types(name, shape, part)


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
