"""Turns: callers served in order of call, all of whom one call can overtake."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
from attrs import define, field


@define(eq=False)
class Ticket:
    """One caller's place. `overtaken` tells that everybody's work was called off."""

    scope: anyio.CancelScope
    overtaken: bool = False
    done: bool = field(default=False)


class Turns:
    """A queue of callers; one works at a time, under its own deadline."""

    __slots__ = ("_lock", "_tickets")

    def __init__(self) -> None:
        self._tickets: set[Ticket] = set()
        self._lock: anyio.Lock | None = None

    @asynccontextmanager
    async def take(self, timeout: float) -> AsyncGenerator[Ticket]:
        """Wait for one's turn and hold it; both end at the deadline, `timeout` seconds from now.

        Afterwards `ticket.scope.cancelled_caught` tells whether the body was cut short.
        """
        with anyio.move_on_after(timeout) as scope:
            ticket = Ticket(scope)
            self._tickets.add(ticket)
            if self._lock is None:
                self._lock = anyio.Lock(fast_acquire=True)
            try:
                async with self._lock:
                    yield ticket
            finally:
                self._tickets.discard(ticket)
                if not self._tickets:
                    self._lock = None  # a lock weighs more than a session without one

    def overtake(self) -> None:
        """Call off everybody's work, at once."""
        for ticket in self._tickets:
            ticket.overtaken = True
            ticket.scope.cancel()
