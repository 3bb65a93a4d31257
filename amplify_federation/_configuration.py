"""The shapes in which projects write down their identity pool.

Read are Amplify's files of both generations, the files of the mobile SDKs before Amplify, and what
JavaScript projects pass to `Amplify.configure`; outputs of CDK, SST or Terraform are read where
one key of theirs names an identity pool. Guests are allowed only if the file says so, except in
Gen 2, where Amplify takes a missing flag for yes.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, cast

from attrs import frozen

from amplify_federation.errors import ConfigurationError, InvalidAccountTypeError

Members = Mapping[str, Any]
_DEFAULT_POOL: Final = ("CredentialsProvider", "CognitoIdentity", "Default", "PoolId")
_POOL_ID = re.compile(
    r"\b[a-z]{2}(?:-[a-z]+)+-\d:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.ASCII
)
_NAMES_A_POOL = re.compile("identitypool(id)?$")
_SCRIPTS = frozenset({".js", ".mjs", ".cjs", ".ts", ".dart"})
_DEPTH = 20  # levels of nesting that are searched for a pool id


@frozen
class AmplifyAuth:
    """What a file says: the identity pool id, and whether guests are allowed."""

    identity_pool_id: str
    guest_access: bool


@frozen
class _Shape:
    """Where one kind of file has the pool's id and its word on guests."""

    pool_id: tuple[str, ...]
    guests: tuple[str, ...] = ()
    reading: Callable[[object], bool | None] = lambda _flag: False  # None: not a lawful flag


def _boolean(flag: object) -> bool | None:
    return flag if isinstance(flag, bool) else None


def _sign_in_not_mandatory(flag: object) -> bool | None:
    """Return whether guests are allowed by a flag that says `enable`, `disable` or a boolean."""
    if isinstance(flag, bool):
        return not flag
    return {"enable": False, "disable": True}.get(str(flag))


_SHAPES: Final = (
    # amplify_outputs.json, Gen 2
    _Shape(("auth", "identity_pool_id"), ("auth", "unauthenticated_identities_enabled"), _boolean),
    # amplifyconfiguration.json, Gen 1
    _Shape(("auth", "plugins", "awsCognitoAuthPlugin", *_DEFAULT_POOL)),
    # awsconfiguration.json, of the mobile SDKs before Amplify
    _Shape(_DEFAULT_POOL),
    # aws-exports.js and amplifyconfiguration.json of JavaScript projects, Gen 1
    _Shape(("aws_cognito_identity_pool_id",), ("aws_mandatory_sign_in",), _sign_in_not_mandatory),
    # the argument of `Amplify.configure` in JavaScript: version 6, then version 5
    _Shape(
        ("Auth", "Cognito", "identityPoolId"), ("Auth", "Cognito", "allowGuestAccess"), _boolean
    ),
    _Shape(("Auth", "identityPoolId"), ("Auth", "mandatorySignIn"), _sign_in_not_mandatory),
)
_GEN_2: Final = _SHAPES[0]


def read_amplify_config(source: object) -> AmplifyAuth:
    """Return what a configuration, a path or a mapping, says of the identity pool.

    Raises `ConfigurationError` if it cannot be read or if it has the id where none is looked for,
    which the error names, and `InvalidAccountTypeError` if it has no identity pool.
    """
    members = _loaded(source)
    for shape in _SHAPES:
        pool_id = _at(members, shape.pool_id)
        if pool_id is None:
            continue
        if not isinstance(pool_id, str):
            message = f"`{'.'.join(shape.pool_id)}` must be a string."
            raise ConfigurationError(message)
        return AmplifyAuth(pool_id, _guests(members, shape))
    return _searched(members)


def _guests(members: Members, shape: _Shape) -> bool:
    section = _section(_at(members, shape.guests[:-1]))
    if not shape.guests or shape.guests[-1] not in section:
        return shape is _GEN_2  # absent: allowed in Gen 2, as Amplify has it
    allowed = shape.reading(section[shape.guests[-1]])
    if allowed is None:
        words = "true or false" if shape.reading is _boolean else "`enable` or `disable`"
        message = f"`{'.'.join(shape.guests)}` must be {words}."
        raise ConfigurationError(message)
    return allowed


