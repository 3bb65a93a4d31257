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
    StoreUnavailableError,
)

_TOMBSTONE_LIFE = 86_400.0  # seconds; by then every process has read it
T = TypeVar("T")


class Clearing:
    """Forgets what one session has."""

    __slots__ = ("_context", "_repository")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._repository = context.repository

    async def clear(self, *, leave_tombstone: bool = False) -> tuple[RefreshGrant, ...] | None:
        """Forget the federation before the deadline of a call.

        Return the refresh grants that were forgotten with it, or `None` if the record could not be
        read. `leave_tombstone`: even where there was no record.
        """
        work = partial(self._read_and_clear, leave_tombstone=leave_tombstone)
        return await self._in_time(work, "session was not cleared")

    async def forget_guest(self) -> None:
        """Forget the guest before the deadline of a call."""
        await self._in_time(self._forget_guest, "guest was not forgotten")

    async def end_federation(self, *, leave_tombstone: bool = False) -> tuple[RefreshGrant, ...]:
        """Forget the federation as it was last read; return its refresh grants."""
        logins: tuple[Login, ...] = ()
        if leave_tombstone or not isinstance(self._repository.state, SignedOut):

            def remember() -> None:  # of the very record that is replaced
                nonlocal logins
                logins = getattr(self._repository.state, "linked_logins", ())

            try:
                await self._repository.commit(Cleared(), _new_federation_id(), remember)
            except StoreUnavailableError:
                if leave_tombstone or self._repository.version is None:
                    raise
                # A full disk takes no tombstone, but a record can be removed from it.
                await self._repository.delete(self._repository.record)
        await self._repository.delete_set_aside()
        return tuple(login.refresh_grant for login in logins if login.refresh_grant is not None)

    async def collect_tombstone(self) -> None:
        """Delete the session's record if it is a tombstone that is a day old."""
        record = self._repository.record
        is_tombstone = record.state == SignedOut() and record.generation > 0
        if is_tombstone and self._context.clock.now() - record.written_at >= _TOMBSTONE_LIFE:
            with suppress(StoreError):  # a later process deletes it
                await self._repository.delete(record)

    async def _in_time(self, work: Callable[[], Awaitable[T]], failure: str) -> T:
        with anyio.move_on_after(self._context.settings.timeout):
            # What was being saved when the call came is forgotten, too.
            await self._repository.wait_for_write()
            return await work()
        message = f"The {failure} before the deadline; the store did not answer."
        raise CallTimeoutError(message)

    async def _read_and_clear(self, *, leave_tombstone: bool) -> tuple[RefreshGrant, ...] | None:
        try:
            await self._repository.refresh(now=True)
        except (SessionKeyError, SessionFormatTooNewError):
            await self._repository.discard(_new_federation_id())
            return None
        return await self.end_federation(leave_tombstone=leave_tombstone)

    async def _forget_guest(self) -> None:
        await self._repository.refresh(now=True)
        state = self._repository.state
        if isinstance(state, SignedOut) and state.guest is not None:
            await self._repository.commit(GuestForgotten(), _new_federation_id(), lambda: None)


def _new_federation_id() -> str:
    return os.urandom(8).hex()
