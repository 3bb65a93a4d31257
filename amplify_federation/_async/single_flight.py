"""Single flight: any number of callers, one piece of work; also by key.

The first caller leads and works in its own task, so no task outlives its caller. If the leader is
cancelled, one of the followers leads anew; nobody else notices.
"""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio
from attrs import define, field

T = TypeVar("T")


class _Attempt(Generic[T]):
    """One leader's try; `next` is that of the follower who took over when it was cancelled."""

    __slots__ = ("next", "outcome", "over")

    def __init__(self) -> None:
        self.over = anyio.Event()
        self.outcome: list[T] = []
        self.next: _Attempt[T] | None = None


class SingleFlight(Generic[T]):
    """One piece of work that concurrent callers share."""

    __slots__ = ("_attempt",)

    def __init__(self) -> None:
        self._attempt: _Attempt[T] | None = None

    @property
    def is_running(self) -> bool:
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


@define
class _Callers(Generic[T]):
    """The callers of one key. It is kept until the last has left: one of them may lead."""

    flight: SingleFlight[T] = field(factory=SingleFlight[T])
    count: int = 0


class KeyedSingleFlight(Generic[T]):
    """One piece of work at a time for each key; see `SingleFlight`."""

    __slots__ = ("_callers_of",)

    def __init__(self) -> None:
        self._callers_of: dict[str, _Callers[T]] = {}

    def __len__(self) -> int:
        return len(self._callers_of)

    async def join(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        """Return the outcome of the work under way for this key, or do it."""
        callers = self._callers_of.setdefault(key, _Callers())
        callers.count += 1
        try:
            return await callers.flight.join(work)
        finally:
            callers.count -= 1
            if not callers.count:
                del self._callers_of[key]
