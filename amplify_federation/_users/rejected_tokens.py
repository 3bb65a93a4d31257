"""Rejected tokens, remembered for a short time, so that a flood of one bad token costs one call.

This file owns which refusals are the token's own fault, and for how long they are believed. Faults
of the pool, of the service and of the network are never remembered.
"""

from collections import OrderedDict

from amplify_federation._cognito.errors import is_about_the_token
from amplify_federation._model.settings import Clock
from amplify_federation.errors import AuthError, NotAuthorizedError, NotAuthorizedReason

REMEMBERED_FOR = 10.0  # seconds
LIMIT = 4_096  # tokens; a flood of different ones must not fill the memory


class RejectedTokens:
    """The tokens that Cognito refused just now for what they are, at most `limit` of them."""

    def __init__(self, clock: Clock, *, limit: int = LIMIT) -> None:
        self._clock = clock
        self._limit = limit
        self._errors: OrderedDict[str, tuple[float, AuthError]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._errors)

    def get(self, name: str) -> AuthError | None:
        """Return the error of a token, if it is remembered."""
        until, error = self._errors.get(name, (0.0, None))
        if error is not None and self._clock.monotonic() >= until:
            del self._errors[name]
            return None
        return error

    def add(self, name: str, error: AuthError) -> None:
        """Remember an error if it says that this token is never any good."""
        if not _is_its_own_fault(error):
            return
        self._errors.pop(name, None)
        self._errors[name] = (self._clock.monotonic() + REMEMBERED_FOR, error)
        if len(self._errors) > self._limit:
            self._errors.popitem(last=False)


def _is_its_own_fault(error: AuthError) -> bool:
    if isinstance(error, NotAuthorizedError):
        return is_about_the_token(error) or error.reason is NotAuthorizedReason.WRONG_PROVIDER
    return False
