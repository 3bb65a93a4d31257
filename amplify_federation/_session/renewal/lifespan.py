"""How long a grant serves, by two clocks: the wall as the server has it, and a monotonic one.

A wall clock that jumps back must not prolong a session, and a monotonic one may stand still while
the machine sleeps: the first of the two that says "over" is believed.
"""

from attrs import frozen

from amplify_federation._core.expiry import is_from_the_future, window_of
from amplify_federation._core.settings import AuthSettings
from amplify_federation._core.state import Federated, Grant, SignedOut, State
from amplify_federation._network.server_clock import ServerClock


@frozen
class Lifespan:
    """The times from which a grant is renewed early and from which it is over."""

    grant: Grant
    renew_at: float
    over_at: float
    renew_monotonic: float
    over_monotonic: float

    def is_over(self, clock: ServerClock) -> bool:
        """Tell whether nobody may use the credentials any more."""
        now = clock.now()
        return (
            now >= self.over_at
            or clock.monotonic() >= self.over_monotonic
            or is_from_the_future(self.grant, now)
        )

    def is_due(self, clock: ServerClock) -> bool:
        """Tell whether one caller should renew them early."""
        return clock.now() >= self.renew_at or clock.monotonic() >= self.renew_monotonic


def lifespan_of(grant: Grant, settings: AuthSettings, ahead: float) -> Lifespan:
    """Return the lifespan of a grant.

    `ahead` is how far the monotonic clock was ahead of the server's when the grant was adopted.
    """
    window = window_of(grant, settings)
    return Lifespan(
        grant, window.renew_at, window.over_at, window.renew_at + ahead, window.over_at + ahead
    )


def grant_of(state: State) -> Grant | None:
    """Return the grant that a state holds."""
    match state:
        case Federated(grant):
            return grant
        case SignedOut(guest):
            return guest
        case _:
            return None
