"""Work that does not end with its caller: in the background, or shielded until it is done.

anyio's task groups must be left in the task that entered them, which a session cannot promise: a
fixture may open it in one task and close it in another. So this module knows both loops by
name, and starts a task of each loop's own kind; what runs in it is anyio again.
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
                logger.error(  # noqa: TRY400  # a traceback may show the frames' locals
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
        from asyncio import create_task  # noqa: PLC0415  # as in loop_guard

        task = create_task(run())
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)
    else:
        from trio.lowlevel import spawn_system_task  # noqa: PLC0415  # as in loop_guard

        spawn_system_task(run, context=copy_context())


async def shielded(work: Callable[[], Awaitable[None]]) -> None:
    """Run `work` to its end; its exception, or asyncio's own cancellation, is raised after it.

    After a cancelled write that still reaches the disk, memory and store would differ. A shielded
    scope is not enough: asyncio's own `Task.cancel` passes it. A child task is not touched by that,
    and its task group waits for it to end. The scope around both keeps a deadline that passes
    meanwhile from hiding that the work was done.
    """
    failures: list[Exception] = []

    async def child() -> None:
        with anyio.CancelScope(shield=True):
            try:
                await work()
            except Exception as error:  # noqa: BLE001  # carried to the caller without a group
                failures.append(error)

    with anyio.CancelScope(shield=True):
        async with anyio.create_task_group() as group:
            group.start_soon(child)
    if failures:
        raise failures.pop()  # a frame that binds it would keep it alive