def _at(members: object, path: tuple[str, ...]) -> object:
    value = members
    for step in path:
        value = _section(value).get(step)
    return value


def _section(value: object) -> Members:
    return cast("Members", value) if isinstance(value, Mapping) else {}


def _searched(members: Members) -> AmplifyAuth:
    """Return the one pool that a key names, in a file of no known shape."""
    found = list(_pool_ids(members, (), _DEPTH))
    named = {pool_id for path, pool_id in found if _names_a_pool(path)}
    if len(named) == 1:
        return AmplifyAuth(named.pop(), guest_access=False)
    if found:
        where = ", ".join(f"`{'.'.join(path)}`" for path, _ in found[:5])
        reason = "has several identity pools" if named else "is of no known shape"
        message = f"The configuration {reason}; identity pool ids are at {where}."
        raise ConfigurationError(message, recovery_suggestion=_give_directly(found[0][1]))
    looked_for = ", ".join(f"`{'.'.join(shape.pool_id)}`" for shape in _SHAPES)
    message = f"The configuration has no identity pool: none of {looked_for} is in it."
    raise InvalidAccountTypeError(message)


def _pool_ids(value: object, path: tuple[str, ...], depth: int) -> Iterator[tuple[Any, str]]:
    if isinstance(value, str) and _POOL_ID.fullmatch(value):
        yield path, value
    elif depth and isinstance(value, Mapping):
        for name, below in cast("Members", value).items():
            yield from _pool_ids(below, (*path, str(name)), depth - 1)
    elif depth and isinstance(value, list):
        for place, below in enumerate(cast("list[object]", value)):
            yield from _pool_ids(below, (*path, str(place)), depth - 1)


def _names_a_pool(path: tuple[str, ...]) -> bool:
    """Whether the last key, or the one above a Terraform `value`, names an identity pool.

    CDK and SST put a suffix of eight hexadecimal digits behind the name of a construct.
    """
    *_, above, key = ("", "", *path)
    if key == "value":
        key = above
    plain = re.sub(r"[0-9A-F]{8}$", "", key)
    return _NAMES_A_POOL.search(re.sub(r"[\W_]", "", plain).lower()) is not None


def _give_directly(pool_id: str) -> str:
    return f"Give the id that is meant, as IdentityPool({pool_id!r}) or AMPLIFY_FEDERATION_POOL_ID."


def _loaded(source: object) -> Members:
    if isinstance(source, Mapping):
        return cast("Members", source)
    if not isinstance(source, str | Path):
        message = f"Give a path or a mapping, not {type(source).__name__}."
        raise ConfigurationError(message)
    advice = None
    try:
        content = Path(source).read_bytes()
    except OSError as error:
        fault = f"cannot be read ({error.strerror or type(error).__name__})"
    except ValueError:
        fault = "cannot be read (it is not a path)"
    else:
        members = _parsed(content, script=Path(source).suffix.lower() in _SCRIPTS)
        if isinstance(members, dict):
            return cast("Members", members)
        fault = "is not a JSON object" if members is not None else "is not JSON"
        if written := _POOL_ID.search(content.decode(errors="replace")):
            advice = _give_directly(written[0])
    message = f"The Amplify configuration {str(source)!r} {fault}."
    raise ConfigurationError(message, recovery_suggestion=advice)


def _parsed(content: bytes, *, script: bool) -> object:
    """Return the JSON in a file; `None` if there is none.

    The Amplify CLI writes `aws-exports.js`, `.ts` and `.dart` files as one statement around JSON.
    """
    try:
        if script:
            text = content.decode("utf-8-sig")
            return json.JSONDecoder().raw_decode(text, text.index("{"))[0]
        parsed: object = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return [] if parsed is None else parsed
