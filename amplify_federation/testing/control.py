"""The HTTP control API: the methods of a `FakeCognito` for tests in other languages.

JSON in and out, on a port of its own, with a bearer token, so that neither the application under
test nor a web page reaches it. Every operation is a row of `_ROUTES`, which names its members; a
member of another name or kind is refused, so that a mistake is told by the request that has it.
"""

import difflib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from functools import partial
from math import isfinite
from typing import Any, NoReturn, cast
from urllib.parse import unquote

from attrs import asdict, field, frozen

from amplify_federation import AuthProvider, ValidationError
from amplify_federation.testing._http.messages import Call, Request, Response
from amplify_federation.testing._service.pools import PoolRoles
from amplify_federation.testing.cognito import FakeCognito

_Given = dict[str, Any]
_NAMES = frozenset({"google", "facebook", "amazon", "apple", "twitter", "developer"})


@frozen
class ControlAccess:
    """Where the control API of a fake listens, and the token that it asks for."""

    url: str
    token: str = field(repr=False)


def serve_control(
    fake: FakeCognito, *, host: str = "127.0.0.1", port: int = 0, token: str | None = None
) -> "ControlServer":
    """Serve the HTTP control API of a fake, for tests in other languages.

    `async with serve_control(fake) as access`, or plain `with`; `access.url` is where it listens,
    `access.token` the bearer token that every request needs: `token`, or a random one. Needs the
    extra `testing`.
    """
    return ControlServer(fake, host=host, port=port, token=token or secrets.token_urlsafe(32))


class ControlServer:
    """A control API that lives as long as its block, which gives a `ControlAccess`."""

    def __init__(self, fake: FakeCognito, *, host: str, port: int, token: str) -> None:
        from amplify_federation.testing._http.server import (  # noqa: PLC0415  # uvicorn: an extra
            LoopbackServer,
        )

        self._server = LoopbackServer(Control(fake, token).answer, host=host, port=port)
        self._token = token

    def __enter__(self) -> ControlAccess:
        return ControlAccess(self._server.__enter__(), self._token)

    def __exit__(self, *exc_info: object) -> None:
        self._server.__exit__(*exc_info)

    async def __aenter__(self) -> ControlAccess:
        return ControlAccess(await self._server.__aenter__(), self._token)

    async def __aexit__(self, *exc_info: object) -> None:
        await self._server.__aexit__(*exc_info)


class _Unfit(ValueError):  # noqa: N818  # a word about a value, not a fault of this program
    """A value is not of the kind that its member wants."""


@frozen
class _Kind:
    """What a member wants, in words, and the function that makes an argument of its JSON."""

    words: str
    read: Callable[[Any], Any]
    null: bool = False  # whether `null` is a value, and not a member that is not given


def _only(*types: type, within: Callable[[Any], bool] = lambda _: True) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:  # noqa: ANN401  # JSON
        # In Python a boolean is an integer; in JSON it is not.
        fits = isinstance(value, types) and (bool in types or not isinstance(value, bool))
        if not fits or not within(value):
            raise _Unfit
        return value

    return read


def _members(value: Callable[[Any], Any]) -> Callable[[Any], dict[str, Any]]:
    def read(given: Any) -> dict[str, Any]:  # noqa: ANN401  # JSON
        return {name: value(part) for name, part in _object(given).items()}

    return read


def _list(given: Any) -> list[str]:  # noqa: ANN401  # JSON
    return [_text(part) for part in _only(list)(given)]


