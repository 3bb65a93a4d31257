"""Loops whose time passes only when no task can run: a wait takes none, and no load prolongs it."""

import asyncio
import selectors

import anyio
import pytest
import trio.testing

_START = 1_800_000_000.0  # seconds since the epoch


class LoopClock:
    """The running loop's time, as a wall clock and as a monotonic one."""

    def time(self) -> float:
        return _START + anyio.current_time()

    def monotonic(self) -> float:
        return anyio.current_time()


class _JumpingSelector(selectors.DefaultSelector):
    """Counts the seconds that it was told to wait, and does not wait."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0

    def select(self, timeout: float | None = None) -> list:
        if timeout is None:
            return super().select()  # only a thread can have something to say
        events = super().select(0)
        if not events:
            self.passed += timeout
        return events


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._selector = _JumpingSelector()
        super().__init__(self._selector)

    def time(self) -> float:
        return self._selector.passed


def backend_of(name: str) -> tuple[str, dict[str, object]]:
    """Return anyio's backend and its options."""
    if name == "trio":
        return name, {"clock": trio.testing.MockClock(autojump_threshold=0)}
    return name, {"loop_factory": _Loop}


BACKENDS = [pytest.param(backend_of(name), id=name) for name in ("asyncio", "trio")]
# A test with this mark must not wait for a thread, a process or a socket.
virtual_time = pytest.mark.parametrize("anyio_backend", BACKENDS)
