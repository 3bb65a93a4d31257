"""The open connections to one origin: a stack of idle ones, and a queue of waiting requests.

This file owns how many connections there are and which request gets one. All its steps take O(1).
The connection used last is taken first, so those that only a burst needed stay idle at the bottom
of the stack, where they are closed.

There are two bounds: on open connections (file descriptors, ours and the server's; at most a
quarter of those that this process has left) and on simultaneous dialling (the server's accept
backlog; a full one costs the caller a second). A request that finds neither an idle connection nor
room to dial waits, under its own deadline.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Generic, Protocol, TypeVar

import anyio

from amplify_federation._http.connection import TransportFailure
from amplify_federation._http.descriptors import within_descriptors

MAX_OPEN = 256  # connections
_SHARES = 4  # of the descriptors: connections, leases, files being written, the application's
MAX_DIALLING = 64  # connections; below the smallest usual accept backlog, 100
# Seconds. Load balancers close after 60 s at the earliest, but a NAT may drop a connection silently
# after 30 s: a request over it would get no answer.
MAX_IDLE = 20.0


class Connection(Protocol):
    """One open connection, as far as the pool knows."""

    closed: bool
    idle_since: float

    def usable(self) -> bool:
        """Tell whether nothing has arrived since the last answer, and the server has not closed."""
        ...

    def close(self) -> None:
        """Close at once."""
        ...


C = TypeVar("C", bound=Connection)


class _Waiter(Generic[C]):
    """A place in the queue, and its outcome: a connection, or `None` for room to dial."""

    __slots__ = ("called", "connection", "left")

    def __init__(self) -> None:
        self.called = anyio.Event()
        self.connection: C | None = None
        self.left = False


class Pool(Generic[C]):
    """Gives connections to requests and takes them back."""

    def __init__(self, dial: Callable[[float | None], Awaitable[C]]) -> None:
        self._dial = dial
        self._idle: deque[C] = deque()
        self._queue: deque[_Waiter[C]] = deque()
        self._limit = self._most = within_descriptors(MAX_OPEN, shares=_SHARES)
        self._open = 0
        self._dialling = 0
        self._closed = False

    def __repr__(self) -> str:
        return f"<Pool: {self._open} open, {len(self._idle)} idle, {len(self._queue)} waiting>"

    def idle(self) -> C | None:
        """Take the connection that was used last, if one is idle and may still be used."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.idle_since >= monotonic() - MAX_IDLE and connection.usable():
                return connection
            self._open -= 1
            connection.close()
        return None

    async def fresh(
        self, connect_timeout: float | None = None, pool_timeout: float | None = None
    ) -> C:
        """Dial a new connection, or wait for one that is given back; timeouts in seconds.

        Raises `TransportFailure`.
        """
        connection: C | None = None
        if self._has_room():
            self._reserve()
            connection = await self._dialled(connect_timeout)
        while connection is None:
            connection = await self._in_queue(pool_timeout)
            if connection is not None and not connection.usable():
                # Bytes that arrived since its last answer would be read as the next answer.
                connection.close()
                connection = None
                self._dialling += 1  # it stays counted among the open ones
            if connection is None:
                connection = await self._dialled(connect_timeout)
        return connection

    def give_back(self, connection: C) -> None:
        """Take a connection back: for the next in the queue, or onto the stack."""
        if connection.closed or self._closed:
            connection.close()
            self._open -= 1
            self._call_dialler()
        elif (waiter := self._next_in_queue()) is not None:
            self._call(waiter, connection)
        else:
            self._limit = self._most
            connection.idle_since = now = monotonic()
            self._idle.append(connection)
            if self._idle[0].idle_since < now - MAX_IDLE:
                self._open -= 1
                self._idle.popleft().close()

    def close_idle(self) -> None:
        """Close all idle connections: after one that was silent the others may be dead, too."""
        while self._idle:
            self._open -= 1
            self._idle.pop().close()

    def close(self) -> None:
        """Close idle connections now, and those in use when they are given back."""
        self._closed = True
        self.close_idle()

    def _has_room(self) -> bool:
        return self._open < self._limit and self._dialling < MAX_DIALLING

    def _reserve(self) -> None:
        self._open += 1
        self._dialling += 1

    async def _dialled(self, connect_timeout: float | None) -> C | None:
        """Dial in reserved room; `None` if that is possible only once a connection is closed."""
        connection = None
        try:
            connection = await self._dial(connect_timeout)
        except TransportFailure as failure:
            if not failure.out_of_resources or self._open == 1:
                raise
            self._limit = self._open - 1
        finally:
            self._dialling -= 1
            if connection is None:
                self._open -= 1
            self._call_dialler()
        return connection

    async def _in_queue(self, seconds: float | None) -> C | None:
        waiter: _Waiter[C] = _Waiter()
        self._queue.append(waiter)
        try:
            if seconds is None:
                await waiter.called.wait()
            else:
                with anyio.move_on_after(seconds):
                    await waiter.called.wait()
        except BaseException:
            self._leave(waiter)
            raise
        if waiter.called.is_set():
            return waiter.connection
        self._leave(waiter)
        kind, detail = "PoolTimeout", f"all connections were in use for {seconds:g} s"
        raise TransportFailure(kind, detail)

    def _leave(self, waiter: _Waiter[C]) -> None:
        if not waiter.called.is_set():
            waiter.left = True  # skipped later: a removal costs O(n)
        elif waiter.connection is not None:
            self.give_back(waiter.connection)
        else:
            self._open -= 1
            self._dialling -= 1
            self._call_dialler()

    def _call_dialler(self) -> None:
        if self._queue and self._has_room() and (waiter := self._next_in_queue()) is not None:
            self._reserve()
            self._call(waiter, None)

    def _next_in_queue(self) -> _Waiter[C] | None:
        while self._queue:
            waiter = self._queue.popleft()
            if not waiter.left:
                return waiter
        return None

    def _call(self, waiter: _Waiter[C], connection: C | None) -> None:
        waiter.connection = connection
        waiter.called.set()
