"""AuthEvent: one change of a session, and which changes listeners are told of."""

from enum import StrEnum

from attrs import frozen

from amplify_federation._model.state import Expired, Federated, SignedOut, State


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
