"""What listeners are told of a session."""

from enum import StrEnum

from attrs import frozen


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
