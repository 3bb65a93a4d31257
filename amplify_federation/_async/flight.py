"""Single flight: any number of callers, one piece of work.

The first caller leads and works in its own task, so no task outlives its caller. If the leader is
cancelled, one of the followers leads anew; nobody else notices.
"""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio

T = TypeVar("T")


class _Attempt(Generic[T]):
    """One leader's try; `next` is that of the follower who took over when it was cancelled."""

    __slots__ = ("next", "outcome", "over")

    def __init__(self) -> None:
        self.over = anyio.Event()
        self.outcome: list[T] = []
        self.next: _Attempt[T] | None = None


class Flight(Generic[T]):
    """One piece of work that concurrent callers share."""

    __slots__ = ("_attempt",)

    def __init__(self) -> None:
        self._attempt: _Attempt[T] | None = None

    @property
    def in_the_air(self) -> bool:
        """Whether somebody is at work."""
        return self._attempt is not None

    async def join(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return the outcome of the work under way, or do it.

        What `work` raises goes to its leader alone, and a follower leads anew; so let `work`
        return its failures.
        """
        last: _Attempt[T] | None = None
        attempt = self._attempt
        while attempt is not None:
            await attempt.over.wait()
            if attempt.outcome:
                return attempt.outcome[0]
            # Another follower may have led in its place, and be done already.
            last, attempt = attempt, attempt.next or self._attempt
        attempt = self._attempt = _Attempt()
        if last is not None:
            last.next = attempt
        try:
            outcome = await work()
            attempt.outcome.append(outcome)
        finally:
            self._attempt = None
            attempt.over.set()
        return outcome
