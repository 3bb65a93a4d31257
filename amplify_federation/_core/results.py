"""What the public calls return. This file must not know how any of it came about."""

from enum import StrEnum
from typing import Generic, TypeVar

from attrs import field, frozen

from amplify_federation._core.providers import AuthProvider
from amplify_federation._core.values import AWSCredentials, UserPoolTokens
from amplify_federation.errors import AuthError

T = TypeVar("T")


@frozen
class FederationResult:
    """What a federation gives: the identity of Cognito's answer, and its credentials."""

    identity_id: str
    credentials: AWSCredentials


@frozen
class AuthUser:
    """A user of a user pool. `user_id` is the claim `sub` of the ID token."""

    user_id: str
    username: str


@frozen
class AuthResult(Generic[T]):
    """A value, or the error that stands in its place."""

    value_or_none: T | None = None
    _error: AuthError | None = field(default=None, alias="error")

    @property
    def error(self) -> AuthError | None:
        """The error that stands in the value's place, or `None`.

        A fresh copy, so that callers that share a session do not share a traceback.
        """
        return None if self._error is None else self._error.fresh_copy()

    @property
    def value(self) -> T:
        """Return the value, or raise a fresh copy of the stored error."""
        error = self.error
        if error is not None:
            raise error
        return self.value_or_none  # type: ignore[return-value]  # no error: there is a value


@frozen
class AuthSession:
    """One look at the session: each field is a value, or says why there is none.

    `renewal_error` says why the last renewal failed while the values are still good.
    """

    is_signed_in: bool
    identity_id_result: AuthResult[str]
    credentials_result: AuthResult[AWSCredentials]
    user_pool_tokens_result: AuthResult[UserPoolTokens]
    user_sub_result: AuthResult[str]
    renewal_error: AuthError | None = None

    @property
    def identity_id(self) -> str:
        """The Cognito identity id; raises the error that stands in its place."""
        return self.identity_id_result.value

    @property
    def credentials(self) -> AWSCredentials:
        """The AWS credentials; raises the error that stands in their place."""
        return self.credentials_result.value

    @property
    def user_pool_tokens(self) -> UserPoolTokens:
        """The user-pool tokens; raises the error that stands in their place."""
        return self.user_pool_tokens_result.value

    @property
    def user_sub(self) -> str:
        """The user-pool user's `sub`; raises the error that stands in its place."""
        return self.user_sub_result.value


class AuthEventKind(StrEnum):
    """What happened to a session."""

    FEDERATED = "federated"
    CREDENTIALS_RENEWED = "credentials_renewed"
    SESSION_EXPIRED = "session_expired"
    FEDERATION_CLEARED = "federation_cleared"


@frozen
class AuthEvent:
    """One change of a session; `state` is `signed_out`, `federated` or `expired`."""

    kind: AuthEventKind
    state: str


@frozen
class TokenRequest:
    """Why a `token_source` is asked for a new provider token."""

    provider: AuthProvider
    identity_id: str
    reason: str
