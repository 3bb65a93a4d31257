"""`credentials`: the credentials in the formats of AWS tools, and valid for long enough.

Once credentials are valid for less than 15 minutes, AWS SDKs get new ones with every request
(botocore's `_DEFAULT_ADVISORY_REFRESH_TIMEOUT`). A session renews them in the last 5 minutes at
most. In between every request of such a program would start a process or a call here, so they are
renewed earlier.
"""

import json
import shlex
from datetime import UTC, datetime, timedelta

import click

from amplify_federation import AuthSession, AWSCredentials, FederatedAuth
from amplify_federation.cli.options import Target, run, session_command
from amplify_federation.cli.output import utc_text, wants_json


@session_command(
    "credentials",
    'eval "$(amplify-federation credentials --pool ID --format env)"',
    "",
    "In ~/.aws/config, for every AWS tool:",
    "  [profile player]",
    "  credential_process = /home/you/.venv/bin/amplify-federation credentials --pool ID",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["process", "env", "json"]),
    default="process",
    show_default=True,
    help="process: for `credential_process` in an AWS profile; env: for `eval` in a shell.",
)
def command(target: Target, *, form: str) -> None:
    """Print the session's credentials on stdout, and nothing else there.

    This is the only command that prints secrets. Credentials that are valid for less than 16
    minutes are renewed first, since AWS tools would ask for new ones soon. Without credentials
    nothing is printed on stdout; stderr and the exit code say why.
    """

    async def work() -> AuthSession:
        async with target.open() as auth:
            return await fetch_for_tools(auth, now=datetime.now(UTC))

    session = run(work, doing="Asking Cognito")
    if wants_json() or form == "json":
        click.echo(for_programs(session.credentials, session.identity_id))
    elif form == "env":
        click.echo(for_shell(session.credentials))
    else:
        click.echo(for_process(session.credentials))


ENOUGH = timedelta(minutes=16)  # botocore's 15, and a minute for clocks that differ


async def fetch_for_tools(auth: FederatedAuth, *, now: datetime) -> AuthSession:
    """Return the session, renewed if its credentials are valid for less than 16 minutes.

    If renewal fails, credentials that are still valid are returned.
    """
    session = await auth.fetch_auth_session()
    credentials = session.credentials_result.value_or_none
    if credentials is None or credentials.expiration - now >= ENOUGH:
        return session
    return await auth.fetch_auth_session(force_refresh=True)


def for_process(credentials: AWSCredentials) -> str:
    """Return the JSON that AWS documents for `credential_process`."""
    return json.dumps(
        {
            "Version": 1,
            "AccessKeyId": credentials.access_key_id,
            "SecretAccessKey": credentials.secret_access_key,
            "SessionToken": credentials.session_token,
            "Expiration": utc_text(credentials.expiration),
        }
    )


def for_container(credentials: AWSCredentials) -> str:
    """Return the response of a container credentials endpoint: the session token is `Token`."""
    return json.dumps(
        {
            "AccessKeyId": credentials.access_key_id,
            "SecretAccessKey": credentials.secret_access_key,
            "Token": credentials.session_token,
            "Expiration": utc_text(credentials.expiration),
        }
    )


def for_shell(credentials: AWSCredentials) -> str:
    """Return the lines that a POSIX shell evaluates."""
    variables = {
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_SESSION_TOKEN": credentials.session_token,
        "AWS_CREDENTIAL_EXPIRATION": utc_text(credentials.expiration),
    }
    return "\n".join(f"export {name}={shlex.quote(text)}" for name, text in variables.items())


def for_programs(credentials: AWSCredentials, identity_id: str) -> str:
    """Return a JSON object with the names that this package uses."""
    document = {
        "identity_id": identity_id,
        "access_key_id": credentials.access_key_id,
        "secret_access_key": credentials.secret_access_key,
        "session_token": credentials.session_token,
        "expiration": utc_text(credentials.expiration),
    }
    return json.dumps(document, indent=2)
