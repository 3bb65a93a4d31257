"""Work that goes on beside its caller.

anyio's task groups must be left in the task that entered them, which a session cannot promise: a
fixture may open it in one task and close it in another. So this room knows both loops by name, and
starts a task of each loop's own kind; what runs in it is anyio again.
"""

from __future__ import annotations

import logging
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import anyio

from amplify_federation._async.loop_guard import is_asyncio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

logger = logging.getLogger("amplify_federation")


class Background:
    """Tasks that are ended together."""

    __slots__ = ("_running",)

    def __init__(self) -> None:
        self._running: dict[anyio.CancelScope, anyio.Event] = {}

    def start(self, work: Callable[[], Awaitable[object]]) -> anyio.Event:
        """Start `work`; return the event that is set when it has ended, however it did."""
        scope, ended = anyio.CancelScope(), anyio.Event()
        self._running[scope] = ended

        async def run() -> None:
            try:
                with scope:
                    await work()
            except Exception as error:  # noqa: BLE001  # this task is awaited by no caller
                logger.error(  # noqa: TRY400  # a traceback could show what the frames held
                    "Work in the background failed with %s.",
                    type(error).__name__,
                    extra={"event": "background_failed", "error": type(error).__name__},
                )
            finally:
                del self._running[scope]
                ended.set()

        spawn(run)
        return ended

    async def end(self) -> None:
        """Cancel what runs and wait until it has ended, even if the caller is cancelled."""
        if not self._running:
            return
        with anyio.CancelScope(shield=True):
            for scope, ended in list(self._running.items()):
                scope.cancel()
                await ended.wait()


_tasks: set[Any] = set()  # asyncio keeps only weak references to its tasks


def spawn(run: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Start a task of the running loop, in a copy of the caller's context. It must not raise."""
    if is_asyncio():
        from asyncio import create_task  # noqa: PLC0415  # only where asyncio runs

        task = create_task(run())
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)
    else:
        from trio.lowlevel import spawn_system_task  # noqa: PLC0415  # only where trio runs

        spawn_system_task(run, context=copy_context())
