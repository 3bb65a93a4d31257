"""`fake-cognito`: the embedded Cognito as a server, for trying things out.

The command uses `amplify_federation.testing`, one wing another, since serving the test kit's
Cognito is all it does; it is imported when the command runs and not before.
"""

import errno
import shlex
import sys

import click

from amplify_federation import AuthProvider, ConfigurationError
from amplify_federation.cli.output import json_option, print_json, wants_json

_PORT_FAULTS = {
    errno.EADDRINUSE: "another program listens there",
    errno.EACCES: "this user may not",
}
_OTHER_PORT = "Give another --port, or none: then a free one is taken."


@click.command(
    "fake-cognito",
    short_help="Serve an embedded Cognito, to try things without AWS.",
    epilog="\b\nExamples:\n"
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
def command(*, port: int, user: str, guests: bool) -> None:
    """Serve an embedded Cognito on loopback until it is interrupted.

    Prints a shell's `export` lines: where it listens, the id of a pool that trusts Google,
    Facebook, Amazon and Apple, a token of Google's shape for one user, and the client id and
    discovery document of an embedded Google, for a sign-in on its page. It keeps everything in
    memory, and none of its credentials is good for AWS.
    """
    from amplify_federation.testing import (  # noqa: PLC0415  # the test kit
        DEFAULT_CLIENT_ID,
        FakeCognito,
    )

    fake = FakeCognito()
    pool = fake.create_identity_pool(guest_access=guests)
    token = fake.issue_token(AuthProvider.GOOGLE, user)

    listening = False

    def announce(url: str) -> None:
        nonlocal listening
        listening = True
        google = AuthProvider.GOOGLE.login_key
        variables = {
            "AWS_ENDPOINT_URL_COGNITO_IDENTITY": url,
            "AMPLIFY_FEDERATION_POOL_ID": pool,
            "AMPLIFY_FEDERATION_TOKEN": token,
            "AMPLIFY_FEDERATION_PROVIDER": "google",
            "AMPLIFY_FEDERATION_CLIENT_ID": DEFAULT_CLIENT_ID,
            "AMPLIFY_FEDERATION_DISCOVERY_URL": f"{url}/{google}/.well-known/openid-configuration",
        }
        if wants_json():
            print_json(variables)
        else:
            for name, value in variables.items():
                click.echo(f"export {name}={shlex.quote(value)}")
            click.echo("# Then: amplify-federation login; Ctrl-C ends this server.")
        sys.stdout.flush()

    try:
        fake.serve_forever(port=port, on_ready=announce)
    except OSError as error:
        if listening or error.errno not in _PORT_FAULTS:
            raise
        fault = _PORT_FAULTS[error.errno]
    else:
        return
    message = f"Port {port} of 127.0.0.1 cannot be listened on: {fault}."
    raise ConfigurationError(message, recovery_suggestion=_OTHER_PORT)
