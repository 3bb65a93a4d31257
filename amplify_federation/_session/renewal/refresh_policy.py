"""How a session's credentials stand, and whether anybody may be asked about them.

Every fetch begins with these questions, and most end with them. This file must not know how
credentials are renewed.
"""

from enum import Enum, auto

from amplify_federation._model.state import Expired, SignedOut
from amplify_federation._session.context import Context
from amplify_federation._session.renewal.lifespan import Lifespan, grant_of, lifespan_of


class Urgency(Enum):
    """How soon credentials have to be renewed."""

    NONE = auto()
    EARLY = auto()  # they still serve
    NOW = auto()


def life_of(context: Context) -> Lifespan | None:
    """Return the lifespan of the present grant, if there is one."""
    repository = context.repository
    grant = grant_of(repository.state)
    # Made anew each time, in 2 microseconds: kept, it would weigh as much as the credentials.
    return None if grant is None else lifespan_of(grant, context.settings, repository.ahead)


def is_usable(context: Context) -> bool:
    """Tell whether there are credentials that are not over."""
    life = life_of(context)
    return life is not None and not life.is_over(context.clock)


def urgency_of(context: Context) -> Urgency:
    """Tell how soon the present credentials, or those that are missing, have to be got."""
    clock, life = context.clock, life_of(context)
    if life is None or life.is_over(clock):
        return Urgency.NOW
    return Urgency.EARLY if life.is_due(clock) else Urgency.NONE


def may_help(context: Context) -> bool:
    """Tell whether this state is one in which somebody may be asked for credentials."""
    if context.repository.replaced:
        return False
    state = context.repository.state
    if isinstance(state, Expired):
        return context.has_source
    return context.pool.guest_access if isinstance(state, SignedOut) else True
