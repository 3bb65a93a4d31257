"""SerialQueue: callers served in order of call, whose work one call can cancel all at once."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio

T = TypeVar("T")


class Job(Generic[T]):
    """One caller's place, and how its work ended.

    `result` is empty if the work did not end; `cancelled` tells that `cancel_all` cancelled it.
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
        self._queue: dict[Job[T], None] = {}  # an ordered set: a cancelled job leaves in O(1)

    async def run(self, work: Callable[[], Awaitable[T]], *, seconds: float) -> Job[T]:
        """Wait for the jobs before this one, then work; both end within `seconds`."""
        scope = anyio.CancelScope(deadline=anyio.current_time() + seconds)
        job: Job[T] = Job(scope)
        with scope:
            must_wait = bool(self._queue)
            self._queue[job] = None
            try:
                if must_wait:
                    job.called = anyio.Event()
                    await job.called.wait()
                job.result.append(await work())
            finally:
                del self._queue[job]
                self._call_first()
        return job

    def cancel_all(self) -> None:
        """Cancel the work of all callers, at once."""
        for job in self._queue:
            job.cancelled = True
            job.scope.cancel()

    def _call_first(self) -> None:
        for job in self._queue:
            if job.called is not None:  # else it works already; to be called again does no harm
                job.called.set()
            return
