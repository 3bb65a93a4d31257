"""What Amplify's configuration files say of an identity pool; both generations.

Gen 2 is `amplify_outputs.json`, Gen 1 `amplifyconfiguration.json`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from attrs import frozen

from amplify_federation.errors import ConfigurationError, InvalidAccountTypeError

_GEN_1 = ("auth", "plugins", "awsCognitoAuthPlugin", "CredentialsProvider")
_GEN_1_POOL = ("CognitoIdentity", "Default", "PoolId")
Members = Mapping[str, Any]


@frozen
class AmplifyAuth:
    """What a file says: the identity pool id, and whether guests are allowed."""

    identity_pool_id: str
    guest_access: bool


def read_amplify_config(source: object) -> AmplifyAuth:
    """Return what an Amplify configuration, a path or a mapping, says of the identity pool.

    Raises `ConfigurationError` if it cannot be read or is neither generation's, and
    `InvalidAccountTypeError` if it has no identity pool.
    """
    members = _loaded(source)
    auth = _section(members.get("auth"))
    if auth is None:
        message = "The Amplify configuration has no `auth` section; add auth to the backend first."
        raise InvalidAccountTypeError(message)
    if "plugins" in auth:
        return _gen_1(members)
    return _gen_2(auth)


def _gen_2(auth: Members) -> AmplifyAuth:
    guests = auth.get("unauthenticated_identities_enabled", True)  # absent: true, as in Amplify
    if not isinstance(guests, bool):
        message = "`auth.unauthenticated_identities_enabled` must be true or false."
        raise ConfigurationError(message)
    return AmplifyAuth(_pool_id(auth.get("identity_pool_id"), "auth.identity_pool_id"), guests)


def _gen_1(members: Members) -> AmplifyAuth:
    where = (*_GEN_1, *_GEN_1_POOL)
    value: object = members
    for step in where:
        value = (_section(value) or {}).get(step)
    return AmplifyAuth(_pool_id(value, ".".join(where)), guest_access=False)


def _pool_id(value: object, where: str) -> str:
    if value is None:
        message = f"The Amplify configuration has no identity pool: `{where}` is missing."
        raise InvalidAccountTypeError(message)
    if not isinstance(value, str):
        message = f"`{where}` must be a string."
        raise ConfigurationError(message)
    return value


def _section(value: object) -> Members | None:
    return cast("Members", value) if isinstance(value, Mapping) else None


def _loaded(source: object) -> Members:
    given = _section(source)
    if given is not None:
        return given
    if not isinstance(source, str | Path):
        message = f"Give a path or a mapping, not {type(source).__name__}."
        raise ConfigurationError(message)
    try:
        members: object = json.loads(Path(source).read_bytes())
    except OSError as error:
        fault = f"cannot be read ({error.strerror or type(error).__name__})"
    except (ValueError, RecursionError):
        fault = "is not JSON"
    else:
        if isinstance(members, dict):
            return cast("Members", members)
        fault = "is not a JSON object"
    message = f"The Amplify configuration {str(source)!r} {fault}."
    raise ConfigurationError(message)
