"""AuthSession: a snapshot of a session, as a fetch returns it."""

from typing import TYPE_CHECKING, Generic, TypeVar

from attrs import field, frozen

from amplify_federation._model.values import AWSCredentials, Value
from amplify_federation.errors import AuthError

if TYPE_CHECKING:
    from amplify_federation._model.results import UserPoolTokens

T = TypeVar("T")


@frozen(eq=False, repr=False)
class AuthResult(Value, Generic[T]):
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


@frozen(eq=False, repr=False)
class AuthSession(Value):
    """A snapshot of the session: each field has a value, or the error that says why there is none.

    `renewal_error` says why the last renewal failed while the values are still good.
    """

    is_signed_in: bool
    identity_id_result: AuthResult[str]
    credentials_result: AuthResult[AWSCredentials]
    user_pool_tokens_result: "AuthResult[UserPoolTokens]"
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
    def user_pool_tokens(self) -> "UserPoolTokens":
        """The user-pool tokens; raises the error that stands in their place."""
        return self.user_pool_tokens_result.value

    @property
    def user_sub(self) -> str:
        """The user-pool user's `sub`; raises the error that stands in its place."""
        return self.user_sub_result.value
