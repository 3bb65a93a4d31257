"""Which redis-py client an URL means: one server, a cluster, or the master that Sentinels name.

This file owns the URLs and the clients' settings: no retry of its own, and at most 64 connections.
It must not know what is sent.
"""

from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from attrs import frozen

from amplify_federation.errors import ConfigurationError

_CONNECTIONS: Final = 64  # of one process; commands beyond that wait for one, inside the deadline
_SENTINEL_PORT: Final = 26_379
_FORMS: Final = (
    "redis://host:port/db, rediss:// (TLS), unix://path, redis+cluster://host:port, or "
    "redis+sentinel://host:port,host:port/service/db"
)


@frozen
class Clients:
    """The client that serves, and others that it needs. redis-py's share no type that fits."""

    serving: Any
    others: tuple[Any, ...] = ()

    async def aclose(self) -> None:
        """Close them all."""
        for client in (self.serving, *self.others):
            await client.aclose()


def client_maker(url: object) -> Callable[[], Clients]:
    """Return what makes the client of an URL, inside a running event loop.

    Raises `ConfigurationError` for an URL that means none, and if redis-py is missing.
    """
    if not isinstance(url, str):
        message = f"The URL of Redis must be a string, not {type(url).__name__}."
        raise ConfigurationError(message)
    _check_installed()
    maker: Callable[[], Clients] | None = None
    with suppress(ValueError, TypeError, AttributeError):  # raised below, without the password
        maker = _maker(url)
    if maker is None:
        message = f"This is no URL of Redis; give one such as {_FORMS}."
        raise ConfigurationError(message)
    return maker


def place_of(url: str) -> str:
    """Return the hosts of an URL, without its password."""
    return urlsplit(url).netloc.rpartition("@")[2] or urlsplit(url).path


def _check_installed() -> None:
    with suppress(ImportError):
        import_module("redis.asyncio")
        return
    message = "RedisStore needs redis-py: pip install 'amplify-federation[redis]'."
    raise ConfigurationError(message)


def _maker(url: str) -> Callable[[], Clients] | None:
    scheme, _, rest = url.partition("://")
    transport, _, kind = scheme.lower().partition("+")
    if transport not in {"redis", "rediss", "unix"} or not rest:
        return None
    if kind == "cluster":
        return _cluster(f"{transport}://{rest}")
    if kind == "sentinel":
        return _sentinel(url, tls=transport == "rediss")
    return None if kind else _single(url)


def _settings() -> dict[str, Any]:
    from redis.asyncio.retry import Retry  # noqa: PLC0415  # loaded by who uses it
    from redis.backoff import NoBackoff  # noqa: PLC0415  # the same

    # A retry would use up the deadline, and hide from the caller that Redis is away.
    # RESP2, because under RESP3 redis-py (7 and 8) takes no notice of a pooled connection that the
    # server has closed: after a restart the first command on each would fail.
    return {"retry": Retry(NoBackoff(), 0), "protocol": 2}


def _single(url: str) -> Callable[[], Clients]:
    from redis.asyncio import BlockingConnectionPool, Redis  # noqa: PLC0415  # the same
    from redis.asyncio.connection import parse_url  # noqa: PLC0415  # the same

    parse_url(url)
    pool_class: Any = BlockingConnectionPool  # whose arguments redis-py leaves untyped

    def make() -> Clients:
        pool = pool_class.from_url(url, max_connections=_CONNECTIONS, timeout=None, **_settings())
        return Clients(Redis.from_pool(pool))

    return make


def _cluster(url: str) -> Callable[[], Clients]:
    from redis.asyncio import RedisCluster  # noqa: PLC0415  # loaded by who uses it
    from redis.asyncio.connection import parse_url  # noqa: PLC0415  # the same

    parse_url(url)
    return lambda: Clients(RedisCluster.from_url(url, max_connections=_CONNECTIONS, **_settings()))


def _sentinel(url: str, *, tls: bool) -> Callable[[], Clients]:
    from redis.asyncio.sentinel import Sentinel  # noqa: PLC0415  # loaded by who uses it

    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    service, _, database = parts.path.strip("/").partition("/")
    sentinels = [_address(host) for host in hosts.split(",") if host]
    if not service or not sentinels:
        raise ValueError
    user, _, password = login.partition(":")
    given: dict[str, Any] = {"db": int(database or 0), "ssl": tls}
    if login:
        given.update(username=unquote(user) or None, password=unquote(password) or None)

    def make() -> Clients:
        sentinel: Any = Sentinel(sentinels, sentinel_kwargs=_settings())  # type: ignore[no-untyped-call]  # redis-py's
        settings = {**_settings(), **given}
        master = sentinel.master_for(service, max_connections=_CONNECTIONS, **settings)
        return Clients(master, tuple(sentinel.sentinels))

    return make


def _address(host: str) -> tuple[str, int]:
    parts = urlsplit(f"//{host}")
    if not parts.hostname:
        raise ValueError
    return parts.hostname, parts.port or _SENTINEL_PORT
