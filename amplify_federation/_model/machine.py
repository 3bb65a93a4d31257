"""The machine: everything that changes the state of a session is here.

It is pure: an event carries what happened, and states are values. An unlawful move raises
`InvalidStateError` and changes nothing. The table of moves is the `match` of `advance`; the table
of what listeners are told of a move is the `match` of `event_between`.
"""

from enum import StrEnum

from attrs import evolve, frozen

from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.refresh_grant import RefreshGrant
from amplify_federation._model.state import Expired, Federated, Grant, Login, SignedOut, State
from amplify_federation.errors import InvalidStateError


@frozen
class FederationSucceeded:
    """Cognito gave credentials for these logins."""

    grant: Grant
    linked_logins: tuple[Login, ...]


@frozen
class CredentialsRenewed:
    """Cognito gave new credentials for the linked logins."""

    grant: Grant


@frozen
class TokenRefused:
    """Cognito refused a stored token while the credentials are still good: it never helps again."""

    provider: AuthProvider


@frozen
class RefreshTokenRotated:
    """The provider gave a new refresh token, and may take the old one no more."""

    refresh_grant: RefreshGrant


@frozen
class RefreshTokenRefused:
    """The provider takes the refresh token of a login no more."""

    provider: AuthProvider


@frozen
class Lapsed:
    """The credentials are over and no stored token can renew them."""


@frozen
class GuestArrived:
    """Cognito gave a guest's credentials."""

    grant: Grant


@frozen
class Cleared:
    """The federation is to be forgotten."""


@frozen
class GuestForgotten:
    """The guest is to be forgotten, identity and all."""


Event = (
    FederationSucceeded
    | CredentialsRenewed
    | TokenRefused
    | RefreshTokenRotated
    | RefreshTokenRefused
    | Lapsed
    | GuestArrived
    | GuestForgotten
    | Cleared
)


def advance(state: State, event: Event) -> State:  # noqa: C901  # a table: a case for each move
    """Return the state after an event, or raise `InvalidStateError` for an unlawful move."""
    match state, event:
        case _, FederationSucceeded(grant, logins):
            return Federated(grant, logins)
        case Federated(_, logins), CredentialsRenewed(grant):
            return Federated(grant, logins)
        case Federated(grant, logins), TokenRefused(provider):
            return Federated(grant, _forget(logins, provider))
        case Federated() | Expired(), RefreshTokenRotated(refresh_grant):
            return _with_refresh_grant(state, refresh_grant.provider, refresh_grant)
        case Federated() | Expired(), RefreshTokenRefused(provider):
            return _with_refresh_grant(state, provider, None)
        case Federated(grant, logins), Lapsed():
            return Expired(grant.identity_id, tuple(login.without_token() for login in logins))
        case Expired(), Lapsed():
            return state
        case SignedOut(), GuestArrived(grant):
            return SignedOut(grant)
        case SignedOut(), GuestForgotten():
            return SignedOut()
        case SignedOut(), Cleared():
            return state  # nothing was federated; a guest stays
        case Federated() | Expired(), Cleared():
            return SignedOut()
        case _:
            message = f"{type(event).__name__} is not possible while {type(state).__name__}."
            raise InvalidStateError(message)


def _forget(logins: tuple[Login, ...], provider: AuthProvider) -> tuple[Login, ...]:
    return tuple(login.without_token() if login.provider == provider else login for login in logins)


def _with_refresh_grant(
    state: Federated | Expired, provider: AuthProvider, refresh_grant: RefreshGrant | None
) -> Federated | Expired:
    logins = tuple(
        evolve(login, refresh_grant=refresh_grant) if login.provider == provider else login
        for login in state.linked_logins
    )
    return evolve(state, linked_logins=logins)


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


def event_between(before: State, after: State, *, same_federation: bool) -> AuthEvent | None:
    """Return what listeners are told of a change, or `None` if it is no concern of theirs.

    `same_federation`: no federation and no clear came between the two states.
    """
    kind = _kind_of_change(before, after, same_federation=same_federation)
    return None if kind is None else AuthEvent(kind, after.name)


def _kind_of_change(before: State, after: State, *, same_federation: bool) -> AuthEventKind | None:
    match before, after:
        case Federated(old), Federated(new) if same_federation:
            return None if old == new else AuthEventKind.CREDENTIALS_RENEWED
        case _, Federated():
            return AuthEventKind.FEDERATED
        case Expired(), Expired():
            return None
        case _, Expired():
            return AuthEventKind.SESSION_EXPIRED
        case SignedOut(), SignedOut():
            return None
        case _:
            return AuthEventKind.FEDERATION_CLEARED
