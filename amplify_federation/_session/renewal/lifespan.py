"""How long a grant serves, by two clocks: the wall as the server has it, and a monotonic one.

A wall clock that jumps back must not prolong a session, and a monotonic one may stand still while
the machine sleeps: the first of the two that says "over" is believed.
"""

from typing import NamedTuple

from amplify_federation._http.server_clock import ServerClock
from amplify_federation._model.settings import AuthSettings
from amplify_federation._model.state import Federated, Grant, SignedOut, State

MAX_CLOCK_LEAD = 300.0  # seconds that an issue time may lie ahead of the clock


class Lifespan(NamedTuple):
    """The times from which a grant is renewed early and from which it is over.

    Of both clocks: epoch seconds on the server's, and monotonic seconds.
    """

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


def is_from_the_future(grant: Grant, now: float) -> bool:
    """Tell whether a grant was issued after `now`: then the clock jumped back, and it is over."""
    return grant.issued_at > now + MAX_CLOCK_LEAD


def lifespan_of(grant: Grant, settings: AuthSettings, ahead: float) -> Lifespan:
    """Return the lifespan of a grant; short-lived credentials get short margins.

    `ahead` is how far the monotonic clock was ahead of the server's when the grant was adopted.
    """
    expiration = grant.credentials.expiration.timestamp()
    lifetime = max(0.0, expiration - grant.issued_at)
    over_at = expiration - min(settings.expiry_margin, lifetime / 2)
    renew_at = over_at - min(settings.refresh_window, lifetime / 10)
    return Lifespan(grant, renew_at, over_at, renew_at + ahead, over_at + ahead)


def grant_of(state: State) -> Grant | None:
    """Return the grant that a state holds."""
    match state:
        case Federated(grant):
            return grant
        case SignedOut(guest):
            return guest
        case _:
            return None
