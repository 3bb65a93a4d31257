"""The client of a Redis: one command at a time under a deadline, never sent twice.

Whatever redis-py raises becomes `StoreUnavailableError` within 300 ms of the call.
"""

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib import import_module
from typing import Any, Final

import anyio
from attrs import frozen

from amplify_federation._async.loop_guard import LoopGuard, is_asyncio
from amplify_federation.errors import ConfigurationError, StoreUnavailableError
from amplify_federation.stores._redis_errors import Meaning, meaning_of
from amplify_federation.stores._redis_url import RedisUrl

DEADLINE: Final = 0.3  # seconds for one command, its connection included
# The part of the deadline that redis-py waits for a node of a cluster, or for all Sentinels. If the
# deadline ended the wait, redis-py would not notice that one hangs, and never ask another.
_PATIENCE: Final = 2 / 3
_CONNECTIONS: Final = 64  # of one process; commands beyond that wait for one, inside the deadline
_STEP: Final = 500  # keys that Redis looks at in one step of a search
_ADVICE: Final = (
    "Start Redis, or correct its URL; `amplify-federation doctor` looks at the URL in "
    "AMPLIFY_FEDERATION_STORE_URL."
)


class RedisClient:
    """Sends commands to one Redis, each once. Constructing does no I/O.

    Raises `ConfigurationError` if redis-py is missing.
    """

    def __init__(self, url: RedisUrl) -> None:
        self._url = url
        _check_installed()
        self._clients: _Clients | None = None
        self._loop_guard = LoopGuard("RedisStore")
        self._connections: anyio.Semaphore | None = None

    @property
    def place(self) -> str:
        """The hosts, or the path of the socket."""
        return self._url.place

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

    async def aclose(self) -> None:
        """Close the connections."""
        clients, self._clients = self._clients, None
        if clients is not None:
            with suppress(Exception):  # a connection that cannot be ended properly is lost already
                await clients.aclose()

    async def _in_time(self, work: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401  # as above
        meaning = Meaning(f"no answer within {DEADLINE * 1000:.0f} ms")
        with anyio.move_on_after(DEADLINE):
            try:
                async with self._free_connection():
                    return await work()
            except Exception as error:  # noqa: BLE001  # redis-py raises its own tree and beyond it
                meaning = meaning_of(error) or meaning
        # Outside the handler: the caught error may hold the command, and that a sealed record.
        message = f"Redis at {self.place} does not serve now: {meaning.reason}."
        failure = StoreUnavailableError(message, recovery_suggestion=meaning.advice or _ADVICE)
        failure.retryable = meaning.retryable
        try:
            raise failure
        finally:
            del failure  # a frame and the exception in it would keep each other alive

    def _free_connection(self) -> anyio.Semaphore:
        # Of redis-py's clients only that of one server can make commands wait for a connection.
        if self._connections is None:
            self._connections = anyio.Semaphore(_CONNECTIONS, fast_acquire=True)
        return self._connections

    def _present_client(self) -> Any:  # noqa: ANN401  # redis-py's clients share no type that fits
        if self._clients is None:
            if not is_asyncio():
                message = "RedisStore works under asyncio alone, as redis-py does; trio has none."
                raise ConfigurationError(message)
            self._clients = self._made()
        self._loop_guard.check()
        return self._clients.serving

    def _made(self) -> "_Clients":
        try:
            return _clients_of(self._url)
        except Exception as error:  # noqa: BLE001  # an older redis-py knows fewer options
            reason = type(error).__name__
        message = f"redis-py cannot make a client of the URL of Redis: {reason}."
        advice = "Upgrade redis-py, or leave options out of the URL."
        raise ConfigurationError(message, recovery_suggestion=advice)


# redis-py


def _check_installed() -> None:
    with suppress(ImportError):
        import_module("redis.asyncio")
        return
    message = "RedisStore needs redis-py: pip install 'amplify-federation[redis]'."
    raise ConfigurationError(message, recovery_suggestion="Install the extra `redis`.")


@frozen
class _Clients:
    """The client that serves, and others that it needs. redis-py's share no type that fits."""

    serving: Any
    others: tuple[Any, ...] = ()

    async def aclose(self) -> None:
        for client in (self.serving, *self.others):
            # redis-py closes no connection of a cluster whose nodes it is about to look up again.
            if (cluster := getattr(client, "nodes_manager", None)) is not None:
                for node in (*cluster.nodes_cache.values(), *cluster.startup_nodes.values()):
                    await node.disconnect()
            await client.aclose()


def _within(seconds: float) -> dict[str, Any]:
    return {"socket_connect_timeout": seconds, "socket_timeout": seconds}


def _clients_of(url: RedisUrl) -> _Clients:
    # An optional extra, and more than 40 ms.
    from redis.asyncio import Redis, RedisCluster, Sentinel  # noqa: PLC0415  # as said
    from redis.asyncio.cluster import ClusterNode  # noqa: PLC0415  # as said
    from redis.asyncio.retry import Retry  # noqa: PLC0415  # as said
    from redis.backoff import NoBackoff  # noqa: PLC0415  # as said

    # A retry would use up the deadline, and hide from the caller that Redis is away.
    # RESP2, because under RESP3 redis-py (7 and 8) takes no notice of a pooled connection that the
    # server has closed: after a restart the first command on each would fail.
    own: dict[str, Any] = {
        "retry": Retry(NoBackoff(), 0), "protocol": 2, "max_connections": 2 * _CONNECTIONS,
    }  # fmt: skip
    match url.kind:
        case "server":
            return _Clients(Redis(**own, **url.options))
        case "cluster":
            nodes = [ClusterNode(host, port) for host, port in url.addresses]
            options = {**own, **_within(DEADLINE * _PATIENCE), **url.options}
            return _Clients(RedisCluster(startup_nodes=nodes, **options))
        case "sentinel":
            share = DEADLINE * _PATIENCE / len(url.addresses)
            options = {**own, **_within(share), **url.sentinel_options}
            sentinel: Any = Sentinel(url.addresses, sentinel_kwargs=options)  # type: ignore[no-untyped-call]  # redis-py's
            master = sentinel.master_for(url.service, **own, **url.options)
            return _Clients(master, tuple(sentinel.sentinels))
