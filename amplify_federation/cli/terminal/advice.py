"""What to do about an error, for somebody at a terminal rather than in Python.

This file must not know how it is printed.
"""

from amplify_federation import (
    AuthError,
    CallTimeoutError,
    InvalidStateError,
    NotAuthorizedError,
    SessionExpiredError,
    SignedOutError,
)

_FEDERATE = "amplify-federation federate --provider NAME --token-file FILE"
_NEW_TOKEN = f"Get a new token from the identity provider, then run: {_FEDERATE}"
# An error's own advice names calls of the library. These classes get the command in its place,
# where the error carries the advice of its class; a special one says more than a class can.
_COMMANDS: tuple[tuple[type[AuthError], str], ...] = (
    (SignedOutError, f"Sign in: {_FEDERATE}"),
    (SessionExpiredError, _NEW_TOKEN),
    (NotAuthorizedError, _NEW_TOKEN),
    (CallTimeoutError, "Try again; if it happens again, run: amplify-federation doctor"),
    (InvalidStateError, "See who is signed in: amplify-federation session"),
)


def advice_for(error: AuthError) -> str:
    """Return what to do about an error."""
    for kind, advice in _COMMANDS:
        if isinstance(error, kind) and error.recovery_suggestion == kind.recovery:
            return advice
    return error.recovery_suggestion
