"""Broadcast: each listener gets each event; a slow one loses the oldest and delays no other."""

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Generic, Self, TypeVar

import anyio

T = TypeVar("T")
KEPT = 64  # events that wait for a slow listener


class EventStream(Generic[T]):
    """Events since this stream was opened; it ends when the session is closed.

    `dropped` counts the events that a slow reader lost.
    """

    def __init__(self, look: Callable[[], Awaitable[None]], every: float) -> None:
        self.dropped = 0
        self._look = look
        self._every = every
        self._waiting: deque[T] = deque()
        self._closed = False
        self._news = anyio.Event()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._news = anyio.Event()
            with anyio.move_on_after(self._every) as waiting:
                await self._news.wait()
            if waiting.cancelled_caught:
                await self._look()
        return self._waiting.popleft()

    def put(self, event: T) -> None:
        """Add an event; the session's half of the stream."""
        if len(self._waiting) == KEPT:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(event)
        self._news.set()

    def end(self) -> None:
        """End the stream; the session's half of it."""
        self._closed = True
        self._news.set()


class Broadcast(Generic[T]):
    """Sends events to all open streams, without waiting for any."""

    __slots__ = ("_streams",)

    def __init__(self) -> None:
        self._streams: set[EventStream[T]] | None = None  # an empty set weighs 216 bytes

    @asynccontextmanager
    async def listen(
        self, look: Callable[[], Awaitable[None]], every: float
    ) -> AsyncGenerator[EventStream[T]]:
        """Open a stream for the time of the `async with` block.

        While it waits, a listener calls `look` every so many seconds, which notices the changes of
        other processes.
        """
        stream: EventStream[T] = EventStream(look, every)
        self._streams = self._streams or set()
        self._streams.add(stream)
        try:
            yield stream
        finally:
            self._streams.discard(stream)
            self._streams = self._streams or None
            stream.end()  # a reader gets the events so far, then the end

    def send(self, event: T) -> None:
        """Give an event to every open stream."""
        for stream in self._streams or ():
            stream.put(event)

    def close(self) -> None:
        """End every open stream once its events are read."""
        for stream in self._streams or ():
            stream.end()
