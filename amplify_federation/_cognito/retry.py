"""How long to wait before the next attempt, and whether there may be one.

AWS "standard" retry mode with its 2026 numbers. This file owns the numbers; random numbers are
arguments.
"""

import math
from collections.abc import Mapping

from amplify_federation.errors import (
    AuthError,
    ExternalServiceError,
    InternalServiceError,
    NetworkError,
    TooManyRequestsError,
)

MAX_DELAY = 20.0  # seconds
THROTTLING_SCALE = 1.0  # seconds
TRANSIENT_SCALE = 0.05  # seconds
RETRY_AFTER_SPAN = 5.0  # seconds that a server may add to the computed delay
QUOTA = 500
THROTTLING_COST = 5
TRANSIENT_COST = 14
FIRST_TRY_REFUND = 1


def may_retry(error: AuthError, attempt: int) -> bool:
    """Tell whether an error is worth another attempt after attempt number `attempt` (from 1)."""
    if isinstance(error, NetworkError):
        return error.retryable
    if isinstance(error, ExternalServiceError):
        return attempt == 1  # the provider's fault, not Cognito's: asked once more
    return isinstance(error, TooManyRequestsError | InternalServiceError)


def cost_of(error: AuthError) -> int:
    """Return what a retry after this error takes from the quota."""
    return THROTTLING_COST if isinstance(error, TooManyRequestsError) else TRANSIENT_COST


def delay_before(
    retry: int, error: AuthError, *, chance: float, headers: Mapping[str, str]
) -> float:
    """Return the seconds to wait before retry number `retry` (from 1).

    `chance` is drawn evenly from [0, 1). The server's `x-amz-retry-after`, in milliseconds, moves
    the delay up to 5 s beyond the computed one; a malformed or negative one is ignored.
    """
    scale = THROTTLING_SCALE if isinstance(error, TooManyRequestsError) else TRANSIENT_SCALE
    delay = chance * min(math.ldexp(scale, retry - 1), MAX_DELAY)
    wanted = _retry_after(headers.get("x-amz-retry-after"))
    return delay if wanted is None else min(max(wanted, delay), delay + RETRY_AFTER_SPAN)


def _retry_after(value: str | None) -> float | None:
    try:
        seconds = float(value or "") / 1000
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


class RetryQuota:
    """A budget of retries, shared by all sessions over one client.

    It keeps many callers from multiplying the load on a failing service.
    """

    def __init__(self) -> None:
        self.left = QUOTA

    def take(self, cost: int) -> bool:
        """Pay for a retry; False if the quota does not cover it."""
        if cost > self.left:
            return False
        self.left -= cost
        return True

    def give_back(self, last_cost: int | None) -> None:
        """Add the last retry's cost after a success, or 1 if there was no retry."""
        self.left = min(QUOTA, self.left + (FIRST_TRY_REFUND if last_cost is None else last_cost))
