"""The HTTP control API: the methods of a `FakeCognito` for tests in other languages.

JSON in and out, on a port of its own, with a bearer token, so that neither the application under
test nor a web page reaches it. Every operation is a row of `Control._routes`.
"""

import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import unquote

from attrs import asdict, field, frozen

from amplify_federation import AuthProvider, ValidationError
from amplify_federation.testing._http.messages import Call, Request, Response
from amplify_federation.testing.cognito import FakeCognito

_Arguments = dict[str, Any]
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


class _BadRequestError(Exception):
    """A control request that cannot be carried out: status and text of the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.status, self.message = status, message


class Control:
    """Carries out control requests on one fake."""

    def __init__(self, fake: FakeCognito, token: str) -> None:
        self._fake = fake
        self._token = token
        self._routes: dict[tuple[str, str], Callable[[str, _Arguments], object]] = {
            ("GET", "state"): self._state,
            ("POST", "pools"): self._create_pool,
            ("PATCH", "pools"): self._update_pool,
            ("DELETE", "pools"): lambda pool, _: fake.delete_identity_pool(pool),
            ("DELETE", "identities"): lambda identity, _: fake.delete_identity(identity),
            ("PUT", "providers"): self._set_up_provider,
            ("POST", "tokens"): self._issue_token,
            ("DELETE", "tokens"): lambda _, given: fake.deactivate_token(given["token"]),
            ("POST", "developer-tokens"): self._issue_developer_token,
            ("POST", "session-tokens"): self._read_session_token,
            ("POST", "faults"): lambda _, given: fake.fail_next(given.pop("code", None), **given),
            ("DELETE", "faults"): lambda _, __: fake.clear_faults(),
            ("PUT", "quotas"): lambda _, given: fake.set_quotas(given),
            ("POST", "clock"): self._move_clock,
            ("GET", "calls"): self._calls,
            ("DELETE", "calls"): lambda _, __: fake.calls.clear(),
            ("GET", "provider-calls"): self._provider_calls,
            ("DELETE", "provider-calls"): lambda _, __: fake.provider_calls.clear(),
        }

    def answer(self, request: Request) -> Response:
        """Return the answer to one control request."""
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {self._token}".encode()):
            return _json(401, {"error": "The control token is missing or wrong."})
        name, _, item = request.path.strip("/").partition("/")
        route = self._routes.get((request.method, name))
        if route is None:
            return _json(404, {"error": f"There is no {request.method} /{name}."})
        try:
            result = route(unquote(item), _arguments(request.body))
        except _BadRequestError as bad:
            return _json(bad.status, {"error": bad.message})
        except LookupError as missing:
            # A `KeyError` shows its argument with quotes: a member that is missing.
            what = f"missing: {missing}" if isinstance(missing, KeyError) else str(missing)
            return _json(404 if not isinstance(missing, KeyError) else 400, {"error": what})
        except (TypeError, ValueError, ValidationError) as wrong:
            return _json(400, {"error": str(wrong)})
        return _json(200, {} if result is None else result)

    def _state(self, _: str, __: _Arguments) -> object:
        fake = self._fake
        return {
            "time": fake.time(),
            "pools": fake.identity_pools(),
            "calls": len(fake.calls),
            "provider_calls": len(fake.provider_calls),
        }

    def _create_pool(self, _: str, given: _Arguments) -> object:
        if "providers" in given:
            given["providers"] = _providers(given["providers"])
        return {"identity_pool_id": self._fake.create_identity_pool(**given)}

    def _update_pool(self, pool: str, given: _Arguments) -> None:
        if "providers" in given:
            given["providers"] = _providers(given["providers"])
        self._fake.update_identity_pool(pool, **given)

    def _set_up_provider(self, name: str, given: _Arguments) -> object:
        provider = provider_named(name)
        self._fake.set_up_provider(provider, **given)
        return self._fake.discovery_document(provider)

    def _issue_token(self, _: str, given: _Arguments) -> object:
        provider = provider_named(given.pop("provider"))
        token = self._fake.issue_token(provider, given.pop("subject"), **given)
        return {"login_key": provider.login_key, "token": token}

    def _issue_developer_token(self, _: str, given: _Arguments) -> object:
        pool, user = given.pop("identity_pool_id"), given.pop("user")
        identity_id, token = self._fake.issue_developer_token(pool, user, **given)
        return {"identity_id": identity_id, "token": token}

    def _read_session_token(self, _: str, given: _Arguments) -> object:
        issued = self._fake.read_session_token(given["session_token"])
        return {
            "access_key_id": issued.access_key_id,
            "identity_id": issued.identity_id,
            "role_arn": issued.role_arn,
            "expiration": issued.expiration,
            "principal_tags": dict(issued.principal_tags),
        }

    def _move_clock(self, _: str, given: _Arguments) -> object:
        if "skew" in given:
            self._fake.skew = float(given["skew"])
        self._fake.advance(float(given.get("advance", 0.0)))
        return {"time": self._fake.time()}

    def _calls(self, after: str, _: _Arguments) -> object:
        start = int(after or 0)
        calls = self._fake.calls[start:]
        return {"calls": [shown(call) for call in calls], "next": start + len(calls)}

    def _provider_calls(self, after: str, _: _Arguments) -> object:
        start = int(after or 0)
        calls = self._fake.provider_calls[start:]
        return {"calls": [asdict(call) for call in calls], "next": start + len(calls)}


def shown(call: Call) -> dict[str, Any]:
    """Return a call as JSON, its tokens masked."""
    return {
        "operation": call.operation,
        "input": call.masked_input,
        "status": call.status,
        "code": call.code,
        "request_id": call.request_id,
        "cut": call.cut,
    }


def provider_named(name: str) -> AuthProvider:
    """Return a provider by its constant's name in lower case, or by its login key."""
    if name in _NAMES:
        constant: AuthProvider = getattr(AuthProvider, name.upper())  # GOOGLE, ...
        return constant
    return AuthProvider.custom(name)


def _providers(given: object) -> dict[AuthProvider, list[str]] | list[AuthProvider]:
    if isinstance(given, dict):
        mapping = cast("Mapping[str, list[str]]", given)
        return {provider_named(name): ids for name, ids in mapping.items()}
    if isinstance(given, list):
        return [provider_named(name) for name in cast("list[str]", given)]
    raise _BadRequestError(400, "`providers` is a list of names, or an object of client ids.")


def _arguments(body: bytes) -> _Arguments:
    try:
        given: object = json.loads(body or b"{}")
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise _BadRequestError(400, "The body is no JSON object.")
    return cast("_Arguments", given)


def _json(status: int, value: object) -> Response:
    body = json.dumps(value).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body))}
    return Response(status, headers, body)
