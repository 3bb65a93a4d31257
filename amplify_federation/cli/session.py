"""`session`, `list`, `clear` and `logout`: show the stored sessions, and forget one."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Any, TypeVar

import click
from attrs import frozen

from amplify_federation import (
    AuthError,
    AuthSession,
    EncryptedFileStore,
    Expired,
    Federated,
    FederatedAuth,
    InvalidStateError,
    Revocation,
    SignedOut,
    SignedOutError,
)
from amplify_federation.cli.exit_codes import ExitCode, advice_for, exit_code_of
from amplify_federation.cli.options import Target, examples, run, session_command, store_option
from amplify_federation.cli.output import (
    credentials_text,
    json_option,
    print_json,
    print_pairs,
    utc_text,
    wants_json,
)

T = TypeVar("T")
State = SignedOut | Federated | Expired


@frozen
class _Look:
    """A session and its state at one moment."""

    state: State
    session: AuthSession


@session_command(
    "session",
    "amplify-federation session --pool us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768",
    "amplify-federation session --config amplify_outputs.json --json",
    "amplify-federation session --refresh || echo 'sign in again'",
)
@click.option("--refresh", is_flag=True, help="Renew the credentials even if they are valid.")
def command(target: Target, *, refresh: bool) -> None:
    """Show who is signed in, and for how long.

    Valid credentials cost no network call; expired ones are renewed, as in a program that uses the
    session. Exits with 0 if there are valid credentials, with 4 if nobody is signed in, with 5 if
    the session is over. No secret is shown.
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
        "state": look.state.name,
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
    rows = [("state", click.style(look.state.name, bold=True))]
    if not isinstance(look.state, SignedOut):
        rows.append(("provider", ", ".join(login.login_key for login in look.state.logins)))
        rows.append(("identity", look.state.identity_id))
    elif identity := session.identity_id_result.value_or_none:
        rows.append(("guest", identity))
    if credentials is not None:
        rows.append(("credentials", credentials_text(credentials)))
    rows += [("session", target.session), ("pool", target.pool().identity_pool_id)]
    print_pairs(rows)
    error = session.credentials_result.error or session.renewal_error
    if error is not None:
        click.echo(f"\n{error.message}\n  {advice_for(error)}", err=True)


async def stored_state(auth: FederatedAuth) -> State:
    """Return the state of a session as it is in the store, and close the handle.

    The handle is not entered, which would make the folder; asking for the user reads the store.
    """
    async with aclosing(auth):
        with suppress(SignedOutError, InvalidStateError):
            await auth.get_current_user()
        return auth.state


@click.command(
    "list",
    epilog=examples("amplify-federation list", "amplify-federation list --store ./sessions --json"),
)
@store_option
@json_option
def list_command(folder: str | None) -> None:
    """List the sessions in the folder, of every pool, with their state and expiration.

    Needs no network. Names and pools are in the encrypted records, so nothing is listed without the
    key; records that it does not open are counted. No secret is shown.
    """
    target = Target(folder=folder)
    rows, unopened = run(lambda: _rows(target.store()), doing="Reading the sessions")
    if wants_json():
        print_json({"sessions": rows, "unopened": unopened})
        return
    for row in rows:
        until = "" if row["expiration"] is None else f"  credentials until {row['expiration']}"
        name = click.style(str(row["session"]), bold=True)
        click.echo(f"{name}  {row['state']}  {', '.join(row['providers'])}{until}")
        click.echo(f"  {row['pool']}")
    if not rows:
        click.echo("No session is stored here.")
    if unopened:
        click.echo(f"{unopened} that the key at hand does not open, or damaged.", err=True)


async def _rows(store: EncryptedFileStore) -> tuple[list[dict[str, Any]], int]:
    names = await store.names()
    rows: list[dict[str, Any]] = []
    unopened = names.count(None)
    for name in names:
        pool, _, session = (name or "").partition("/")
        if not session:
            continue
        try:
            state = await stored_state(FederatedAuth(pool, store=store, session_name=session))
        except AuthError:  # of a later version, say; `session` tells more
            unopened += 1
            continue
        if isinstance(state, SignedOut):
            continue  # cleared a short while ago, or a guest's
        until = state.credentials.expiration if isinstance(state, Federated) else None
        rows.append(
            {
                "session": session,
                "state": state.name,
                "providers": [each.login_key for each in state.logins],
                "expiration": None if until is None else utc_text(until),
                "pool": pool,
            }
        )
    return rows, unopened


async def _unread(target: Target, forget: Callable[[FederatedAuth], Awaitable[T]]) -> T:
    """Forget a session, also one whose record the present key does not open.

    So the handle is not entered, which would read the record.
    """
    async with aclosing(target.open()) as auth:
        return await forget(auth)


@session_command(
    "clear",
    "amplify-federation clear --pool ID",
    "amplify-federation clear --session bob",
)
def clear(target: Target) -> None:
    """Forget the session, in every process of this machine. Needs no network.

    It is no error if nobody is signed in. The user stays signed in at the identity provider, and
    credentials that programs already have stay valid until their expiration.
    """
    run(
        lambda: _unread(target, FederatedAuth.clear_federation_to_identity_pool),
        doing="Clearing the session",
    )
    if wants_json():
        print_json({"state": "signed_out", "session": target.session})
    else:
        click.echo("Signed out.")


@session_command(
    "logout",
    "amplify-federation logout",
    "amplify-federation logout --session bob --local",
)
@click.option("--local", is_flag=True, help="Forget the session here; do not ask the provider.")
def logout(target: Target, *, local: bool) -> None:
    """Forget the session in every process of this machine, then have the provider revoke its
    refresh token, where it offers that.

    It is no error if nobody is signed in. The provider's own page in the browser stays signed in,
    and credentials that programs already have stay valid until their expiration. Exits with 8 if
    the session was forgotten here and the provider did not revoke the token.
    """  # noqa: D205  # click prints it all
    result = run(
        lambda: _unread(target, lambda auth: auth.sign_out(local=local)), doing="Signing out"
    )
    failed = result.revocation is Revocation.FAILED
    if wants_json():
        document = {
            "state": "signed_out",
            "session": target.session,
            "revocation": result.revocation.value,
            "message": result.message,
            "advice": result.recovery_suggestion,
        }
        print_json(document)
    else:
        click.echo("Signed out.")
        if result.revocation is not Revocation.NOTHING_TO_REVOKE:
            click.echo(result.message, err=failed)
        if result.recovery_suggestion:
            click.echo(f"  {result.recovery_suggestion}", err=failed)
    click.get_current_context().exit(int(ExitCode.UNAVAILABLE if failed else ExitCode.OK))
