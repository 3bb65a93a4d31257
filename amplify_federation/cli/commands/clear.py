"""`clear`: forget the session."""

import click

from amplify_federation.cli.target import Target, run, target_options
from amplify_federation.cli.terminal.output import json_option, print_json, wants_json


@click.command(
    "clear",
    short_help="Forget the session, on this machine.",
    epilog="\b\nExamples:\n"
    "  amplify-federation clear --pool ID\n"
    "  amplify-federation clear --session bob",
)
@target_options
@json_option
def command(target: Target) -> None:
    """Forget the session, in every process of this machine. Needs no network.

    Nobody signed in is no error. Signing out at the identity provider is not done here, and
    credentials that were handed out serve until their expiration.
    """

    async def work() -> None:
        async with target.open() as auth:
            await auth.clear_federation_to_identity_pool()

    run(work, doing="Clearing the session")
    if wants_json():
        print_json({"state": "signed_out", "session": target.session})
    else:
        click.echo("Signed out.")
