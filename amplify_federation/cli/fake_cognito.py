"""`fake-cognito`: the embedded Cognito as a server, for trying things out.

The test kit's Cognito is imported when the command runs, and not before. The subcommands, which
call a running server from another terminal, are in `fake_control`.
"""

import errno
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import click

from amplify_federation import ConfigurationError
from amplify_federation.cli.exit_codes import code_of_program
from amplify_federation.cli.fake_control import (
    COMMANDS,
    CONTROL_TOKEN,
    CONTROL_URL,
    DEFAULT_CLIENT_ID,
    Control,
    call_line,
)
from amplify_federation.cli.options import examples, port_option
from amplify_federation.cli.output import json_option, print_json, wants_json

if TYPE_CHECKING:
    from amplify_federation.testing import Call, ProviderCall

_PORT_FAULTS = {
    errno.EADDRINUSE: "another program listens there",
    errno.EACCES: "this user may not",
}
_OTHER_PORT = "Give another --port or --control-port, or none: then a free one is taken."
_SETUP_MEMBERS: dict[str, type] = {"faults": list, "pools": list, "providers": dict, "quotas": dict}
_NAMES = frozenset({"google", "facebook", "amazon", "apple", "twitter"})
_FILE_ADVICE = "See the example in `amplify_federation/testing/README.md`."
# With these a program would not call this server.
_CONTRARY = (
    "AMPLIFY_FEDERATION_CONFIG",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
)

_PROGRAM = "amplify_federation.fake_cognito.program"


class _Group(click.Group):
    """The server's command, with a program after `--`, or a subcommand for a running server."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the program out of the arguments; click would take it for a subcommand."""
        end = args.index("--") if "--" in args else len(args)
        ctx.meta[_PROGRAM] = args[end + 1 :]
        return super().parse_args(ctx, args[:end])

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Return the arguments in the usage line."""
        del ctx
        return ["[OPTIONS]", "[-- PROGRAM... | COMMAND ...]"]

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the subcommands, in the order of their use."""
        del ctx
        return list(self.commands)


@click.group(
    "fake-cognito",
    cls=_Group,
    commands=COMMANDS,
    invoke_without_command=True,
    short_help="Serve an embedded Cognito, to try things without AWS.",
    epilog=examples(
        "amplify-federation fake-cognito -- python -m asyncio",
        "amplify-federation fake-cognito > fake.env &",
        ". ./fake.env",
        "amplify-federation login",
        "amplify-federation fake-cognito token --user bob > token.txt",
    ),
)
@port_option("--port", "Port to serve on.")
@port_option("--control-port", "Port of the control API.")
@click.option(
    "--user", default="alice", show_default=True, metavar="NAME", help="User of the token."
)
@click.option("--guests", is_flag=True, help="Let the pool serve guests.")
@click.option(
    "--setup",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="JSON: `pools`, `providers`, `quotas`, `faults`, as the control API takes them.",
)
@click.option("--log", is_flag=True, help="Print each call on stderr.")
@json_option
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:  # noqa: ANN401  # click's own
    """Serve an embedded Cognito on loopback until it is interrupted, or while PROGRAM runs.

    Prints `export` lines for a shell: its URL, the id of a pool that trusts Google, Facebook,
    Amazon and Apple, a token like Google's for one user, the client id and the discovery document
    of an embedded Google for a sign-in on its page, and the URL and token that the subcommands
    need. These get tokens, pools, faults and more from the running server, in another terminal.

    With a PROGRAM, runs it with these variables and a temporary folder for its sessions and its AWS
    config file, and exits with its code. Everything is in memory, and AWS accepts none of the
    credentials.
    """
    program: Sequence[str] = context.meta[_PROGRAM]
    if context.invoked_subcommand is None:
        context.exit(_serve(program, **options))
    elif program:
        message = "A subcommand runs no program."
        raise click.UsageError(message)


