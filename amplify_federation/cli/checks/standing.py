"""How the stored session stands, without asking Cognito. This file must not know the disk."""

from amplify_federation import AuthError, Expired, SignedOut
from amplify_federation.cli.checks.finding import Finding, from_error, note, ok
from amplify_federation.cli.target import Target
from amplify_federation.cli.terminal.showing import remaining

_FEDERATE = "amplify-federation federate --provider NAME --token-file FILE"


async def session_finding(target: Target) -> Finding:
    """Return the state of the session as it lies in the store."""
    try:
        async with target.open() as auth:
            state = auth.state
    except AuthError as error:
        return from_error("session", error)
    if isinstance(state, SignedOut):
        return note("session", f"{target.session!r}: nobody is signed in", f"Sign in: {_FEDERATE}")
    if isinstance(state, Expired):
        return note("session", f"{target.session!r}: expired", f"With a new token: {_FEDERATE}")
    return ok("session", f"{target.session!r}: federated, {remaining(state.credentials)}")
