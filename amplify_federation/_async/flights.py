"""Flights: single flight by key, with nothing left behind of a key that nobody works at."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from attrs import define, field

from amplify_federation._async.flight import Flight

T = TypeVar("T")


@define
class _Crowd(Generic[T]):
    """The callers of one key. A flight is kept until the last has left: one of them may lead."""

    flight: Flight[T] = field(factory=Flight[T])
    callers: int = 0


class Flights(Generic[T]):
    """One piece of work at a time for each key; see `Flight`."""

    __slots__ = ("_crowds",)

    def __init__(self) -> None:
        self._crowds: dict[str, _Crowd[T]] = {}

    def __len__(self) -> int:
        return len(self._crowds)

    async def join(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        """Return the outcome of the work under way for this key, or do it."""
        crowd = self._crowds.setdefault(key, _Crowd())
        crowd.callers += 1
        try:
            return await crowd.flight.join(work)
        finally:
            crowd.callers -= 1
            if not crowd.callers:
                del self._crowds[key]