def _serve(  # noqa: PLR0913  # the options of the command
    program: Sequence[str],
    *,
    port: int,
    control_port: int,
    user: str,
    guests: bool,
    setup: Path | None,
    log: bool,
) -> int:
    """Serve to the end, and return the exit code."""
    from amplify_federation.testing import FakeCognito, serve_control  # noqa: PLC0415  # heavy

    wanted = _read(setup) if setup else {}
    pools = wanted.get("pools") or [{"guest_access": guests}]
    on_call = _call_printer(as_json=wants_json()) if log else None
    fake = FakeCognito(on_call=on_call)
    with ExitStack() as stack:
        with _port_in_words(control_port):
            access = stack.enter_context(serve_control(fake, port=control_port))
        control = Control(access.url, access.token)
        ids = _set_up(control, setup, {**wanted, "pools": pools})

        def variables_of(url: str) -> dict[str, str]:
            return {
                "AWS_ENDPOINT_URL_COGNITO_IDENTITY": url,
                "AMPLIFY_FEDERATION_POOL_ID": ids[0],
                **_login_variables(control, url, pools[0], user),
                CONTROL_URL: access.url,
                CONTROL_TOKEN: access.token,
            }

        if program:
            with _port_in_words(port):
                url = stack.enter_context(fake.serve(port=port))
            return _run(program, variables_of(url))
        more = list(zip(ids[1:], pools[1:], strict=True))
        with _port_in_words(port):
            fake.serve_forever(
                port=port, on_ready=lambda url: _print_variables(variables_of(url), more)
            )
    return 0


def _set_up(control: Control, path: Path | None, wanted: Mapping[str, Any]) -> list[str]:
    """Carry out a setup document, and return the ids of its pools.

    Raises `ConfigurationError`, which names the place in the file.
    """

    def send(place: str, method: str, name: str, body: object) -> dict[str, Any]:
        try:
            return control.send(method, name, body)
        except click.UsageError as refused:
            message = f"The file {path} cannot be used, {place}: {refused.message}"
        raise ConfigurationError(message, recovery_suggestion=_FILE_ADVICE)

    ids = [
        send(f"pools[{number}]", "POST", "pools", pool)["identity_pool_id"]
        for number, pool in enumerate(wanted["pools"])
    ]
    for name, settings in wanted.get("providers", {}).items():
        send(f"providers[{name!r}]", "PUT", f"providers/{quote(name, safe='')}", settings)
    for number, fault in enumerate(wanted.get("faults", [])):
        send(f"faults[{number}]", "POST", "faults", fault)
    send("quotas", "PUT", "quotas", wanted.get("quotas", {}))
    return ids


def _read(path: Path) -> dict[str, Any]:
    """Return the document of a setup file. Raises `ConfigurationError`."""
    try:
        found: object = json.loads(path.read_bytes())
    except ValueError as error:
        fault = f"is no JSON: {error}"
    else:
        if isinstance(found, dict):
            document = cast("dict[str, Any]", found)
            fault = _fault_of(document)
            if not fault:
                return document
        else:
            fault = "is no JSON object"
    message = f"The file {path} {fault}."
    raise ConfigurationError(message, recovery_suggestion=_FILE_ADVICE)


def _fault_of(document: dict[str, Any]) -> str:
    """Return what is wrong with the members of a setup document; nothing if they are good."""
    for name, value in sorted(document.items()):
        kind = _SETUP_MEMBERS.get(name)
        if kind is None:
            return f"has {name!r}, which is none of: {', '.join(_SETUP_MEMBERS)}"
        if not isinstance(value, kind) or not (name == "quotas" or _are_objects(value)):
            wanted = "a list of objects" if kind is list else "an object"
            return f"has {name!r}, which must be {wanted}"
    return ""


def _are_objects(members: Any) -> bool:  # noqa: ANN401  # a list or dict of what a file holds
    items = cast("Iterable[object]", members.values() if hasattr(members, "values") else members)
    return all(isinstance(item, dict) for item in items)


