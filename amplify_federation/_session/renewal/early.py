"""Renewal while the credentials still serve: seldom, by one caller, and at little cost to that one.

This file owns what an early renewal may cost, and when it is tried again. It must not know how
credentials are renewed.
"""

from collections.abc import Awaitable, Callable

import anyio

from amplify_federation._session.context import Context

_NEVER = float("-inf")  # one for all sessions
PATIENCE = 2.0  # seconds that an early renewal may cost its caller
PAUSE = 30.0  # seconds after an early try until the next


class EarlyRenewal:
    """The early tries of one session."""

    __slots__ = ("_again", "_context")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._again = _NEVER  # monotonic

    async def attempt(self, work: Callable[[], Awaitable[object]]) -> None:
        """Work, unless it was tried just now.

        Inside `async with` what takes longer than the caller's patience goes on in the background,
        until the deadline of a call; elsewhere it is called off.
        """
        clock, background = self._context.clock, self._context.background
        if clock.monotonic() < self._again:
            return
        self._again = clock.monotonic() + PAUSE
        with anyio.move_on_after(PATIENCE):
            if background is None:
                await work()
            else:
                await background.start(lambda: self._bounded(work)).wait()

    async def _bounded(self, work: Callable[[], Awaitable[object]]) -> None:
        with anyio.move_on_after(self._context.settings.timeout):
            await work()
