"""The subcommands of `fake-cognito`, which call a running server over its control API.

The server's URL and the control token come by environment, as the server printed them; no secret is
an argument.
"""

import json
import os
import re
from collections.abc import Callable, Iterable
from math import isfinite
from typing import Any, TypeVar, cast
from urllib.parse import quote

import click
from attrs import field, frozen

from amplify_federation import ConfigurationError, NetworkError
from amplify_federation.cli.options import examples
from amplify_federation.cli.output import json_option, print_json, print_pairs, wants_json

CONTROL_URL = "AMPLIFY_FEDERATION_CONTROL_URL"
CONTROL_TOKEN = "AMPLIFY_FEDERATION_CONTROL_TOKEN"  # the variable's name
DEFAULT_CLIENT_ID = "test-client"  # as in the test kit, which is not imported for it
_NOT_STARTED = (
    "Start one with `amplify-federation fake-cognito > fake.env &`, then read its variables here: "
    "`. ./fake.env`"
)
_TIMEOUT = 30.0  # seconds; a server on this machine answers in milliseconds
_UNAUTHORIZED, _CLIENT_ERROR = 401, 400
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"(-?\d+(?:\.\d+)?)([smhd]?)")
_F = TypeVar("_F", bound=Callable[..., Any])
_LONG_OVER = -3600.0  # seconds; Cognito takes a token for 300 s after its end


