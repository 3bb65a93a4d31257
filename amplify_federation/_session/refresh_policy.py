"""How long credentials are valid, when they are renewed, and whether anything can renew them.

A lifespan is measured by two clocks: the wall clock on the server's time, and a monotonic one. A
wall clock that jumps back must not prolong a session, and a monotonic one may stand still while the
machine sleeps: credentials are over as soon as one of the two says so.
"""

from enum import Enum, auto
from typing import NamedTuple

from amplify_federation._http.server_clock import ServerClock
from amplify_federation._model.settings import AuthSettings
from amplify_federation._model.state import Expired, Federated, Grant, SignedOut, State
from amplify_federation._session.context import Context

MAX_CLOCK_LEAD = 300.0  # seconds that an issue time may lie ahead of the clock


class Lifespan(NamedTuple):
    """The times from which a grant is renewed early, and from which it is over.

    Of both clocks: epoch seconds on the server's, and monotonic seconds.
    """

    grant: Grant
    renew_at: float
    over_at: float
    renew_monotonic: float
    over_monotonic: float

    def is_over(self, clock: ServerClock) -> bool:
        """Tell whether the credentials must not be used any more."""
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


class RenewalNeed(Enum):
    """Whether credentials have to be renewed, in the terms of botocore's refresh."""

    NONE = auto()
    ADVISORY = auto()  # they are still valid
    MANDATORY = auto()


def life_of(context: Context) -> Lifespan | None:
    """Return the lifespan of the present grant, if there is one."""
    repository = context.repository
    grant = grant_of(repository.state)
    # Made anew each time, in 2 microseconds: stored, it would take the memory of credentials.
    return None if grant is None else lifespan_of(grant, context.settings, repository.ahead)


def is_usable(context: Context) -> bool:
    """Tell whether there are credentials that are not over."""
    life = life_of(context)
    return life is not None and not life.is_over(context.clock)


def renewal_need(context: Context) -> RenewalNeed:
    """Tell whether the present credentials have to be renewed; missing ones have to."""
    clock, life = context.clock, life_of(context)
    if life is None or life.is_over(clock):
        return RenewalNeed.MANDATORY
    return RenewalNeed.ADVISORY if life.is_due(clock) else RenewalNeed.NONE


def may_help(context: Context) -> bool:
    """Tell whether this state is one in which credentials may be requested."""
    if context.repository.replaced:
        return False
    state = context.repository.state
    if isinstance(state, Expired):
        return context.has_source
    return context.pool.guest_access if isinstance(state, SignedOut) else True