def _login_variables(
    control: Control, url: str, pool: Mapping[str, Any], user: str
) -> dict[str, str]:
    """Return what a sign-in at the pool's first provider needs; a developer's has none."""
    given: object = pool.get("providers", ["google"])
    clients: dict[str, list[str]]
    if isinstance(given, dict):
        clients = cast("dict[str, list[str]]", given)
    else:
        clients = {key: [] for key in cast("list[str]", given)}
    name = next((name for name in ("google", *clients) if name in clients), "")
    if name in {"", "developer"}:
        return {}
    issued = control.send("POST", "tokens", {"provider": name, "subject": user})
    key = issued["login_key"]
    return {
        "AMPLIFY_FEDERATION_TOKEN": issued["token"],
        "AMPLIFY_FEDERATION_PROVIDER": name if name in _NAMES else _provider_text(key),
        "AMPLIFY_FEDERATION_CLIENT_ID": next(iter(clients[name]), DEFAULT_CLIENT_ID),
        "AMPLIFY_FEDERATION_DISCOVERY_URL": f"{url}/{key}/.well-known/openid-configuration",
    }


def _provider_text(login_key: str) -> str:
    """Return a provider as the options of the other commands take it."""
    if login_key.startswith("arn:"):
        return f"saml:{login_key}"
    if login_key.startswith("cognito-idp."):
        return f"user-pool:{login_key.partition('/')[2]}"
    return f"oidc:https://{login_key}"


def _print_variables(
    variables: Mapping[str, str], more: Iterable[tuple[str, Mapping[str, Any]]]
) -> None:
    if wants_json():
        print_json(variables)
    else:
        for name, value in variables.items():
            click.echo(f"export {name}={shlex.quote(value)}")
        for pool_id, pool in more:
            click.echo(f"# Another pool: {pool_id} ({pool.get('name', 'without a name')})")
        click.echo("# Then: amplify-federation login; Ctrl-C ends this server.")
    sys.stdout.flush()


def _call_printer(*, as_json: bool) -> "Callable[[Call | ProviderCall], None]":
    # `wants_json` knows the thread of the command, and calls are served in another.
    def print_call(call: "Call | ProviderCall") -> None:
        names = ("operation", "login_key", "endpoint", "method", "status", "code", "cut")
        shown = {name: getattr(call, name) for name in names if hasattr(call, name)}
        click.echo(json.dumps(shown) if as_json else call_line(shown), err=True)

    return print_call


@contextmanager
def _port_in_words(port: int) -> Generator[None]:
    """Raise an error in words if the port cannot be listened on."""
    try:
        yield
    except OSError as error:
        if error.errno not in _PORT_FAULTS:
            raise
        fault = _PORT_FAULTS[error.errno]
    else:
        return
    message = f"Port {port} of 127.0.0.1 cannot be listened on: {fault}."
    raise ConfigurationError(message, recovery_suggestion=_OTHER_PORT)


def _run(program: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run a program with these variables to its end; return its exit code as a shell has it."""
    kept = {name: value for name, value in os.environ.items() if name not in _CONTRARY}

    def leave_to_program(number: int, frame: object) -> None:
        """Do nothing: a terminal sends Ctrl-C to the program as well, which decides about it."""
        del number, frame

    before = signal.signal(signal.SIGINT, leave_to_program)
    try:
        with TemporaryDirectory(prefix="amplify-federation-") as folder:
            own = {  # `configure` writes a profile, which is of no use afterwards
                "AMPLIFY_FEDERATION_HOME": f"{folder}/sessions",
                "AWS_CONFIG_FILE": f"{folder}/aws.config",
            }
            done = subprocess.run(program, env={**kept, **own, **variables}, check=False)  # noqa: S603  # what the user asked for
    except OSError as error:
        click.echo(f"{program[0]} cannot be run: {error.strerror}.", err=True)
        return code_of_program(error)
    finally:
        signal.signal(signal.SIGINT, before)
    return done.returncode if done.returncode >= 0 else 128 - done.returncode
