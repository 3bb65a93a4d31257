"""How the command ends with an error: its exit code, and its advice for a terminal."""

from enum import IntEnum

from amplify_federation import AuthError, errors


class ExitCode(IntEnum):
    """The exit codes, by which a script knows the kind of an error."""

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
    ExitCode.EXPIRED: "the session is over; only a new sign-in or token helps",
    ExitCode.REFUSED: "the provider or Cognito refused the user, the token or the guest",
    ExitCode.NETWORK: "no answer from the provider or Cognito, or no sign-in in time",
    ExitCode.UNAVAILABLE: "the provider or Cognito has a fault or throttles; try again later",
    ExitCode.STORE: "the stored session cannot be read or written",
    ExitCode.CONFLICT: "the session was cleared or replaced meanwhile",
    ExitCode.INTERRUPTED: "interrupted",
}

# The first row that fits decides, so subclasses come before their base class.
_BY_ERROR: tuple[tuple[type[AuthError], ExitCode], ...] = (
    (errors.ValidationError, ExitCode.USAGE),
    (errors.ConfigurationError, ExitCode.CONFIGURATION),
    (errors.InvalidAccountTypeError, ExitCode.CONFIGURATION),
    (errors.SignedOutError, ExitCode.SIGNED_OUT),
    (errors.SessionExpiredError, ExitCode.EXPIRED),
    (errors.InvalidStateError, ExitCode.CONFLICT),
    (errors.TooManyRequestsError, ExitCode.UNAVAILABLE),
    (errors.InternalServiceError, ExitCode.UNAVAILABLE),
    (errors.ExternalServiceError, ExitCode.UNAVAILABLE),
    (errors.MalformedResponseError, ExitCode.UNAVAILABLE),
    (errors.UnknownServiceError, ExitCode.UNAVAILABLE),
    (errors.ServiceError, ExitCode.REFUSED),
    (errors.NetworkError, ExitCode.NETWORK),
    (errors.StoreError, ExitCode.STORE),
)


def code_of_program(error: OSError) -> int:
    """Return how the command ends if it cannot run a program, as shells have it."""
    return 127 if isinstance(error, FileNotFoundError) else 126


def exit_code_of(error: AuthError) -> ExitCode:
    """Return how the command ends with this error."""
    for kind, code in _BY_ERROR:
        if isinstance(error, kind):
            return code
    return ExitCode.FAULT


SIGN_IN = (
    "amplify-federation login; with a token of your own: "
    "amplify-federation federate --provider NAME --token-file FILE"
)
# An error's own advice names calls of the library. Where it is that of the error's class, a command
# replaces it; advice for the very case stays.
_COMMANDS: tuple[tuple[type[AuthError], str], ...] = (
    (errors.SignedOutError, f"Sign in: {SIGN_IN}"),
    (errors.SessionExpiredError, f"Sign in again: {SIGN_IN}"),
    (errors.NotAuthorizedError, f"Sign in again, for a new token: {SIGN_IN}"),
    (errors.CallTimeoutError, "Try again; if it happens again, run: amplify-federation doctor"),
    (errors.InvalidStateError, "See who is signed in: amplify-federation session"),
)
# The library's names in such advice, and the option in their place.
_OPTIONS = (
    ("`timeout` gives more", "--timeout gives more"),
    ("`redirect_port`", "--port"),
    ("pass another --port", "give another --port"),
    ("`device=True`", "login --device"),
    ("`device=False`", "login --no-browser"),
    ("`discovery_url`", "--discovery-url"),
    ("give `EncryptedFileStore` its path", "give --store FOLDER"),
    ("Pass the issuer", "Give the issuer, as --provider oidc:ISSUER,"),
)


def advice_for(error: AuthError) -> str:
    """Return what to do about an error."""
    for kind, advice in _COMMANDS:
        if isinstance(error, kind) and error.recovery_suggestion == kind.recovery:
            return advice
    text = error.recovery_suggestion
    for name, option in _OPTIONS:
        text = text.replace(name, option)
    return text
