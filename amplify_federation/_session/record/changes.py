"""Which event a change from one record to the next is. Pure."""

from amplify_federation._model.results import AuthEvent, AuthEventKind
from amplify_federation._model.state import Expired, Federated, SignedOut, State
from amplify_federation._session.record.schema import SessionRecord


def name_of(state: State) -> str:
    """Return the public name of a state."""
    match state:
        case SignedOut():
            return "signed_out"
        case Federated():
            return "federated"
        case Expired():
            return "expired"


def event_between(before: SessionRecord, after: SessionRecord) -> AuthEvent | None:
    """Return what listeners are told of a change, or `None` if it is no concern of theirs."""
    kind = _kind_of_change(before, after)
    return None if kind is None else AuthEvent(kind, name_of(after.state))


def _kind_of_change(before: SessionRecord, after: SessionRecord) -> AuthEventKind | None:
    match before.state, after.state:
        case Federated(old), Federated(new) if before.federation_id == after.federation_id:
            return None if old == new else AuthEventKind.CREDENTIALS_RENEWED
        case _, Federated():
            return AuthEventKind.FEDERATED
        case Expired(), Expired():
            return None
        case _, Expired():
            return AuthEventKind.SESSION_EXPIRED
        case SignedOut(), SignedOut():
            return None
        case _, SignedOut():
            return AuthEventKind.FEDERATION_CLEARED
