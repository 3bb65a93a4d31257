"""The subcommands of `fake-cognito`, which call a running server over its control API.

The server's URL and the control token come by environment, as the server printed them; no secret is
an argument.
"""

import json
import os
import re
from typing import Any, cast
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


def _claims(pairs: tuple[str, ...], without: tuple[str, ...]) -> dict[str, Any]:
    claims: dict[str, Any] = dict.fromkeys(without)
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            message = f"{pair!r} is no NAME=VALUE."
            raise click.UsageError(message)
        try:
            claims[name] = json.loads(text)
        except ValueError:
            claims[name] = text
    return claims


def _given(**arguments: object) -> dict[str, object]:
    """Return the arguments that were given, so that the kit's own defaults stay."""
    return {name: value for name, value in arguments.items() if value not in (None, (), {}, False)}


def _print_response(document: dict[str, Any], line: str | None = None) -> None:
    """Print a response as JSON; without `--json` as `line` with its members, or as two columns."""
    if wants_json():
        print_json(document)
    elif line is None:
        print_pairs((name, str(value)) for name, value in document.items())
    else:
        click.echo(line.format_map(document))


_provider_option = click.option(
    "--provider",
    default="google",
    show_default=True,
    metavar="NAME",
    help="google, facebook, amazon, apple, twitter, or a login key.",
)
_claim_options = (
    click.option(
        "--claim",
        "pairs",
        multiple=True,
        metavar="NAME=VALUE",
        help="A claim, in JSON or else text; repeatable.",
    ),
    click.option(
        "--without", multiple=True, metavar="NAME", help="A claim to leave out; repeatable."
    ),
    click.option("--lifetime", type=Duration(), help="Validity of a token.  [default: 1h]"),
)


def _with_claim_options(command: Any) -> Any:  # noqa: ANN401  # click's decorators
    for option in reversed(_claim_options):
        command = option(command)
    return command


@click.command(
    epilog=examples(
        "amplify-federation fake-cognito token --user bob > token.txt",
        "amplify-federation fake-cognito token --user bob --expired --claim groups='[\"a\"]'",
    )
)
@click.option(
    "--user", default="alice", show_default=True, metavar="NAME", help="The token's `sub`."
)
@_provider_option
@_with_claim_options
@click.option(
    "--audience",
    metavar="CLIENT_ID",
    envvar="AMPLIFY_FEDERATION_CLIENT_ID",
    help="The token's `aud`.  [default: AMPLIFY_FEDERATION_CLIENT_ID, else the newest pool's]",
)
@click.option("--expired", is_flag=True, help="A token that expired an hour ago.")
@click.option("--forged", is_flag=True, help="A token that the provider did not sign.")
@json_option
def token(  # noqa: PLR0913  # the options of the command
    *,
    user: str,
    provider: str,
    pairs: tuple[str, ...],
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
        claims=_claims(pairs, without),
        forged=forged,
    )
    body = {"provider": provider, "subject": user, **order}
    _print_response(Control.from_env().send("POST", "tokens", body), "{token}")


@click.command(
    epilog=examples(
        "amplify-federation fake-cognito pool --provider google=web --provider apple",
        "amplify-federation fake-cognito pool --guests",
    )
)
@click.option(
    "--provider",
    "providers",
    multiple=True,
    metavar="NAME[=CLIENT_ID]",
    help="A provider that the pool trusts, with one of its client ids; repeatable.",
)
@click.option("--guests", is_flag=True, help="Allow guests.")
@click.option("--classic-flow", is_flag=True, help="Allow the classic flow (GetOpenIdToken).")
@click.option("--name", metavar="NAME", help="The pool's name.")
@json_option
def pool(*, providers: tuple[str, ...], guests: bool, classic_flow: bool, name: str | None) -> None:
    """Make an identity pool, and print its id."""
    clients: dict[str, list[str]] = {}
    for each in providers:
        provider, _, client_id = each.partition("=")
        clients.setdefault(provider, []).append(client_id or DEFAULT_CLIENT_ID)
    body = _given(providers=clients, guest_access=guests, classic_flow=classic_flow, name=name)
    _print_response(Control.from_env().send("POST", "pools", body), "{identity_pool_id}")


