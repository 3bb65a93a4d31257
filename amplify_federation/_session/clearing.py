"""Clearing: a federation or a guest is forgotten, in memory and in the store, without the network.

A cleared session leaves a tombstone: a record that says "signed out" with the next generation, so
that no process takes the record before it for the present one. This file owns how long it stays.
"""

import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

import anyio

from amplify_federation._model.machine import Cleared, GuestForgotten
from amplify_federation._model.refresh_grant import RefreshGrant
from amplify_federation._model.state import Login, SignedOut
from amplify_federation._session.context import Context
from amplify_federation.errors import (
    CallTimeoutError,
    SessionFormatTooNewError,
    SessionKeyError,
    StoreError,
)

_TOMBSTONE_LIFE = 86_400.0  # seconds; by then every process has read it
T = TypeVar("T")


async def clear(
    context: Context, *, leave_tombstone: bool = False
) -> tuple[RefreshGrant, ...] | None:
    """Forget the federation before the deadline of a call.

    Return the refresh grants that were forgotten with it, or `None` if the record could not be
    read. `leave_tombstone`: even where there was no record.
    """
    work = partial(_read_and_clear, context, leave_tombstone=leave_tombstone)
    return await _in_time(context, work, "session was not cleared")


async def forget_guest(context: Context) -> None:
    """Forget the guest before the deadline of a call."""
    await _in_time(context, partial(_forget_guest, context), "guest was not forgotten")


async def _in_time(context: Context, work: Callable[[], Awaitable[T]], failure: str) -> T:
    with anyio.move_on_after(context.settings.timeout):
        # What was being saved when the call came is forgotten, too.
        await context.repository.wait_for_write()
        return await work()
    message = f"The {failure} before the deadline; the store did not answer."
    raise CallTimeoutError(message)


async def _read_and_clear(
    context: Context, *, leave_tombstone: bool
) -> tuple[RefreshGrant, ...] | None:
    try:
        await context.repository.refresh(now=True)
    except (SessionKeyError, SessionFormatTooNewError):
        await context.repository.discard(_new_federation_id())
        return None
    return await end_federation(context, leave_tombstone=leave_tombstone)


async def end_federation(
    context: Context, *, leave_tombstone: bool = False
) -> tuple[RefreshGrant, ...]:
    """Forget the federation as it was last read; return its refresh grants."""
    repository = context.repository
    logins: tuple[Login, ...] = ()
    if leave_tombstone or not isinstance(repository.state, SignedOut):

        def remember() -> None:  # of the very record that is replaced
            nonlocal logins
            logins = getattr(repository.state, "linked_logins", ())

        await repository.commit(Cleared(), _new_federation_id(), remember)
    await repository.delete_set_aside()
    return tuple(login.refresh_grant for login in logins if login.refresh_grant is not None)


async def _forget_guest(context: Context) -> None:
    repository = context.repository
    await repository.refresh(now=True)
    if isinstance(repository.state, SignedOut) and repository.state.guest is not None:
        await repository.commit(GuestForgotten(), _new_federation_id(), lambda: None)


async def collect_tombstone(context: Context) -> None:
    """Delete the session's record if it is a tombstone that is a day old."""
    record = context.repository.record
    is_tombstone = record.state == SignedOut() and record.generation > 0
    if is_tombstone and context.clock.now() - record.written_at >= _TOMBSTONE_LIFE:
        with suppress(StoreError):  # a later process deletes it
            await context.repository.delete(record)


def _new_federation_id() -> str:
    return os.urandom(8).hex()
