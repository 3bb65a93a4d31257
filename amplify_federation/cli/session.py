"""`session` and `clear`: look at the stored session, and forget it."""

from contextlib import aclosing
from typing import Any

import click
from attrs import frozen

from amplify_federation import AuthSession, Expired, Federated, SignedOut
from amplify_federation.cli.exit_codes import ExitCode, advice_for, exit_code_of
from amplify_federation.cli.options import Target, run, target_options
from amplify_federation.cli.output import (
    json_option,
    masked_key_id,
    print_json,
    print_pairs,
    remaining,
    state_name,
    utc_text,
    wants_json,
)


@frozen
class _Look:
    """One look at a session."""

    state: SignedOut | Federated | Expired
    session: AuthSession


@click.command(
    "session",
    epilog="\b\nExamples:\n"
    "  amplify-federation session --pool us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768\n"
    "  amplify-federation session --config amplify_outputs.json --json\n"
    "  amplify-federation session --refresh || echo 'sign in again'",
)
@target_options
@click.option("--refresh", is_flag=True, help="Renew the credentials even if they are good.")
@json_option
def command(target: Target, *, refresh: bool) -> None:
    """Show who is signed in, and for how long.

    Fresh credentials cost no network call; those that are over are renewed, as in a program that
    uses the session. Exits with 0 while there are usable credentials, with 4 if nobody is signed
    in, with 5 if the session is over. No secret is shown.
    """
    look = run(lambda: _look(target, refresh=refresh), doing="Looking at the session")
    if wants_json():
        print_json(_document(target, look))
    else:
        _print(target, look)
    error = look.session.credentials_result.error
    click.get_current_context().exit(int(ExitCode.OK if error is None else exit_code_of(error)))


async def _look(target: Target, *, refresh: bool) -> _Look:
    async with target.open() as auth:
        session = await auth.fetch_auth_session(force_refresh=refresh)
        return _Look(auth.state, session)


def _document(target: Target, look: _Look) -> dict[str, Any]:
    session, credentials = look.session, look.session.credentials_result.value_or_none
    error = session.credentials_result.error or session.renewal_error
    logins = () if isinstance(look.state, SignedOut) else look.state.logins
    return {
        "state": state_name(look.state),
        "is_signed_in": session.is_signed_in,
        "identity_id": session.identity_id_result.value_or_none,
        "providers": [provider.login_key for provider in logins],
        "expiration": None if credentials is None else utc_text(credentials.expiration),
        "session": target.session,
        "pool": target.pool().identity_pool_id,
        "error": None if error is None else type(error).__name__,
        "message": None if error is None else error.message,
    }


def _print(target: Target, look: _Look) -> None:
    session, credentials = look.session, look.session.credentials_result.value_or_none
    rows = [("state", click.style(state_name(look.state), bold=True))]
    if not isinstance(look.state, SignedOut):
        rows.append(("provider", ", ".join(login.login_key for login in look.state.logins)))
        rows.append(("identity", look.state.identity_id))
    elif identity := session.identity_id_result.value_or_none:
        rows.append(("guest", identity))
    if credentials is not None:
        rows.append(("credentials", f"{masked_key_id(credentials)}, {remaining(credentials)}"))
    rows += [("session", target.session), ("pool", target.pool().identity_pool_id)]
    print_pairs(rows)
    error = session.credentials_result.error or session.renewal_error
    if error is not None:
        click.echo(f"\n{error.message}\n  {advice_for(error)}", err=True)


@click.command(
    "clear",
    epilog="\b\nExamples:\n"
    "  amplify-federation clear --pool ID\n"
    "  amplify-federation clear --session bob",
)
@target_options
@json_option
def clear(target: Target) -> None:
    """Forget the session, in every process of this machine. Needs no network.

    Nobody signed in is no error. Signing out at the identity provider is not done here, and
    credentials that were handed out serve until their expiration.
    """

    async def work() -> None:
        # Not entered, which would read the record: one that no key at hand opens is cleared, too.
        async with aclosing(target.open()) as auth:
            await auth.clear_federation_to_identity_pool()

    run(work, doing="Clearing the session")
    if wants_json():
        print_json({"state": "signed_out", "session": target.session})
    else:
        click.echo("Signed out.")
