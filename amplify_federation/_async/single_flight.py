"""Single flight: any number of callers, one piece of work; also by key.

The work runs in a task of its own as long as any caller waits for it, so the cancellation of one
does not affect the others. With the last caller the work is cancelled, and waited for.
"""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio
from attrs import define, field

from amplify_federation._async.background import spawn
from amplify_federation.errors import AuthError

T = TypeVar("T")
_PUT_OFF = 0.5  # seconds


class _Attempt(Generic[T]):
    """Work under way."""

    __slots__ = ("callers", "ended", "errors", "failure", "results", "scope")

    def __init__(self, deadline: float) -> None:
        self.callers = 0
        self.ended = anyio.Event()
        self.scope = anyio.CancelScope(deadline=deadline)
        self.results: list[T] = []
        self.failure: AuthError | None = None  # an outcome for every caller
        self.errors: list[Exception] = []  # one of another kind, for the caller that began it

    @property
    def has_outcome(self) -> bool:
        """Whether the work came to an end, good or bad."""
        return bool(self.results) or self.failure is not None

    def result(self) -> T:
        """Return the result, or raise the failure: a copy for each caller, without a traceback."""
        if self.failure is not None:
            raise self.failure.fresh_copy()
        return self.results[0]

    async def do(self, work: Callable[[], Awaitable[T]]) -> None:
        """Do the work, and keep how it ended."""
        try:
            with self.scope:
                self.results.append(await work())
        except AuthError as error:
            self.failure = error.fresh_copy()
        except Exception as error:  # noqa: BLE001  # raised by the caller that began it
            self.errors.append(error)

    async def wait(self) -> None:
        """Wait until the work has ended; cancel it if the last caller is cancelled."""
        self.callers += 1
        try:
            await self.ended.wait()
        finally:
            self.callers -= 1
            if not self.callers and not self.ended.is_set():
                self.scope.cancel()
                with anyio.CancelScope(shield=True):
                    await self.ended.wait()


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
        """Return the result of the work under way, or do it, until this caller's deadline.

        An `AuthError` that `work` raises is raised to every caller. Any other exception goes to the
        caller that began it, and another begins anew.
        """
        while (attempt := self._attempt) is not None:
            await attempt.wait()
            if attempt.has_outcome:
                return attempt.result()
        attempt = self._begun(work)
        await attempt.wait()
        if attempt.errors:
            raise attempt.errors.pop()  # a frame that binds it would keep it alive
        if not attempt.has_outcome:
            # The deadline of the work was this caller's, which is cancelled here; else it was put
            # off meanwhile.
            await anyio.sleep(_PUT_OFF)
            return await self.join(work)
        return attempt.result()

    def _begun(self, work: Callable[[], Awaitable[T]]) -> _Attempt[T]:
        attempt: _Attempt[T] = _Attempt(anyio.current_effective_deadline())

        async def run() -> None:
            try:
                await attempt.do(work)
            finally:
                self._attempt = None
                attempt.ended.set()

        self._attempt = attempt
        spawn(run)
        return attempt


@define
class _Callers(Generic[T]):
    """The callers of one key, until the last has left."""

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
