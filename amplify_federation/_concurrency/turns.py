"""Turns: callers served in order of call, all of whom one call can overtake."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio
from attrs import define, field

T = TypeVar("T")


@define(eq=False)
class Turn(Generic[T]):
    """One caller's place, and how its work ended.

    `result` is empty if the work was cut short; `overtaken` tells that everybody's was called off.
    """

    scope: anyio.CancelScope
    overtaken: bool = False
    result: list[T] = field(factory=list[T])


class Turns(Generic[T]):
    """A queue of callers; one works at a time, under its own deadline."""

    __slots__ = ("_lock", "_turns")

    def __init__(self) -> None:
        self._turns: set[Turn[T]] | None = None  # an empty set weighs 216 bytes
        self._lock: anyio.Lock | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nobody works or waits."""
        return self._turns is None

    async def take(self, work: Callable[[], Awaitable[T]], *, seconds: float) -> Turn[T]:
        """Wait for one's turn and work; both end `seconds` from now, or when overtaken."""
        scope = anyio.CancelScope(deadline=anyio.current_time() + seconds)
        turn: Turn[T] = Turn(scope)
        with scope:
            if self._turns is None or self._lock is None:
                self._turns = set()
                self._lock = anyio.Lock(fast_acquire=True)
            turns, lock = self._turns, self._lock
            turns.add(turn)
            try:
                async with lock:
                    turn.result.append(await work())
            finally:
                turns.discard(turn)
                if not turns:
                    self._turns = self._lock = None  # they weigh more than a session without
        return turn

    def overtake(self) -> None:
        """Call off everybody's work, at once."""
        for turn in self._turns or ():
            turn.overtaken = True
            turn.scope.cancel()
