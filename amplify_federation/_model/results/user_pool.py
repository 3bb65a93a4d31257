"""A user pool's user and tokens, as the application's own sign-in has them."""

from functools import partial

from attrs import frozen

from amplify_federation._model.values import Secret, as_secret, checked_secret


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
