"""The open connections of one endpoint: a stack of idle ones, a queue of those who wait.

This file owns how many connections there are and who gets one. All its steps take O(1). The last
connection used is the first one taken, so those that a burst left behind go idle together, and
the oldest at the bottom are closed. It must not know what is sent over a connection.

Two bounds keep a burst from failing: open connections (file descriptors, ours and the server's)
and simultaneous dialling (the server's accept backlog; a full one costs the caller a second). Who
finds neither an idle connection nor room to dial waits in line, without any timeout but the
deadline of its own call.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Protocol

import anyio

from amplify_federation._cognito.exchange import HttpAnswer
from amplify_federation._http.reading.answer import NoAnswer

MAX_OPEN = 256  # connections; below macOS's and Windows' small default limits with some luck
MAX_DIALLING = 64  # connections; below the smallest usual accept backlog, 100
MAX_IDLE = 60.0  # seconds; load balancers close theirs after 60 s at the earliest


class Wire(Protocol):
    """One open connection."""

    closed: bool
    idle_since: float

    async def ask(self, request: bytes) -> HttpAnswer:
        """Send a request and return its answer; a wire that fails or is cancelled closes."""
        ...

    def usable(self) -> bool:
        """Tell whether the server still holds its end open, as far as can be seen."""
        ...

    def close(self) -> None:
        """Close at once."""
        ...


class _Turn:
    """A place in line, and what its holder is given: a wire, or `None` for room to dial."""

    __slots__ = ("called", "gift", "left")

    def __init__(self) -> None:
        self.called = anyio.Event()
        self.gift: Wire | None = None
        self.left = False


class Pool:
    """Hands out wires and takes them back."""

    def __init__(self, dial: Callable[[], Awaitable[Wire]]) -> None:
        self._dial = dial
        self._idle: deque[Wire] = deque()
        self._line: deque[_Turn] = deque()
        self._limit = MAX_OPEN
        self._open = 0
        self._dialling = 0
        self._over = False

    def __repr__(self) -> str:
        return f"<Pool: {self._open} open, {len(self._idle)} idle, {len(self._line)} waiting>"

    def idle(self) -> Wire | None:
        """Take the wire that was used last, if one is idle."""
        idle = self._idle
        while idle:
            wire = idle.pop()
            if wire.usable():
                return wire
            self._open -= 1
            wire.close()
        return None

    async def fresh(self) -> Wire:
        """Dial a new wire, or wait for one that somebody gives back; raises `NoAnswer`."""
        if self._has_room():
            self._reserve()
            wire = await self._dialled()
        else:
            wire = None
        while wire is None:
            wire = await self._in_line() or await self._dialled()
        return wire

    def give_back(self, wire: Wire) -> None:
        """Take a wire back, to the next in line or onto the stack; a closed one is forgotten."""
        if wire.closed or self._over:
            wire.close()
            self._open -= 1
            self._call_dialler()
        elif (turn := self._next_in_line()) is not None:
            self._call(turn, wire)
        else:
            self._limit = MAX_OPEN
            wire.idle_since = now = monotonic()
            self._idle.append(wire)
            if self._idle[0].idle_since < now - MAX_IDLE:
                self._open -= 1
                self._idle.popleft().close()

    def close(self) -> None:
        """Close what is idle now, and what is in use once it is given back."""
        self._over = True
        while self._idle:
            self._open -= 1
            self._idle.pop().close()

    def _has_room(self) -> bool:
        return self._open < self._limit and self._dialling < MAX_DIALLING

    def _reserve(self) -> None:
        self._open += 1
        self._dialling += 1

    async def _dialled(self) -> Wire | None:
        """Dial in reserved room; `None` if the process has no descriptor left but open wires."""
        wire = None
        try:
            wire = await self._dial()
        except NoAnswer as error:
            if not error.crowded or self._open == 1:
                raise
            self._limit = self._open - 1
        finally:
            self._dialling -= 1
            if wire is None:
                self._open -= 1
            self._call_dialler()
        return wire

    async def _in_line(self) -> Wire | None:
        turn = _Turn()
        self._line.append(turn)
        try:
            await turn.called.wait()
        except BaseException:
            self._leave(turn)
            raise
        return turn.gift

    def _leave(self, turn: _Turn) -> None:
        if not turn.called.is_set():
            turn.left = True  # passed over later: a removal would cost O(n) each
        elif turn.gift is not None:
            self.give_back(turn.gift)
        else:
            self._open -= 1
            self._dialling -= 1
            self._call_dialler()

    def _call_dialler(self) -> None:
        if self._line and self._has_room() and (turn := self._next_in_line()) is not None:
            self._reserve()
            self._call(turn, None)

    def _next_in_line(self) -> _Turn | None:
        while self._line:
            turn = self._line.popleft()
            if not turn.left:
                return turn
        return None

    def _call(self, turn: _Turn, gift: Wire | None) -> None:
        turn.gift = gift
        turn.called.set()
