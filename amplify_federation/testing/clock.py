"""ManualClock: time that only the test moves; ServerClock: the time of the fake service."""

import time
from typing import Protocol


class TimeSource(Protocol):
    """Anything with `time()`, in seconds since the epoch; the `time` module is one."""

    def time(self) -> float:
        """Return seconds since the epoch."""
        ...


def _whole_seconds() -> float:
    return float(int(time.time()))


class ManualClock:
    """A wall clock and a monotonic clock that stand still until the test moves them.

    Pass it as `AuthSettings(clock=...)` and as `FakeCognito(clock=...)`; shared, both move at
    once. `time` is in seconds since the epoch, by default the machine's time, so that a library
    which looks at that takes the fake's tokens; `monotonic` in seconds since nothing in particular.
    """

    def __init__(self, time: float | None = None, monotonic: float = 1_000.0) -> None:
        self._wall = _whole_seconds() if time is None else float(time)
        self._monotonic = float(monotonic)

    def __repr__(self) -> str:
        return f"ManualClock(time={self._wall!r}, monotonic={self._monotonic!r})"

    def time(self) -> float:
        """Return the wall clock, in seconds since the epoch."""
        return self._wall

    def monotonic(self) -> float:
        """Return the monotonic clock, in seconds."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass on both clocks. Raises `ValueError` if negative."""
        self.suspend(seconds)
        self._monotonic += seconds

    def jump_wall(self, seconds: float) -> None:
        """Set the wall clock forward or, if negative, back; the monotonic clock stands."""
        self._wall += seconds

    def suspend(self, seconds: float) -> None:
        """Let the machine sleep: the wall clock moves on, the monotonic clock stands still.

        Raises `ValueError` if negative; `jump_wall` sets a clock back.
        """
        if not seconds >= 0:
            message = f"Time passes forward only, not by {seconds!r} s; see `jump_wall`."
            raise ValueError(message)
        self._wall += seconds


class ServerClock:
    """The time of the fake service: a source plus `skew`, in seconds."""

    def __init__(self, source: TimeSource | None = None) -> None:
        self._source: TimeSource = time if source is None else source
        self._passed = 0.0
        self.skew = 0.0

    def time(self) -> float:
        """Return seconds since the epoch, on the server."""
        return self._source.time() + self._passed + self.skew

    def advance(self, seconds: float) -> None:
        """Move the source if it can be moved, else only the server. Raises `ValueError` if < 0."""
        if not seconds >= 0:
            message = f"Time passes forward only, not by {seconds!r} s."
            raise ValueError(message)
        move = getattr(self._source, "advance", None)
        if move is None:
            self._passed += seconds
        else:
            move(seconds)
