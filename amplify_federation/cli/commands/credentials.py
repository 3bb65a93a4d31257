"""`credentials`: the credentials themselves, for the tools that need them."""

import json
import shlex
from datetime import UTC, datetime

import click

from amplify_federation import AuthSession, AWSCredentials
from amplify_federation.cli.handover.timely import timely_session
from amplify_federation.cli.target import Target, run, target_options
from amplify_federation.cli.terminal.output import json_option, wants_json
from amplify_federation.cli.terminal.showing import moment


@click.command(
    "credentials",
    short_help="Print the credentials, for AWS tools and scripts.",
    epilog="\b\nExamples:\n"
    '  eval "$(amplify-federation credentials --pool ID --format env)"\n'
    "\b\n"
    "  In ~/.aws/config, for every AWS tool:\n"
    "    [profile player]\n"
    "    credential_process = amplify-federation credentials --pool ID",
)
@target_options
@click.option(
    "--format",
    "form",
    type=click.Choice(["process", "env", "json"]),
    default="process",
    show_default=True,
    help="process: for `credential_process` in an AWS profile; env: for `eval` in a shell.",
)
@json_option
def command(target: Target, *, form: str) -> None:
    """Print the session's credentials on stdout, and nothing else there.

    This is the only command that prints secrets. Credentials that are over, or that AWS tools
    would ask for again within a quarter of an hour, are renewed first. Without credentials it
    prints nothing, says on stderr why, and exits with the number for it.
    """

    async def work() -> AuthSession:
        async with target.open() as auth:
            return await timely_session(auth, now=datetime.now(UTC))

    session = run(work, doing="Asking Cognito")
    click.echo(_written(session.credentials, session.identity_id, "json" if wants_json() else form))


def _written(credentials: AWSCredentials, identity_id: str, form: str) -> str:
    if form == "env":
        variables = {
            "AWS_ACCESS_KEY_ID": credentials.access_key_id,
            "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
            "AWS_SESSION_TOKEN": credentials.session_token,
            "AWS_CREDENTIAL_EXPIRATION": moment(credentials.expiration),
        }
        return "\n".join(f"export {name}={shlex.quote(text)}" for name, text in variables.items())
    if form == "json":
        document = {
            "identity_id": identity_id,
            "access_key_id": credentials.access_key_id,
            "secret_access_key": credentials.secret_access_key,
            "session_token": credentials.session_token,
            "expiration": moment(credentials.expiration),
        }
        return json.dumps(document, indent=2)
    # The members that AWS's document on `credential_process` asks for.
    return json.dumps(
        {
            "Version": 1,
            "AccessKeyId": credentials.access_key_id,
            "SecretAccessKey": credentials.secret_access_key,
            "SessionToken": credentials.session_token,
            "Expiration": moment(credentials.expiration),
        }
    )
