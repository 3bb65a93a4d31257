"""Refusal: how the service says no. This file owns the codes and the texts that AWS uses.

The texts are those seen in public logs; they are no contract of AWS, so tests should look at the
code or at `NotAuthorizedError.reason`.
"""

from typing import Final

NOT_AUTHORIZED: Final = "NotAuthorizedException"
INVALID_PARAMETER: Final = "InvalidParameterException"
NOT_FOUND: Final = "ResourceNotFoundException"
CONFLICT: Final = "ResourceConflictException"
BAD_POOL: Final = "InvalidIdentityPoolConfigurationException"
THROTTLED: Final = "TooManyRequestsException"
SERIALIZATION: Final = "SerializationException"
UNKNOWN_OPERATION: Final = "UnknownOperationException"

TOKEN_MALFORMED: Final = "Invalid login token. Not a valid OpenId Connect identity token."
TOKEN_SIGNATURE: Final = "Invalid login token. Couldn't verify signed token."
TOKEN_ISSUER: Final = "Invalid login token. Issuer doesn't match providerName"
TOKEN_AUDIENCE: Final = "Invalid login token. Incorrect token audience."
TOKEN_UNKNOWN: Final = "Invalid login token."
TOKEN_INACTIVE: Final = "Token is inactive"
COGNITO_TOKEN: Final = "Invalid login token. Can't pass in a Cognito token."
NO_COGNITO_TOKEN: Final = "Invalid login token. Not a Cognito token."
UNSUPPORTED_PROVIDER: Final = "Token is not from a supported provider of this identity pool."
LOGINS_DO_NOT_MATCH: Final = (
    "Logins don't match. Please include at least one valid login for this identity or identity"
    " pool."
)
NO_GUESTS: Final = "Unauthenticated access is not supported for this identity pool."
NO_CLASSIC_FLOW: Final = "Basic (classic) flow is not enabled, please use enhanced flow."
NO_ROLE: Final = "Invalid identity pool configuration. Check assigned IAM roles for this pool."
LOGIN_CONFLICT: Final = "Login is already linked to a different account of the same provider."
RATE_EXCEEDED: Final = "Rate exceeded"


class Refusal(Exception):  # noqa: N818  # the service's word, not a fault of this program
    """An error answer: its code and, where AWS gives one, a message."""

    def __init__(self, code: str, message: str | None = None) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


def not_authorized(message: str) -> Refusal:
    """Return the refusal of a token, a guest or an identity."""
    return Refusal(NOT_AUTHORIZED, message)


def forbidden(identity_id: str) -> Refusal:
    """Return the refusal of an identity that needs a login which was not given."""
    return not_authorized(f"Access to Identity '{identity_id}' is forbidden.")


def no_pool(pool_id: str) -> Refusal:
    """Return the refusal of an unknown identity pool."""
    return Refusal(NOT_FOUND, f"IdentityPool '{pool_id}' not found.")


def no_identity(identity_id: str) -> Refusal:
    """Return the refusal of an unknown identity."""
    return Refusal(NOT_FOUND, f"Identity '{identity_id}' not found.")
