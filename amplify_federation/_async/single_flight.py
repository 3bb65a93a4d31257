"""Single flight: any number of callers, one piece of work; also by key.

The first caller leads and works in its own task, so no task outlives its caller. If the leader is
cancelled, one of the followers leads anew; nobody else notices.
"""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio
from attrs import define, field

from amplify_federation.errors import AuthError

T = TypeVar("T")


class _Attempt(Generic[T]):
    """One leader's try; `next` is that of the follower who took over when it was cancelled."""

    __slots__ = ("ended", "failure", "next", "results")

    def __init__(self) -> None:
        self.ended = anyio.Event()
        self.results: list[T] = []
        self.failure: AuthError | None = None
        self.next: _Attempt[T] | None = None

    @property
    def has_outcome(self) -> bool:
        """Whether the leader came to an end, good or bad."""
        return bool(self.results) or self.failure is not None

    def result(self) -> T:
        """Return the result, or raise the failure: a copy for each caller, without a traceback."""
        if self.failure is not None:
            raise self.failure.fresh_copy()
        return self.results[0]


class SingleFlight(Generic[T]):
    """One piece of work that concurrent callers share."""

    __slots__ = ("_attempt",)

    def __init__(self) -> None:
        self._attempt: _Attempt[T] | None = None

    @property
    def is_running(self) -> bool:
        """Whether the work is under way."""
        return self._attempt is not None

    async def join(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return the result of the work under way, or do it.

        An `AuthError` that `work` raises is raised to every caller. Any other exception goes to
        the leader alone, and a follower leads anew.
        """
        last: _Attempt[T] | None = None
        attempt = self._attempt
        while attempt is not None:
            await attempt.ended.wait()
            if attempt.has_outcome:
                return attempt.result()
            # Another follower may have led in its place, and be done already.
            last, attempt = attempt, attempt.next or self._attempt
        attempt = self._attempt = _Attempt()
        if last is not None:
            last.next = attempt
        try:
            attempt.results.append(await work())
        except AuthError as error:
            attempt.failure = error.fresh_copy()
        finally:
            self._attempt = None
            attempt.ended.set()
        return attempt.result()


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
