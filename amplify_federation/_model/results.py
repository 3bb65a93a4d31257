"""What the public calls return, and what listeners and token sources are told. Pure."""

from enum import StrEnum
from functools import partial
from typing import Generic, TypeVar

from attrs import field, frozen

from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.values import AWSCredentials, Secret, as_secret, checked_secret
from amplify_federation.errors import AuthError


@frozen
class AuthUser:
    """A user of a user pool. `user_id` is the claim `sub` of the ID token."""

    user_id: str
    username: str


@frozen(init=False)
class UserPoolTokens:
    """Tokens of a Cognito user pool, as the application's own sign-in got them.

    Raises `ValidationError` for a token that is no text or empty.
    """

    _id_token: Secret
    _access_token: Secret | None

    def __init__(self, id_token: str | Secret, access_token: str | Secret | None = None) -> None:
        own, further = (
            as_secret(id_token),
            None if access_token is None else as_secret(access_token),
        )
        del id_token, access_token  # no frame of a traceback may hold them
        put = partial(object.__setattr__, self)
        put("_id_token", checked_secret(own))
        put("_access_token", None if further is None else checked_secret(further))

    @property
    def id_token(self) -> str:
        """The ID token, a JWT."""
        return self._id_token.reveal()

    @property
    def access_token(self) -> str | None:
        """The access token, if the application gave one."""
        return None if self._access_token is None else self._access_token.reveal()


T = TypeVar("T")


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


@frozen
class FederationResult:
    """What a federation gives: the identity of Cognito's answer, and its credentials."""

    identity_id: str
    credentials: AWSCredentials


@frozen
class TokenRequest:
    """Why a `token_source` is asked for a new provider token."""

    provider: AuthProvider
    identity_id: str
    reason: str


class Revocation(StrEnum):
    """What became of a refresh token at its provider."""

    REVOKED = "revoked"
    NOT_OFFERED = "not_offered"
    NOTHING_TO_REVOKE = "nothing_to_revoke"
    FAILED = "failed"
    NOT_ASKED = "not_asked"


_ADVICE = {
    Revocation.NOT_OFFERED: (
        "The provider offers no revocation: to end the refresh token there, remove this "
        "application on the provider's page of connected applications."
    ),
    Revocation.FAILED: (
        "The session is forgotten here; to end the refresh token at the provider, remove this "
        "application on the provider's page of connected applications."
    ),
}


@frozen
class SignOutResult:
    """What a sign-out did beside forgetting the session, which it did in any case.

    `message` says it in one sentence; `recovery_suggestion` says what is left to do, or is `None`.
    """

    revocation: Revocation
    message: str
    recovery_suggestion: str | None = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "recovery_suggestion", _ADVICE.get(self.revocation))


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
