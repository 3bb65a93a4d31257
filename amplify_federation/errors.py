"""What can go wrong: one tree.

    AuthError
    ├── ValidationError                 an argument is wrong
    ├── ConfigurationError              the pool, endpoint, key or configuration file is wrong
    ├── InvalidAccountTypeError         the configuration has no identity pool
    ├── InvalidStateError               asked at the wrong time
    ├── SignedOutError                  nobody is signed in
    ├── SessionExpiredError             only a new provider token helps
    ├── ServiceError                    Cognito answered, and not with what was asked for
    │   ├── NotAuthorizedError          .reason says why, as far as Cognito's message tells
    │   ├── ResourceNotFoundError       no such pool or identity
    │   ├── ResourceConflictError       the login belongs to another identity
    │   ├── InvalidParameterError, InvalidIdentityPoolConfigurationError, LimitExceededError
    │   ├── TooManyRequestsError        throttled
    │   ├── ExternalServiceError        the identity provider did not answer Cognito
    │   ├── MalformedResponseError      the answer is not Cognito's
    │   └── InternalServiceError, UnknownServiceError
    ├── NetworkError                    connection, TLS, proxy
    │   └── CallTimeoutError            the deadline of the call
    └── StoreError
        ├── SessionFileCorruptError
        ├── SessionKeyError             the key is wrong or missing; the file was left alone
        ├── SessionFormatTooNewError
        ├── StoreConflictError          another writer came first
        └── StoreLockedError, StoreUnavailableError, UnsafePermissionsError

Every error has `message`, `recovery_suggestion` and `retryable`, survives pickling (so constructors
take a message and keyword arguments with defaults), and holds no secret. Imports nothing of the
package.
"""

import copy
from enum import StrEnum
from typing import ClassVar, Self


