"""SerialQueue: callers served in order of call, whose work one call can cancel all at once."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio

T = TypeVar("T")


class Turn(Generic[T]):
    """One caller's place, and how its work ended.

    `result` is empty if the work was cut short; `cancelled` tells that everybody's was called off.
    """

    __slots__ = ("called", "cancelled", "result", "scope")

    def __init__(self, scope: "anyio.CancelScope") -> None:
        self.scope = scope
        self.called: anyio.Event | None = None  # while its caller waits
        self.cancelled = False
        self.result: list[T] = []


class SerialQueue(Generic[T]):
    """A queue of callers; the first works, under its own deadline, and the others wait."""

    __slots__ = ("_queue",)

    def __init__(self) -> None:
        self._queue: dict[Turn[T], None] = {}  # an ordered set: who is cancelled leaves in O(1)

    async def take(self, work: Callable[[], Awaitable[T]], *, seconds: float) -> Turn[T]:
        """Wait for one's turn and work; both end `seconds` from now, or when cancelled."""
        scope = anyio.CancelScope(deadline=anyio.current_time() + seconds)
        turn: Turn[T] = Turn(scope)
        with scope:
            must_wait = bool(self._queue)
            self._queue[turn] = None
            try:
                if must_wait:
                    turn.called = anyio.Event()
                    await turn.called.wait()
                turn.result.append(await work())
            finally:
                del self._queue[turn]
                self._call_first()
        return turn

    def cancel_all(self) -> None:
        """Call off everybody's work, at once."""
        for turn in self._queue:
            turn.cancelled = True
            turn.scope.cancel()

    def _call_first(self) -> None:
        for turn in self._queue:
            if turn.called is not None:  # else it works already; to be called again does no harm
                turn.called.set()
            return
