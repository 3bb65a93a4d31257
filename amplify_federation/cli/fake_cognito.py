"""`fake-cognito`: the embedded Cognito as a server, for trying things out.

The command uses `amplify_federation.testing`, one wing another, since serving the test kit's
Cognito is all it does; it is imported when the command runs and not before.
"""

import errno
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from amplify_federation import AuthProvider, ConfigurationError
from amplify_federation.cli.output import json_option, print_json, wants_json

if TYPE_CHECKING:
    from amplify_federation.testing import ControlAccess

_PORT_FAULTS = {
    errno.EADDRINUSE: "another program listens there",
    errno.EACCES: "this user may not",
}
_OTHER_PORT = "Give another --port, or none: then a free one is taken."
_NOT_FOUND = 127  # a shell's code for a program that it cannot run
# They would lead a program elsewhere than to this server.
_CONTRARY = (
    "AMPLIFY_FEDERATION_CONFIG",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
)


@click.command(
    "fake-cognito",
    short_help="Serve an embedded Cognito, to try things without AWS.",
    epilog="\b\nExamples:\n"
    "  amplify-federation fake-cognito -- python -m asyncio\n"
    "  amplify-federation fake-cognito > fake.env &\n"
    "  . ./fake.env\n"
    "  amplify-federation login",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Port.  [default: a free one]"
)
@click.option("--user", default="alice", show_default=True, help="For whom the token is issued.")
@click.option("--guests", is_flag=True, help="Let the pool serve guests.")
@json_option
@click.argument("program", nargs=-1, type=click.UNPROCESSED)
def command(*, port: int, user: str, guests: bool, program: Sequence[str]) -> None:
    """Serve an embedded Cognito on loopback until it is interrupted, or while PROGRAM runs.

    Prints a shell's `export` lines: where it listens, the id of a pool that trusts Google,
    Facebook, Amazon and Apple, a token of Google's shape for one user, and the client id and
    discovery document of an embedded Google, for a sign-in on its page, and the URL and token of an
    HTTP API that issues tokens, makes pools and moves the clock. With a PROGRAM, sets these
    variables for it instead, gives it a temporary folder for its sessions, and exits with its code.
    Everything is kept in memory, and none of the credentials is good for AWS.
    """
    from amplify_federation.testing import (  # noqa: PLC0415  # the test kit
        DEFAULT_CLIENT_ID,
        FakeCognito,
        serve_control,
    )

    fake = FakeCognito()
    pool = fake.create_identity_pool(guest_access=guests)
    token = fake.issue_token(AuthProvider.GOOGLE, user)

    listening = False

    def variables_of(url: str, control: "ControlAccess") -> dict[str, str]:
        google = AuthProvider.GOOGLE.login_key
        return {
            "AWS_ENDPOINT_URL_COGNITO_IDENTITY": url,
            "AMPLIFY_FEDERATION_POOL_ID": pool,
            "AMPLIFY_FEDERATION_TOKEN": token,
            "AMPLIFY_FEDERATION_PROVIDER": "google",
            "AMPLIFY_FEDERATION_CLIENT_ID": DEFAULT_CLIENT_ID,
            "AMPLIFY_FEDERATION_DISCOVERY_URL": f"{url}/{google}/.well-known/openid-configuration",
            "AMPLIFY_FEDERATION_CONTROL_URL": control.url,
            "AMPLIFY_FEDERATION_CONTROL_TOKEN": control.token,
        }

    def announce(url: str, control: "ControlAccess") -> None:
        nonlocal listening
        listening = True
        variables = variables_of(url, control)
        if wants_json():
            print_json(variables)
        else:
            for name, value in variables.items():
                click.echo(f"export {name}={shlex.quote(value)}")
            click.echo("# Then: amplify-federation login; Ctrl-C ends this server.")
        sys.stdout.flush()

    try:
        with serve_control(fake) as control:
            if program:
                with fake.serve(port=port) as url:
                    listening = True
                    code = _run(program, variables_of(url, control))
                click.get_current_context().exit(code)
            fake.serve_forever(port=port, on_ready=lambda url: announce(url, control))
    except OSError as error:
        if listening or error.errno not in _PORT_FAULTS:
            raise
        fault = _PORT_FAULTS[error.errno]
    else:
        return
    message = f"Port {port} of 127.0.0.1 cannot be listened on: {fault}."
    raise ConfigurationError(message, recovery_suggestion=_OTHER_PORT)


def _run(program: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run a program with these variables to its end; return its exit code as a shell has it."""
    kept = {name: value for name, value in os.environ.items() if name not in _CONTRARY}
    # A terminal sends Ctrl-C to the program as well, which decides what it means.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        with TemporaryDirectory(prefix="amplify-federation-") as folder:
            home = {"AMPLIFY_FEDERATION_HOME": folder}
            done = subprocess.run(program, env={**kept, **home, **variables}, check=False)  # noqa: S603  # what the user asked for
    except OSError as error:
        click.echo(f"{program[0]} cannot be run: {error.strerror}.", err=True)
        return _NOT_FOUND
    finally:
        signal.signal(signal.SIGINT, before)
    return done.returncode if done.returncode >= 0 else 128 - done.returncode