@click.command(
    epilog=examples(
        "amplify-federation fake-cognito provider --user alice --user carol --lifetime 5m",
        "amplify-federation fake-cognito provider --provider login.example.com --client app=URL",
    )
)
@_provider_option
@click.option(
    "--user", "users", multiple=True, metavar="NAME", help="A user of the sign-in page; repeatable."
)
@click.option(
    "--client",
    "clients",
    multiple=True,
    metavar="ID=REDIRECT_URI",
    help="A client and a redirect URI of it; repeatable.  [default: the pools' clients]",
)
@_with_claim_options
@click.option(
    "--audience", metavar="CLIENT_ID", help="The tokens' `aud`.  [default: the client's id]"
)
@click.option(
    "--signed-in", metavar="USER", help="A user who is signed in already: no page is shown."
)
@click.option("--no-refresh-tokens", is_flag=True, help="Issue no refresh tokens.")
@json_option
def provider(  # noqa: PLR0913  # the options of the command
    *,
    provider: str,
    users: tuple[str, ...],
    clients: tuple[str, ...],
    pairs: tuple[str, ...],
    without: tuple[str, ...],
    audience: str | None,
    lifetime: float | None,
    signed_in: str | None,
    no_refresh_tokens: bool,
) -> None:
    """Set how a provider's sign-in behaves.

    Options that are not given are set back to their defaults.
    """
    redirects: dict[str, list[str]] = {}
    for each in clients:
        client_id, _, uri = each.partition("=")
        redirects.setdefault(client_id, []).append(uri)
    body = _given(
        users=users,
        clients=redirects,
        audience=audience,
        lifetime=lifetime,
        claims=_claims(pairs, without),
        signed_in=signed_in,
    )
    if no_refresh_tokens:
        body["refresh_tokens"] = False
    path = f"providers/{quote(provider, safe='')}"
    _print_response(Control.from_env().send("PUT", path, body), "Set. Its issuer is {issuer}.")


@click.command(
    epilog=examples(
        "amplify-federation fake-cognito clock --advance 2h",
        "amplify-federation fake-cognito clock --skew 90",
    )
)
@click.option("--advance", type=Duration(), help="Time to move the server's clock on by.")
@click.option("--skew", type=Duration(), help="Time by which it is ahead of this machine's clock.")
@json_option
def clock(*, advance: float | None, skew: float | None) -> None:
    """Move the server's clock, and print its time.

    The time is in seconds since the epoch.
    """
    body = {name: v for name, v in (("advance", advance), ("skew", skew)) if v is not None}
    _print_response(Control.from_env().send("POST", "clock", body))


@click.command(
    epilog=examples(
        "amplify-federation fake-cognito fault TooManyRequestsException --operation GetId",
        "amplify-federation fake-cognito fault --operation token --cut-connection",
        "amplify-federation fake-cognito fault --clear",
    )
)
@click.argument("code", required=False)
@click.option(
    "--operation", metavar="NAME", help="GetId, ..., or an endpoint of a provider: token, ..."
)
@click.option(
    "--times",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="NUMBER",
    help="Number of calls.",
)
@click.option(
    "--status", type=click.IntRange(100, 599), metavar="STATUS", help="HTTP status of the response."
)
@click.option("--delay", type=Duration(), help="Delay of the response.")
@click.option("--cut-connection", is_flag=True, help="Close the connection without a response.")
@click.option("--clear", is_flag=True, help="Remove the faults that have not happened yet.")
@json_option
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


@click.command(
    epilog=examples(
        "amplify-federation fake-cognito quota GetId=25 GetCredentialsForIdentity=200",
        "amplify-federation fake-cognito quota",
    )
)
@click.argument("quotas", nargs=-1, metavar="[OPERATION=CALLS_A_SECOND]...")
@json_option
def quota(*, quotas: tuple[str, ...]) -> None:
    """Set quotas of operations, in calls per second.

    Operations that are not named have none.
    """
    rates: dict[str, float] = {}
    for each in quotas:
        operation, _, rate = each.partition("=")
        try:
            rates[operation] = float(rate)
        except ValueError:
            message = f"{each!r} is no OPERATION=CALLS_A_SECOND."
            raise click.UsageError(message) from None
    Control.from_env().send("PUT", "quotas", rates)
    _print_response(dict(rates) or {"quotas": "none"})


@click.command(
    epilog=examples(
        "amplify-federation fake-cognito calls",
        "amplify-federation fake-cognito calls --providers --json",
        "amplify-federation fake-cognito calls --clear",
    )
)
@click.option("--providers", is_flag=True, help="List the calls to the embedded OpenID providers.")
@click.option("--clear", is_flag=True, help="Remove them after they are printed.")
@json_option
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
    "token": token,
    "pool": pool,
    "provider": provider,
    "clock": clock,
    "fault": fault,
    "quota": quota,
    "calls": calls,
}