class AuthError(Exception):
    """Root of every error that this package raises on purpose.

    `retryable` tells whether the same call may succeed later.
    """

    recovery: ClassVar[str] = "The message says what to look at."
    retryable: bool = False

    def __init__(self, message: str, *, recovery_suggestion: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.recovery_suggestion = recovery_suggestion or self.recovery
        self.add_note(self.recovery_suggestion)

    def fresh_copy(self) -> Self:
        """Return an equal error without a traceback, for callers that share an outcome."""
        twin = copy.copy(self)
        twin.__cause__ = self.__cause__
        twin.__notes__ = [*self.__notes__]
        return twin


class ValidationError(AuthError):
    """An argument is wrong. Nothing was sent or written."""

    recovery = "Correct the argument; nothing was sent or written."


class ConfigurationError(AuthError):
    """The pool, endpoint, key or configuration file is wrong. Nothing was sent or written."""

    recovery = "Correct the configuration; nothing was sent or written."


class InvalidAccountTypeError(AuthError):
    """The configuration describes no identity pool."""

    recovery = "Add an identity pool to the configuration, or pass its id to `IdentityPool`."


class InvalidStateError(AuthError):
    """The call does not fit the present state of the session."""

    recovery = "Look at `auth.state` before this call."


class SignedOutError(AuthError):
    """Nobody is signed in."""

    recovery = "Call `federate_to_identity_pool` with a token of your identity provider."


class SessionExpiredError(AuthError):
    """The credentials are over, and nothing the session holds can renew them."""

    recovery = (
        "Get a new token from the identity provider and call `federate_to_identity_pool` with it; "
        "`sign_in`, or the command `amplify-federation login`, gets one of an OpenID provider."
    )


class ServiceError(AuthError):
    """Cognito, or something in its place, answered with an error.

    `code` and `request_id` are `None` where the answer has none; `status` is the HTTP status.
    """

    def __init__(  # noqa: PLR0913  # what a service error carries, all keyword-only
        self,
        message: str,
        *,
        operation: str = "",
        code: str | None = None,
        status: int = 0,
        request_id: str | None = None,
        retryable: bool = False,
        recovery_suggestion: str | None = None,
    ) -> None:
        super().__init__(message, recovery_suggestion=recovery_suggestion)
        self.operation = operation
        self.code = code
        self.status = status
        self.request_id = request_id
        self.retryable = retryable


class NotAuthorizedReason(StrEnum):
    """Why Cognito refused, as far as its message tells."""

    TOKEN_EXPIRED = "token_expired"
    TOKEN_MALFORMED = "token_malformed"
    TOKEN_SIGNATURE = "token_signature"
    TOKEN_INACTIVE = "token_inactive"
    WRONG_PROVIDER = "wrong_provider"
    PROVIDER_NOT_CONFIGURED = "provider_not_configured"
    GUESTS_OFF = "guests_off"
    IDENTITY_MISMATCH = "identity_mismatch"
    UNKNOWN = "unknown"


class NotAuthorizedError(ServiceError):
    """Cognito refused the login, the guest or the identity; `reason` says why."""

    recovery = SessionExpiredError.recovery
    reason: NotAuthorizedReason = NotAuthorizedReason.UNKNOWN
    # Whether a refusal whose reason has no word here is taken for a fault of the pool: its message
    # says so, or the token that was sent is good by its own `exp`.
    pools_fault: bool = False


class ResourceNotFoundError(ServiceError):
    """Cognito knows no such identity pool or identity."""

    recovery = "Check the identity pool id, its region and the identity id."


class ResourceConflictError(ServiceError):
    """The login is linked to another identity, or the identity has one of this provider."""

    recovery = "Unlink the login from the other identity first, or federate with it alone."


class InvalidParameterError(ServiceError):
    """Cognito found a parameter invalid."""

    recovery = "Check the provider, the token and the identity id against the pool's settings."


class InvalidIdentityPoolConfigurationError(ServiceError):
    """The pool has no role for this user, or may not assume it."""

    recovery = "Set the roles of the identity pool and their trust policies."


class LimitExceededError(ServiceError):
    """A preset limit of the pool or the account is reached."""

    recovery = "Ask AWS for a higher quota of Cognito Identity, then call again."


class TooManyRequestsError(ServiceError):
    """Cognito throttles; the retries of this call are used up."""

    recovery = "Call again later, and spread the calls."


class ExternalServiceError(ServiceError):
    """The identity provider did not answer Cognito."""

    recovery = "Call again later; the identity provider has a fault."


class InternalServiceError(ServiceError):
    """Cognito has a fault; the retries of this call are used up."""

    recovery = "Call again later; Cognito has a fault."


class MalformedResponseError(ServiceError):
    """The answer is not one that Cognito gives."""

    recovery = "Check the endpoint and the proxies on the way to it."


class UnknownServiceError(ServiceError):
    """The answer is an error without a code that we know, from a proxy perhaps."""

    recovery = MalformedResponseError.recovery


class NetworkError(AuthError):
    """No answer: connection, TLS, proxy or protocol."""

    recovery = "Check the network, the proxy and the endpoint, then call again."
    retryable = True


class CallTimeoutError(NetworkError):
    """The deadline of the whole call passed (`AuthSettings.timeout`)."""

    recovery = "Call again, or raise `AuthSettings.timeout`."


class StoreError(AuthError):
    """The session store failed."""

    recovery = "Run `amplify-federation doctor`."


class SessionFileCorruptError(StoreError):
    """The record is truncated, altered, or belongs to another session or pool."""

    recovery = "Federate again; the damaged record was set aside."


class SessionKeyError(StoreError):
    """The key does not open this session, or is missing. The record was left alone."""

    recovery = (
        "Give the key that sealed the session, or clear the session and federate again: "
        "`amplify-federation clear`, or `clear_federation_to_identity_pool()` of a `FederatedAuth` "
        "that was not entered with `async with`."
    )


class SessionFormatTooNewError(StoreError):
    """The record was written by a newer version of this package. It was left alone."""

    recovery = "Upgrade amplify_federation."


class StoreConflictError(StoreError):
    """The record is not the expected version: another writer came first."""

    recovery = "Read the record again and decide anew."


class StoreLockedError(StoreError):
    """Another process holds the lock of this session."""

    recovery = "End or resume the process that holds the lock, then call again."
    retryable = True


class StoreUnavailableError(StoreError):
    """The store cannot be read or written now; check its disk or server."""

    retryable = True


class UnsafePermissionsError(StoreError):
    """A file or folder of the store is open to others, linked, or not ours."""

    recovery = "Run the command in the message."
