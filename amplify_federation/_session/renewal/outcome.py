"""How one renewal ended, and the line that is logged about it.

This file must not know how credentials are renewed.
"""

import logging

from attrs import frozen

from amplify_federation.errors import AuthError

logger = logging.getLogger("amplify_federation")


@frozen
class Outcome:
    """How one piece of work ended.

    `gave_way`: another process is at it. `changed`: the session is not the one that was to be
    renewed. `hurried`: its caller had less time than a call has.
    """

    error: AuthError | None = None
    gave_way: bool = False
    changed: bool = False
    hurried: bool = False

    @property
    def word(self) -> str:
        """The outcome in one word; a failure is named by its error's class."""
        if self.gave_way:
            return "gave_way"
        if self.changed:
            return "not_needed"
        return "renewed" if self.error is None else type(self.error).__name__


def log_renewal(outcome: Outcome, session: str, *, early: bool, seconds: float) -> None:
    """Log one renewal: the class of what went wrong, never its message."""
    logger.log(
        logging.WARNING if outcome.error and not outcome.gave_way else logging.INFO,
        "Renewal of a session: %s, after %.3f s.",
        outcome.word,
        seconds,
        extra={
            "event": "renewal",
            "session": session,
            "outcome": outcome.word,
            "early": early,
            "seconds": seconds,
        },
    )
