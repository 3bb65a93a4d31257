"""How the command ends with an error: the exit code, and the advice at a terminal."""

from enum import IntEnum

from amplify_federation import (
    AuthError,
    CallTimeoutError,
    ConfigurationError,
    ExternalServiceError,
    InternalServiceError,
    InvalidAccountTypeError,
    InvalidStateError,
    MalformedResponseError,
    NetworkError,
    NotAuthorizedError,
    ServiceError,
    SessionExpiredError,
    SignedOutError,
    StoreError,
    TooManyRequestsError,
    UnknownServiceError,
    ValidationError,
)


class ExitCode(IntEnum):
    """What a script can tell apart."""

    OK = 0
    FAULT = 1
    USAGE = 2  # click's own
    CONFIGURATION = 3
    SIGNED_OUT = 4
    EXPIRED = 5
    REFUSED = 6
    NETWORK = 7
    UNAVAILABLE = 8
    STORE = 9
    CONFLICT = 10
    INTERRUPTED = 130  # 128 + SIGINT, as shells have it


MEANINGS = {
    ExitCode.OK: "all went well",
    ExitCode.FAULT: "a fault of this program, or a check that failed",
    ExitCode.USAGE: "wrong usage: an option, a token, a name",
    ExitCode.CONFIGURATION: "wrong or missing configuration: pool, endpoint, key",
    ExitCode.SIGNED_OUT: "nobody is signed in",
    ExitCode.EXPIRED: "the session is over; only a new token of the provider helps",
    ExitCode.REFUSED: "Cognito refused the token, the identity or the guest",
    ExitCode.NETWORK: "no answer from Cognito",
    ExitCode.UNAVAILABLE: "Cognito is throttling or has a fault; try again later",
    ExitCode.STORE: "the stored session cannot be read or written",
    ExitCode.CONFLICT: "the session was cleared or replaced meanwhile",
    ExitCode.INTERRUPTED: "interrupted",
}

# The first row that fits decides, so the special stands before the general.
_BY_ERROR: tuple[tuple[type[AuthError], ExitCode], ...] = (
    (ValidationError, ExitCode.USAGE),
    (ConfigurationError, ExitCode.CONFIGURATION),
    (InvalidAccountTypeError, ExitCode.CONFIGURATION),
    (SignedOutError, ExitCode.SIGNED_OUT),
    (SessionExpiredError, ExitCode.EXPIRED),
    (InvalidStateError, ExitCode.CONFLICT),
    (TooManyRequestsError, ExitCode.UNAVAILABLE),
    (InternalServiceError, ExitCode.UNAVAILABLE),
    (ExternalServiceError, ExitCode.UNAVAILABLE),
    (MalformedResponseError, ExitCode.UNAVAILABLE),
    (UnknownServiceError, ExitCode.UNAVAILABLE),
    (ServiceError, ExitCode.REFUSED),
    (NetworkError, ExitCode.NETWORK),
    (StoreError, ExitCode.STORE),
)


def exit_code_of(error: AuthError) -> ExitCode:
    """Return how the command ends with this error."""
    for kind, code in _BY_ERROR:
        if isinstance(error, kind):
            return code
    return ExitCode.FAULT


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
