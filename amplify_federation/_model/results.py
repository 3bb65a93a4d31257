"""What the public calls return beside a session, and what a token source is given."""

from enum import StrEnum
from functools import partial

from attrs import field, frozen

from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.values import AWSCredentials, Secret, as_secret, checked_secret


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
