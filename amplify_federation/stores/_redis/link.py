"""Link: sends commands to Redis, each under one deadline and never twice.

This file owns what becomes of a Redis that is away: `StoreUnavailableError`, 300 ms after the call
at the latest. It must not know what the commands mean.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

import anyio

from amplify_federation._async.loops import HomeLoop, is_asyncio
from amplify_federation.errors import ConfigurationError, StoreUnavailableError
from amplify_federation.stores._redis.clients import Clients, client_maker, place_of

DEADLINE: Final = 0.3  # seconds for one command, its connection included
_STEP: Final = 500  # keys that Redis looks at in one step of a search


class Link:
    """The way to one Redis. Constructing does no I/O."""

    def __init__(self, url: str) -> None:
        self._make = client_maker(url)
        self._clients: Clients | None = None
        self._home = HomeLoop()
        self.place = place_of(url)

    async def run(self, *command: str | bytes | int) -> Any:  # noqa: ANN401  # as Redis answers
        """Send a command and return its answer.

        Raises `StoreUnavailableError` if there is none in time, or an error.
        """
        client = self._present_client()
        return await self._in_time(lambda: client.execute_command(*command))

    async def keys(self, prefix: str) -> list[bytes]:
        """Return the keys that begin so, on every node of a cluster.

        Raises `StoreUnavailableError` if one step of the search fails.
        """
        pattern = re.sub(r"([*?\[\]\\^])", r"\\\1", prefix) + "*"
        search = self._present_client().scan_iter(match=pattern, count=_STEP)
        found: list[bytes] = []
        while (key := await self._in_time(lambda: anext(search, None))) is not None:
            found.append(key)
        return found

    async def _in_time(self, work: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401  # as above
        reason = f"no answer within {DEADLINE * 1000:.0f} ms"
        with anyio.move_on_after(DEADLINE):
            try:
                return await work()
            except _failures() as error:
                reason = type(error).__name__
        # Outside the handler: the caught error may hold the command, and that a sealed record.
        message = f"Redis at {self.place} does not serve now: {reason}."
        raise StoreUnavailableError(message)

    async def aclose(self) -> None:
        """Close the connections."""
        clients, self._clients = self._clients, None
        if clients is not None:
            await clients.aclose()

    def _present_client(self) -> Any:  # noqa: ANN401  # redis-py's clients share no type that fits
        if self._clients is None:
            if not is_asyncio():
                message = "RedisStore works under asyncio alone, as redis-py does; trio has none."
                raise ConfigurationError(message)
            self._clients = self._make()
        self._home.check()
        return self._clients.serving


def _failures() -> tuple[type[Exception], ...]:
    from redis.exceptions import RedisError  # noqa: PLC0415  # loaded by who uses it

    return RedisError, OSError, TimeoutError
