"""ServiceRefusal: an error of the service. This file owns the codes and the texts that AWS uses.

The texts are those seen in public logs, except the last group, which has no public source. None
is a contract of AWS: tests should look at the code, or at `NotAuthorizedError.reason`.
"""

from typing import Final

NOT_AUTHORIZED: Final = "NotAuthorizedException"
VALIDATION: Final = "ValidationException"
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
ROLE_DENIED: Final = "The ambiguous role mapping rules for: {provider} denied this request."
LIST_FOUND: Final = "Start of list found where not expected"
MAP_FOUND: Final = "Start of structure or map found where not expected."

MISSING_SIGNATURE: Final = "MissingAuthenticationTokenException"
INCOMPLETE_SIGNATURE: Final = "IncompleteSignatureException"
INVALID_SIGNATURE: Final = "InvalidSignatureException"
CONCURRENT_MODIFICATION: Final = "ConcurrentModificationException"
ALREADY_REGISTERED: Final = "DeveloperUserAlreadyRegisteredException"

SIGNATURE_MISMATCH: Final = (
    "The request signature we calculated does not match the signature you provided. Check your AWS"
    " Secret Access Key and signing method. Consult the service documentation for details."
)
NO_PROVIDERS: Final = "Identity pool does not have identity providers configured."
NO_PUBLIC_PROVIDER: Final = "Please provide a valid public provider"
CLASSIC_FLOW_WITH_MAPPINGS: Final = (
    "Basic (classic) flow is not supported with RoleMappings, please use enhanced flow."
)
UNKNOWN_DEVELOPER_PROVIDER: Final = (
    "This identity pool does not support the specified developer provider"
)

# Texts without a public source. The codes are those of the service's API reference.
ROLE_NOT_OFFERED: Final = "CustomRoleArn is not one of the roles of the token."
PAGE_UNKNOWN: Final = "Invalid NextToken."
NO_DEVELOPER_LOGIN: Final = "Please provide exactly one login of a developer provider."
ALREADY_REGISTERED_TEXT: Final = "Developer user is already registered with another identity."
NO_DEVELOPER_USER: Final = "Developer user identifier is not found."
LOOKUP_NEEDS_ONE: Final = "Please provide an IdentityId or a DeveloperUserIdentifier."
LOOKUP_DIFFERS: Final = "The IdentityId and the DeveloperUserIdentifier do not belong together."
SAME_DEVELOPER_USER: Final = "Source and destination are one developer user."
NO_RESOURCE: Final = "The resource is not found."
CREDENTIAL_FORM: Final = "Credential must have exactly 5 slash-delimited elements."  # and a value
NOT_LINKED: Final = "Provider '{provider}' is not linked to this identity."
ROLE_KEY_UNKNOWN: Final = "is not a valid RoleMapping ProviderName or is not a configured provider."


class ServiceRefusal(Exception):  # noqa: N818  # the service's word, not a fault of this program
    """An error answer: its code and, where AWS gives one, a message."""

    def __init__(self, code: str, message: str | None = None) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


def not_authorized(message: str) -> ServiceRefusal:
    """Return the refusal of a token, a guest or an identity."""
    return ServiceRefusal(NOT_AUTHORIZED, message)


def forbidden(identity_id: str) -> ServiceRefusal:
    """Return the refusal of an identity that needs a login which was not given."""
    return not_authorized(f"Access to Identity '{identity_id}' is forbidden.")


def no_pool(pool_id: str) -> ServiceRefusal:
    """Return the refusal of an unknown identity pool."""
    return ServiceRefusal(NOT_FOUND, f"IdentityPool '{pool_id}' not found.")


def no_identity(identity_id: str) -> ServiceRefusal:
    """Return the refusal of an unknown identity."""
    return ServiceRefusal(NOT_FOUND, f"Identity '{identity_id}' not found.")