@frozen
class Control:
    """The control API of a running server."""

    url: str
    token: str = field(repr=False)

    @classmethod
    def from_env(cls) -> "Control":
        """Return the server that the environment names.

        Raises `ConfigurationError` if there is none.
        """
        url, token = os.environ.get(CONTROL_URL), os.environ.get(CONTROL_TOKEN)
        if not url or not token:
            message = f"{CONTROL_TOKEN if url else CONTROL_URL} is not set: no server is named."
            raise ConfigurationError(message, recovery_suggestion=_NOT_STARTED)
        return cls(url, token)

    def send(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Send a request, and return the JSON of the response.

        Raises `NetworkError` without a response, `ConfigurationError` for a wrong token, and
        click's `UsageError` for a request that the server refuses.
        """
        import httpx  # noqa: PLC0415  # heavy

        try:
            # Loopback: no proxy of the environment is used.
            with httpx.Client(trust_env=False, timeout=_TIMEOUT) as client:
                response = client.request(
                    method,
                    f"{self.url}/{path}",
                    json=body,
                    headers={"authorization": f"Bearer {self.token}"},
                )
                document = cast("dict[str, Any]", response.json())
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            fault = type(error).__name__
        else:
            if response.status_code == _UNAUTHORIZED:
                message = f"{CONTROL_TOKEN} is not the token of the server at {self.url}."
                raise ConfigurationError(message, recovery_suggestion=_NOT_STARTED)
            if response.status_code >= _CLIENT_ERROR:
                raise click.UsageError(str(document.get("error")))
            return document
        message = f"No fake Cognito answers at {self.url} ({fault})."
        raise NetworkError(message, recovery_suggestion=_NOT_STARTED)


class Duration(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic since click 8.5
    """Seconds, or a number with a unit: `90`, `15m`, `2h`, `1d`."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return seconds."""
        found = _DURATION.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is no duration, such as 90, 15m, 2h or 1d.", param, ctx)
        return float(found[1]) * _UNITS[found[2]]


class _Pair(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic since click 8.5
    """A name and a value, such as `NAME=VALUE`; `alone` is the value where only a name is given."""

    name = "pair"

    def __init__(
        self, form: str, read: Callable[[str], object] = str, alone: str | None = None
    ) -> None:
        self._form, self._read, self._alone = form, read, alone

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, object]:
        """Return name and value."""
        name, equals, text = str(value).partition("=")
        fault = f"{value!r} is no {self._form}."
        if not equals and self._alone is None:
            self.fail(fault, param, ctx)
        try:
            return name, self._read(text) if equals else self._alone
        except ValueError:
            self.fail(fault, param, ctx)


def _json_or_text(text: str) -> object:
    try:
        return json.loads(text, parse_constant=str)  # NaN is Python's own
    except ValueError:
        return text


def _rate(text: str) -> float:
    rate = float(text)
    if not isfinite(rate):
        raise ValueError(text)
    return rate


def _lists(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the values of each name."""
    lists: dict[str, list[str]] = {}
    for name, value in pairs:
        lists.setdefault(name, []).append(value)
    return lists


def _given(**arguments: object) -> dict[str, object]:
    """Return the arguments that were given, so that the kit's own defaults stay."""
    return {name: value for name, value in arguments.items() if value not in (None, (), {}, False)}


def _ask(method: str, path: str, body: object = None, line: str | None = None) -> None:
    """Send a request to the server that the environment names, and print the response."""
    _print_response(Control.from_env().send(method, path, body), line)


def _print_response(document: dict[str, Any], line: str | None = None) -> None:
    """Print a response as JSON; without `--json` as `line` with its members, or as two columns."""
    if wants_json():
        print_json(document)
    elif line is None:
        print_pairs((name, str(value)) for name, value in document.items())
    else:
        click.echo(line.format_map(document))


def _subcommand(*lines: str) -> Callable[[Callable[..., None]], click.Command]:
    """Make a command with these examples and `--json`."""
    return lambda function: json_option(click.command(epilog=examples(*lines))(function))


def _option(names: str, form: str, text: str, **more: Any) -> Callable[[_F], _F]:  # noqa: ANN401  # click's own
    return click.option(*names.split(), metavar=form, help=text, **more)


def _pairs(names: str, form: str, text: str, **how: Any) -> Callable[[_F], _F]:  # noqa: ANN401  # those of `_Pair`
    return _option(names, form, text, type=_Pair(form, **how), multiple=True)


def _flag(name: str, text: str) -> Callable[[_F], _F]:
    return click.option(name, is_flag=True, help=text)


_PROVIDERS = "google, facebook, amazon, apple, twitter, or a login key."
_provider_option = _option("--provider", "NAME", _PROVIDERS, default="google", show_default=True)


def _claim_options(function: _F) -> _F:
    what = "A claim, in JSON or else text; repeatable."
    for option in (
        click.option("--lifetime", type=Duration(), help="Validity of a token.  [default: 1h]"),
        _option("--without", "NAME", "A claim to leave out; repeatable.", multiple=True),
        _pairs("--claim claims", "NAME=VALUE", what, read=_json_or_text),
    ):
        function = option(function)
    return function


@_subcommand(
    "amplify-federation fake-cognito token --user bob > token.txt",
    "amplify-federation fake-cognito token --user bob --expired --claim groups='[\"a\"]'",
)
@_option("--user", "NAME", "The token's `sub`.", default="alice", show_default=True)
@_provider_option
@_claim_options
@_option(
    "--audience",
    "CLIENT_ID",
    "The token's `aud`.  [default: AMPLIFY_FEDERATION_CLIENT_ID, else the newest pool's]",
    envvar="AMPLIFY_FEDERATION_CLIENT_ID",
)
@_flag("--expired", "A token that expired an hour ago.")
@_flag("--forged", "A token that the provider did not sign.")
def token(  # noqa: PLR0913  # the options of the command
    *,
    user: str,
    provider: str,
    claims: tuple[tuple[str, object], ...],
    without: tuple[str, ...],
    audience: str | None,
    lifetime: float | None,
    expired: bool,
    forged: bool,
) -> None:
    """Print a token of any user, of any provider."""
    order = _given(
        audience=audience,
        lifetime=_LONG_OVER if expired else lifetime,
        claims=dict.fromkeys(without) | dict(claims),
        forged=forged,
    )
    _ask("POST", "tokens", {"provider": provider, "subject": user, **order}, "{token}")


@_subcommand(
    "amplify-federation fake-cognito pool --provider google=web --provider apple",
    "amplify-federation fake-cognito pool --guests",
)
@_pairs(
    "--provider providers",
    "NAME[=CLIENT_ID]",
    "A provider that the pool trusts, with one of its client ids; repeatable.",
    alone=DEFAULT_CLIENT_ID,
)
@_flag("--guests", "Allow guests.")
@_flag("--classic-flow", "Allow the classic flow (GetOpenIdToken).")
@_option("--name", "NAME", "The pool's name.")
def pool(*, providers: tuple[tuple[str, str], ...], guests: bool, **options: object) -> None:
    """Make an identity pool, and print its id."""
    body = _given(providers=_lists(providers), guest_access=guests, **options)
    _ask("POST", "pools", body, "{identity_pool_id}")


@_subcommand(
    "amplify-federation fake-cognito provider --user alice --user carol --lifetime 5m",
    "amplify-federation fake-cognito provider --provider login.example.com --client app=URL",
)
@_provider_option
@_option("--user users", "NAME", "A user of the sign-in page; repeatable.", multiple=True)
@_pairs(
    "--client clients",
    "ID=REDIRECT_URI",
    "A client and a redirect URI of it; repeatable.  [default: the pools' clients]",
)
@_claim_options
@_option("--audience", "CLIENT_ID", "The tokens' `aud`.  [default: the client's id]")
@_option("--signed-in", "USER", "A user who is signed in already: no page is shown.")
@_flag("--no-refresh-tokens", "Issue no refresh tokens.")
def provider(
    *,
    provider: str,
    clients: tuple[tuple[str, str], ...],
    claims: tuple[tuple[str, object], ...],
    without: tuple[str, ...],
    no_refresh_tokens: bool,
    **options: object,
) -> None:
    """Set how a provider's sign-in behaves.

    Options that are not given are set back to their defaults.
    """
    chosen = dict.fromkeys(without) | dict(claims)
    body = _given(clients=_lists(clients), claims=chosen, **options)
    if no_refresh_tokens:
        body["refresh_tokens"] = False
    path = f"providers/{quote(provider, safe='')}"
    _ask("PUT", path, body, "Set. Its issuer is {issuer}.")


@_subcommand(
    "amplify-federation fake-cognito clock --advance 2h",
    "amplify-federation fake-cognito clock --skew 90",
)
@click.option("--advance", type=Duration(), help="Time to move the server's clock on by.")
@click.option("--skew", type=Duration(), help="Time by which it is ahead of this machine's clock.")
def clock(**options: float | None) -> None:
    """Move the server's clock, and print its time.

    The time is in seconds since the epoch.
    """
    _ask("POST", "clock", options)


@_subcommand(
    "amplify-federation fake-cognito fault TooManyRequestsException --operation GetId",
    "amplify-federation fake-cognito fault --operation token --cut-connection",
    "amplify-federation fake-cognito fault --clear",
)
@click.argument("code", required=False)
@_option("--operation", "NAME", "GetId, ..., or an endpoint of a provider: token, ...")
@_option(
    "--times", "NUMBER", "Number of calls.", type=click.IntRange(1), default=1, show_default=True
)
@_option("--status", "STATUS", "HTTP status of the response.", type=click.IntRange(200, 599))
@click.option("--delay", type=Duration(), help="Delay of the response.")
@_flag("--cut-connection", "Close the connection without a response.")
@_flag("--clear", "Remove the faults that have not happened yet.")
def fault(*, clear: bool, times: int, **options: object) -> None:
    """Make the next calls fail, late, or end without a response."""
    control = Control.from_env()
    if clear:
        control.send("DELETE", "faults")
    chosen = _given(**options)
    if chosen:
        control.send("POST", "faults", {**chosen, "times": times})
    elif not clear:
        message = "Say what shall fail: a code, --status, --delay or --cut-connection."
        raise click.UsageError(message)
    _print_response({"faults": "set" if chosen else "cleared"})


@_subcommand(
    "amplify-federation fake-cognito quota GetId=25 GetCredentialsForIdentity=200",
    "amplify-federation fake-cognito quota",
)
@click.argument(
    "quotas",
    nargs=-1,
    type=_Pair("OPERATION=CALLS_A_SECOND", _rate),
    metavar="[OPERATION=CALLS_A_SECOND]...",
)
def quota(*, quotas: tuple[tuple[str, float], ...]) -> None:
    """Set quotas of operations, in calls per second.

    Operations that are not named have none.
    """
    Control.from_env().send("PUT", "quotas", dict(quotas))
    _print_response(dict(quotas) or {"quotas": "none"})


@_subcommand(
    "amplify-federation fake-cognito calls",
    "amplify-federation fake-cognito calls --providers --json",
    "amplify-federation fake-cognito calls --clear",
)
@_flag("--providers", "List the calls to the embedded OpenID providers.")
@_flag("--clear", "Remove them after they are printed.")
def calls(*, providers: bool, clear: bool) -> None:
    """List the calls to the server, without their tokens."""
    control, path = Control.from_env(), "provider-calls" if providers else "calls"
    listed = cast("list[dict[str, Any]]", control.send("GET", path)["calls"])
    if clear:
        control.send("DELETE", path)
    if wants_json():
        print_json(listed)
        return
    for call in listed:
        click.echo(call_line(call))


def call_line(call: dict[str, Any]) -> str:
    """Return a call of either kind in one line."""
    if "operation" in call:
        what = call["operation"] or "(another service)"
    else:
        what = f"{call['method']} {call['login_key']}/{call['endpoint']}"
    ending = "cut" if call["cut"] else call["status"]
    return f"{what} {ending} {call.get('code') or ''}".rstrip()


COMMANDS: dict[str, click.Command] = {
    str(each.name): each for each in (token, pool, provider, clock, fault, quota, calls)
}
