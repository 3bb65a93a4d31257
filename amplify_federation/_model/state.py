"""The states of a session: signed out, federated or expired. `machine` has the moves."""

from typing import TYPE_CHECKING, ClassVar

from attrs import evolve, frozen

from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.values import AWSCredentials, Secret, SubjectDigest, Value

if TYPE_CHECKING:  # few sessions have one
    from amplify_federation._model.refresh_grant import RefreshGrant


@frozen(eq=False, repr=False)
class Login(Value):
    """One sign-in at a provider. The token is there while it is remembered and not refused.

    `refresh_grant`: what a new token takes, if the application gave it with the token.
    """

    provider: AuthProvider
    token: Secret | None = None
    subject: SubjectDigest | None = None
    refresh_grant: "RefreshGrant | None" = None

    def without_token(self) -> "Login":
        """Return the same login with its token gone."""
        return evolve(self, token=None)


@frozen(eq=False, repr=False)
class Grant(Value):
    """An identity with its credentials. `issued_at`: epoch seconds on the server's clock."""

    identity_id: str
    credentials: AWSCredentials
    issued_at: float


@frozen(eq=False, repr=False)
class SignedOut(Value):
    """Nobody is signed in; a guest's grant may be around."""

    name: ClassVar[str] = "signed_out"
    guest: Grant | None = None


@frozen(eq=False, repr=False)
class Federated(Value):
    """A user is signed in through the logins in `linked_logins`."""

    name: ClassVar[str] = "federated"
    grant: Grant
    linked_logins: tuple[Login, ...]

    @property
    def identity_id(self) -> str:
        """The Cognito identity id."""
        return self.grant.identity_id

    @property
    def credentials(self) -> AWSCredentials:
        """The credentials as they were last issued, over or not."""
        return self.grant.credentials

    @property
    def logins(self) -> tuple[AuthProvider, ...]:
        """The providers of this session's logins, never their tokens."""
        return tuple(login.provider for login in self.linked_logins)


@frozen(eq=False, repr=False)
class Expired(Value):
    """The credentials are over and only a new token helps. The identity is kept."""

    name: ClassVar[str] = "expired"
    identity_id: str
    linked_logins: tuple[Login, ...]

    @property
    def logins(self) -> tuple[AuthProvider, ...]:
        """The providers that may bring this session back."""
        return tuple(login.provider for login in self.linked_logins)


State = SignedOut | Federated | Expired
