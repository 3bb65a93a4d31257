"""The service model 2014-06-30: the 23 operations, their inputs, limits and errors.

It is AWS's published model, written down compactly; a test compares it with the model that botocore
carries, which the kit does not import.
"""

from collections.abc import Mapping

from attrs import field, frozen


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
