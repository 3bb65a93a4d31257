"""`credentials`: the credentials themselves, for the tools that need them."""

from datetime import UTC, datetime

import click

from amplify_federation import AuthSession
from amplify_federation.cli.handover import forms
from amplify_federation.cli.handover.timely import timely_session
from amplify_federation.cli.target import Target, run, target_options
from amplify_federation.cli.terminal.output import json_option, wants_json


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
    if wants_json() or form == "json":
        click.echo(forms.for_programs(session.credentials, session.identity_id))
    elif form == "env":
        click.echo(forms.for_shell(session.credentials))
    else:
        click.echo(forms.for_process(session.credentials))
