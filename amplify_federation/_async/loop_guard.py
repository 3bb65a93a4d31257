"""Which event loop an object lives in.

The check is on the path of every fetch, so it must cost less than a microsecond; anyio's own token
costs four. So this file knows the two loops by name. It imports neither for the other: asyncio
takes 16 ms to load, trio 110 ms.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from amplify_federation.errors import InvalidStateError

if TYPE_CHECKING:
    from collections.abc import Callable

_ADVICE = (
    "Make one `{owner}` for each event loop; what is stored is shared. Code without async keeps "
    "one loop for all calls: `amplify_federation.integrations.blocking`, or an `asyncio.Runner`."
)
_CLOSING_ADVICE = "Close it in the event loop that used it, before that ends; `async with` does so."


class LoopGuard:
    """Remembers the first event loop that it is used from, and refuses every other.

    `owner` is the public class whose objects it guards.
    """

    __slots__ = ("_current", "_loop", "_owner")

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._current: Callable[[], object] | None = None
        self._loop: object = None

    def check_closing(self) -> None:
        """Raise `InvalidStateError` if this was used, and in another loop than the running one."""
        if self._current is not None and not self._is_at_loop(self._current):
            message = (
                f"This `{self._owner}` is closed from a second event loop; its connections are of "
                "the first, and cannot be closed here."
            )
            raise InvalidStateError(message, recovery_suggestion=_CLOSING_ADVICE)

    def check(self) -> None:
        """Raise `InvalidStateError` if the running loop is not the first one."""
        current = self._current
        if current is None:
            current, self._loop = _running()
            self._current = current
        if not self._is_at_loop(current):
            message = f"This `{self._owner}` is used from a second event loop."
            raise InvalidStateError(message, recovery_suggestion=_ADVICE.format(owner=self._owner))

    def follow(self) -> bool:
        """Take the running loop in the place of the one before; tell whether it is another."""
        if self._current is not None and self._is_at_loop(self._current):
            return False
        self._current, self._loop = _running()
        return True

    def _is_at_loop(self, current: Callable[[], object]) -> bool:
        try:
            return current() is self._loop
        except RuntimeError:
            return False  # another kind of loop, or none


def is_asyncio() -> bool:
    """Tell whether the running loop is asyncio's; if not, it is trio's."""
    if "asyncio" not in sys.modules:
        return False
    from asyncio import get_running_loop  # noqa: PLC0415  # see above

    try:
        get_running_loop()
    except RuntimeError:
        return False
    return True


def _running() -> tuple[Callable[[], object], object]:
    if is_asyncio():
        from asyncio import get_running_loop  # noqa: PLC0415  # see above

        return get_running_loop, get_running_loop()
    if "trio" in sys.modules:
        from trio.lowlevel import current_trio_token, in_trio_run  # noqa: PLC0415  # see above

        if in_trio_run():
            return current_trio_token, current_trio_token()
    message = "There is no running event loop; call this from asyncio or trio."
    raise InvalidStateError(message)
