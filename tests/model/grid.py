"""The machine's whole grid, found by asking the machine, and its picture for the README.

`python -m tests.model.grid` prints the picture.
"""

from amplify_federation._model.machine import (
    Cleared,
    CredentialsRenewed,
    Event,
    FederationSucceeded,
    GuestArrived,
    GuestForgotten,
    Lapsed,
    RefreshTokenRefused,
    RefreshTokenRotated,
    TokenRefused,
    advance,
)
from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.state import Expired, Federated, SignedOut, State
from amplify_federation.errors import InvalidStateError
from tests.model.samples import ALICE, grant, login, refresh_grant

LOGINS = (login(), login(AuthProvider.FACEBOOK))
STATES: tuple[State, ...] = (
    SignedOut(),
    Federated(grant(), LOGINS),
    Expired(ALICE, tuple(each.without_token() for each in LOGINS)),
)
EVENTS: dict[str, Event] = {
    "federation succeeded": FederationSucceeded(grant(key_id="ASIA2"), LOGINS),
    "credentials renewed": CredentialsRenewed(grant(key_id="ASIA2")),
    "token refused, credentials still good": TokenRefused(AuthProvider.GOOGLE),
    "refresh token replaced by the provider": RefreshTokenRotated(refresh_grant("new")),
    "refresh token refused": RefreshTokenRefused(AuthProvider.GOOGLE),
    "credentials over, and no token helps": Lapsed(),
    "guest arrived": GuestArrived(grant(key_id="ASIA2")),
    "guest forgotten": GuestForgotten(),
    "cleared": Cleared(),
}
UNLAWFUL = "unlawful"


def outcome(state: State, event: Event) -> str:
    """Return the name of the next state, or `unlawful`."""
    try:
        return type(advance(state, event)).__name__
    except InvalidStateError:
        return UNLAWFUL


def render() -> str:
    """Return the grid as a markdown table."""
    names = [type(state).__name__ for state in STATES]
    lines = [f"| event | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for words, event in EVENTS.items():
        cells = [outcome(state, event) for state in STATES]
        lines.append(f"| {words} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(render())
