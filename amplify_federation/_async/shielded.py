"""Work that is done whole once it was begun, whatever becomes of its caller.

A cancelled write that still reaches the disk would leave memory and store apart. A shielded scope
is not enough: asyncio's own `Task.cancel` passes it. A child task is not touched by that, and its
task group waits for it to end. The scope around both keeps a deadline that comes meanwhile from
hiding that the work was done.
"""

from collections.abc import Awaitable, Callable

import anyio


async def shielded(work: Callable[[], Awaitable[None]]) -> None:
    """Run `work` to its end; its exception, or asyncio's own cancellation, is raised after it."""
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
        raise failures[0]