def _list_or_members(value: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda given: _list(given) if isinstance(given, list) else _members(value)(given)


def _providers(given: Any) -> Any:  # noqa: ANN401  # JSON
    if isinstance(given, list):
        return [provider_named(name) for name in _list(given)]
    return {provider_named(name): ids for name, ids in _members(_list)(given).items()}


def _provider(given: Any) -> AuthProvider:  # noqa: ANN401  # JSON
    return provider_named(_text(given))


def _roles(given: Any) -> PoolRoles:  # noqa: ANN401  # JSON
    roles = _object(given)
    if not roles.keys() <= {"authenticated", "unauthenticated"}:
        raise _Unfit
    return PoolRoles(**{"authenticated": None, "unauthenticated": None} | _members(_text)(given))


def provider_named(name: str) -> AuthProvider:
    """Return a provider by its constant's name in lower case, or by its login key.

    Raises `ValueError` for what is nearly such a name.
    """
    if name in _NAMES:
        constant: AuthProvider = getattr(AuthProvider, name.upper())  # GOOGLE, ...
        return constant
    if "." not in name and (close := difflib.get_close_matches(name, _NAMES, n=1, cutoff=0.8)):
        message = f"There is no provider {name!r}. Did you mean {close[0]!r}?"
        raise ValueError(message)
    return AuthProvider.custom(name)


_text = _only(str)
_object = _only(dict)
_TEXT = _Kind("a text", _text)
_FLAG = _Kind("true or false", _only(bool))
_SECONDS = _Kind("a number of seconds", _only(int, float, within=isfinite))
_OBJECT = _Kind("an object", _object)
_PROVIDER = _Kind(f"a login key or one of: {', '.join(sorted(_NAMES))}", _provider)
_POOL = {
    "providers": _Kind(
        "a list of names, or an object from name to a list of client ids", _providers
    ),
    "guest_access": _FLAG,
    "classic_flow": _FLAG,
    "roles": _Kind("an object with the texts `authenticated`, `unauthenticated` or both", _roles),
}


@frozen
class _Route:
    """One operation: its members, those that must be there, and the method that carries it out.

    `others`: what members of any other name want, where their names are the caller's.
    """

    carry_out: Callable[[FakeCognito, str, _Given], object]
    members: Mapping[str, _Kind] = field(factory=dict[str, _Kind])
    required: frozenset[str] = frozenset()
    others: _Kind | None = None

    def read(self, body: bytes) -> _Given:
        """Return the arguments in a body. Raises `ValueError`, which says what is wrong."""
        given = _json_object(body)
        read: _Given = {}
        for name, value in given.items():
            kind = self.members.get(name) or self.others or self._refuse(name)
            if value is None and not kind.null:
                continue
            try:
                read[name] = kind.read(value)
            except _Unfit:
                message = f"`{name}` must be {kind.words}."
                raise ValueError(message) from None
        for name in sorted(self.required - read.keys()):
            message = f"`{name}` is missing: {self.members[name].words}."
            raise ValueError(message)
        return read

    def _refuse(self, name: str) -> NoReturn:
        close = difflib.get_close_matches(name, self.members, n=1) or sorted(self.members)
        known = ", ".join(f"`{each}`" for each in close)
        message = f"There is no member `{name}` here" + (f"; there is {known}." if known else ".")
        raise ValueError(message)


def _state(fake: FakeCognito, _: str, __: _Given) -> object:
    return {
        "time": fake.time(),
        "pools": fake.identity_pools(),
        "calls": len(fake.calls),
        "provider_calls": len(fake.provider_calls),
    }


def _create_pool(fake: FakeCognito, _: str, given: _Given) -> object:
    return {"identity_pool_id": fake.create_identity_pool(**given)}


def _set_up_provider(fake: FakeCognito, name: str, given: _Given) -> object:
    provider = provider_named(name)
    fake.set_up_provider(provider, **given)
    return fake.discovery_document(provider)


def _issue_token(fake: FakeCognito, _: str, given: _Given) -> object:
    return {"login_key": given["provider"].login_key, "token": fake.issue_token(**given)}


def _issue_developer_token(fake: FakeCognito, _: str, given: _Given) -> object:
    identity_id, token = fake.issue_developer_token(given.pop("identity_pool_id"), **given)
    return {"identity_id": identity_id, "token": token}


def _move_clock(fake: FakeCognito, _: str, given: _Given) -> object:
    fake.advance(given.get("advance", 0.0))
    fake.skew = given.get("skew", fake.skew)
    return {"time": fake.time()}


def _calls(
    of: str, show: Callable[[Any], _Given], fake: FakeCognito, after: str, _: _Given
) -> object:
    if not (after or "0").isdecimal():
        message = f"{after!r} is not the number of a call."
        raise ValueError(message)
    start = int(after or 0)
    calls = getattr(fake, of)[start:]
    return {"calls": [show(call) for call in calls], "next": start + len(calls)}


def _shown(call: Call) -> _Given:
    """Return a call as JSON, its tokens masked."""
    return {
        "operation": call.operation,
        "input": call.masked_input,
        "status": call.status,
        "code": call.code,
        "request_id": call.request_id,
        "cut": call.cut,
    }


_ROUTES: Mapping[tuple[str, str], _Route] = {
    ("GET", "state"): _Route(_state),
    ("POST", "pools"): _Route(
        _create_pool, {**_POOL, "region": _TEXT, "name": _TEXT, "pool_id": _TEXT}
    ),
    ("PATCH", "pools"): _Route(
        lambda fake, pool, given: fake.update_identity_pool(pool, **given), _POOL
    ),
    ("DELETE", "pools"): _Route(lambda fake, pool, _: fake.delete_identity_pool(pool)),
    ("DELETE", "identities"): _Route(lambda fake, identity, _: fake.delete_identity(identity)),
    ("PUT", "providers"): _Route(
        _set_up_provider,
        {
            "users": _Kind(
                "a list of names, or an object from name to claims", _list_or_members(_object)
            ),
            "clients": _Kind(
                "an object from client id to a list of redirect URIs", _members(_list)
            ),
            "client_secrets": _Kind("an object from client id to its secret", _members(_text)),
            "audience": _TEXT,
            "lifetime": _SECONDS,
            "claims": _OBJECT,
            "refresh_tokens": _FLAG,
            "rotate_refresh_tokens": _FLAG,
            "device_interval": _Kind(
                "a number of seconds, or null",
                lambda given: None if given is None else _SECONDS.read(given),
                null=True,
            ),
            "signed_in": _TEXT,
        },
    ),
    ("POST", "tokens"): _Route(
        _issue_token,
        {
            "provider": _PROVIDER,
            "subject": _TEXT,
            "audience": _TEXT,
            "lifetime": _SECONDS,
            "claims": _OBJECT,
            "forged": _FLAG,
        },
        required=frozenset({"provider", "subject"}),
    ),
    ("DELETE", "tokens"): _Route(
        lambda fake, _, given: fake.deactivate_token(**given),
        {"token": _TEXT},
        required=frozenset({"token"}),
    ),
    ("POST", "developer-tokens"): _Route(
        _issue_developer_token,
        {"identity_pool_id": _TEXT, "user": _TEXT, "identity_id": _TEXT, "lifetime": _SECONDS},
        required=frozenset({"identity_pool_id", "user"}),
    ),
    ("POST", "session-tokens"): _Route(
        lambda fake, _, given: asdict(fake.read_session_token(**given)),
        {"session_token": _TEXT},
        required=frozenset({"session_token"}),
    ),
    ("POST", "faults"): _Route(
        lambda fake, _, given: fake.fail_next(**given),
        {
            "code": _TEXT,
            "operation": _TEXT,
            "times": _Kind("a whole number", _only(int)),
            "status": _Kind(
                "an HTTP status, 200 to 599", _only(int, within=range(200, 600).__contains__)
            ),
            "retry_after_ms": _Kind("a number of milliseconds, or a text", _only(int, float, str)),
            "delay": _SECONDS,
            "cut_connection": _FLAG,
            "message": _TEXT,
        },
    ),
    ("DELETE", "faults"): _Route(lambda fake, _, __: fake.clear_faults()),
    ("PUT", "quotas"): _Route(
        lambda fake, _, given: fake.set_quotas(given),
        others=_Kind("a number of calls per second", _only(int, float)),
    ),
    ("POST", "clock"): _Route(_move_clock, {"advance": _SECONDS, "skew": _SECONDS}),
    ("GET", "calls"): _Route(partial(_calls, "calls", _shown)),
    ("DELETE", "calls"): _Route(lambda fake, _, __: fake.calls.clear()),
    ("GET", "provider-calls"): _Route(partial(_calls, "provider_calls", asdict)),
    ("DELETE", "provider-calls"): _Route(lambda fake, _, __: fake.provider_calls.clear()),
}


class Control:
    """Carries out control requests on one fake."""

    def __init__(self, fake: FakeCognito, token: str) -> None:
        self._fake = fake
        self._token = token

    def answer(self, request: Request) -> Response:
        """Return the answer to one control request."""
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {self._token}".encode()):
            return _json(401, {"error": "The control token is missing or wrong."})
        name, _, item = request.path.strip("/").partition("/")
        route = _ROUTES.get((request.method, name))
        if route is None:
            return _json(404, {"error": f"There is no {request.method} /{name}."})
        try:
            result = route.carry_out(self._fake, unquote(item), route.read(request.body))
        except LookupError as missing:
            return _json(404, {"error": str(missing)})
        except (TypeError, ValueError, ValidationError) as wrong:
            return _json(400, {"error": str(wrong)})
        return _json(200, {} if result is None else result)


def _json_object(body: bytes) -> _Given:
    try:
        given: object = json.loads(body or b"{}", parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        message = "The body is no JSON object."
        raise ValueError(message)  # noqa: TRY004  # the text is wrong, not the type of an argument
    return cast("_Given", given)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are Python's own


def _json(status: int, value: object) -> Response:
    body = json.dumps(value).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body))}
    return Response(status, headers, body)
