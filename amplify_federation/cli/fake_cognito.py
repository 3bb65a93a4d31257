"""`fake-cognito`: the embedded Cognito as a server, for trying things out.

The command uses `amplify_federation.testing`, one wing another, since serving the test kit's
Cognito is all it does; it is imported when the command runs and not before.
"""

import shlex
import sys

import click

from amplify_federation import AuthProvider
from amplify_federation.cli.output import json_option, print_json, wants_json


@click.command(
    "fake-cognito",
    short_help="Serve an embedded Cognito, to try things without AWS.",
    epilog="\b\nExamples:\n"
    "  amplify-federation fake-cognito > fake.env &\n"
    "  . ./fake.env\n"
    "  amplify-federation federate --provider google",
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
    Facebook, Amazon and Apple, and a token of Google's shape for one user. It keeps everything in
    memory, and none of its credentials is good for AWS.
    """
    from amplify_federation.testing import FakeCognito  # noqa: PLC0415  # the test kit

    fake = FakeCognito()
    pool = fake.create_identity_pool(guest_access=guests)
    token = fake.issue_token(AuthProvider.GOOGLE, user)

    def announce(url: str) -> None:
        variables = {
            "AWS_ENDPOINT_URL_COGNITO_IDENTITY": url,
            "AMPLIFY_FEDERATION_POOL_ID": pool,
            "AMPLIFY_FEDERATION_TOKEN": token,
        }
        if wants_json():
            print_json(variables)
        else:
            for name, value in variables.items():
                click.echo(f"export {name}={shlex.quote(value)}")
            click.echo("# Then: amplify-federation federate --provider google; Ctrl-C ends it.")
        sys.stdout.flush()

    fake.serve_forever(port=port, on_ready=announce)
