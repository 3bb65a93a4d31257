"""Calls that run while a test goes on, and gates at which they wait."""

from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager

import anyio

PATIENCE = 30.0  # seconds of real time until a test that waits is taken for stuck


class Gate:
    """Stops every task that comes until it is opened."""

    def __init__(self) -> None:
        self.arrived = anyio.Event()
        self._opened = anyio.Event()
        self.waiters = 0

    def open(self) -> None:
        self._opened.set()

    async def wait(self) -> None:
        self.waiters += 1
        self.arrived.set()
        await self._opened.wait()


class Calls:
    """Coroutines that run at once, each in a task of its own."""

    def __init__(self, coroutines: tuple[Coroutine, ...], raises=()) -> None:
        self.results = []  # in the order in which the calls ended; a cancelled one has none
        self.errors = []  # of the kind that `raises` names
        self._raises = raises
        self._scopes = [(anyio.CancelScope(), each) for each in coroutines]
        self._left = len(coroutines)
        self._ended = anyio.Event()

    @property
    def result(self):
        (result,) = self.results
        return result

    def cancel(self) -> None:
        for scope, _ in self._scopes:
            scope.cancel()

    async def wait(self) -> None:
        """Wait until every call has ended."""
        await self._ended.wait()

    def start(self, tasks) -> None:
        for scope, coroutine in self._scopes:
            tasks.start_soon(self._run, scope, coroutine)

    async def _run(self, scope: anyio.CancelScope, coroutine: Coroutine) -> None:
        with scope:
            try:
                self.results.append(await coroutine)
            except self._raises as error:
                self.errors.append(error)
            else:
                assert not self._raises, "the call raised nothing"
        self._left -= 1
        if not self._left:
            self._ended.set()


@asynccontextmanager
async def pending(*coroutines: Coroutine, at: Gate, raises=()) -> AsyncGenerator[Calls]:
    """Run the body while calls wait at a gate, or for a call that does; then open the gate.

    Every call has ended at the end of the block, with an error of the kind `raises` if one is
    given. Nested, the calls of the outer block come first.
    """
    calls = Calls(coroutines, raises)

    async def end_wait() -> None:
        await calls.wait()
        at.arrived.set()

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            calls.start(tasks)
            tasks.start_soon(end_wait)
            await at.arrived.wait()
            assert at.waiters, "the calls ended, and none came to the gate"
            await anyio.wait_all_tasks_blocked()
            yield calls
            at.open()


async def concurrently(*coroutines: Coroutine) -> list:
    """Make calls at once; return their results in the order in which the calls ended."""
    calls = Calls(coroutines)
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            calls.start(tasks)
    return calls.results
