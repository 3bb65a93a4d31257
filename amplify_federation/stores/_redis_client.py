"""The client of one Redis: what its URL means, commands under a deadline, errors in words.

This file owns the three clients of redis-py (one server, a cluster, the master that Sentinels
name) and what becomes of everything they raise: a URL that cannot be served is
`ConfigurationError` at construction, and whatever fails later is `StoreUnavailableError` within
300 ms of the call, with its cause. It must not know what the commands mean.
"""

import os
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from socket import gaierror
from typing import Any, Final, NoReturn
from urllib.parse import parse_qsl, unquote, urlsplit

import anyio
from attrs import frozen

from amplify_federation._async.loop_guard import LoopGuard, is_asyncio
from amplify_federation.errors import ConfigurationError, StoreUnavailableError

DEADLINE: Final = 0.3  # seconds for one command, its connection included
_CONNECTIONS: Final = 64  # of one process; commands beyond that wait for one, inside the deadline
_STEP: Final = 500  # keys that Redis looks at in one step of a search
_PORT, _SENTINEL_PORT = 6_379, 26_379
_SCHEMES: Final = {"redis": False, "rediss": True, "valkey": False, "valkeys": True}  # TLS or not
_FORMS: Final = (
    "redis://host:port/db, rediss:// (TLS), valkey://, valkeys:// (TLS), unix://path, "
    "redis+cluster://host:port or redis+sentinel://host:port,host:port/service/db"
)


@frozen
class _Clients:
    """The client that serves, and others that it needs. redis-py's share no type that fits."""

    serving: Any
    others: tuple[Any, ...] = ()

    async def aclose(self) -> None:
        for client in (self.serving, *self.others):
            # redis-py closes nothing of a cluster that it was about to look at again.
            if (cluster := getattr(client, "nodes_manager", None)) is not None:
                for node in (*cluster.nodes_cache.values(), *cluster.startup_nodes.values()):
                    await node.disconnect()
            await client.aclose()


class RedisClient:
    """Sends commands to one Redis, each once. Constructing does no I/O.

    Raises `ConfigurationError` for a URL that cannot be served, and if redis-py is missing.
    """

    def __init__(self, url: object) -> None:
        self._make, self.place = _understood(url)
        self._clients: _Clients | None = None
        self._home = LoopGuard("RedisStore")
        self._places: anyio.Semaphore | None = None

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
            # A connection that cannot be ended properly is gone, which is all that is wanted.
            with suppress(Exception):
                await clients.aclose()

    async def _in_time(self, work: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401  # as above
        reason, advice = f"no answer within {DEADLINE * 1000:.0f} ms", None
        with anyio.move_on_after(DEADLINE):
            try:
                async with self._free_place():
                    return await work()
            except Exception as error:  # noqa: BLE001  # redis-py raises its own tree and beyond it
                reason, advice = _in_words(error)
        # Outside the handler: the caught error may hold the command, and that a sealed record.
        message = f"Redis at {self.place} does not serve now: {reason}."
        raise StoreUnavailableError(message, recovery_suggestion=advice or _ADVICE)

    def _free_place(self) -> anyio.Semaphore:
        # Of the three clients only that of one server can make commands wait for a connection.
        if self._places is None:
            self._places = anyio.Semaphore(_CONNECTIONS, fast_acquire=True)
        return self._places

    def _present_client(self) -> Any:  # noqa: ANN401  # redis-py's clients share no type that fits
        if self._clients is None:
            if not is_asyncio():
                message = "RedisStore works under asyncio alone, as redis-py does; trio has none."
                raise ConfigurationError(message)
            self._clients = self._made()
        self._home.check()
        return self._clients.serving

    def _made(self) -> _Clients:
        try:
            return self._make()
        except Exception as error:  # noqa: BLE001  # an older redis-py knows fewer options
            reason = type(error).__name__
        message = f"redis-py cannot make a client of the URL of Redis: {reason}."
        advice = "Upgrade redis-py, or leave options out of the URL."
        raise ConfigurationError(message, recovery_suggestion=advice)


# The URL


def _understood(url: object) -> tuple[Callable[[], _Clients], str]:
    """Return what makes the client of a URL, inside an event loop, and its hosts without login."""
    if not isinstance(url, str):
        _refuse(f"The URL of Redis must be a string, not {type(url).__name__}.")
    _check_installed()
    found: tuple[Callable[[], _Clients], str] | None = None
    with suppress(ValueError):  # raised below, without the password
        found = _parsed(url)
    if found is None:
        _refuse(f"This is no URL of Redis; give one such as {_FORMS}.")
    return found


def _check_installed() -> None:
    with suppress(ImportError):
        import_module("redis.asyncio")
        return
    message = "RedisStore needs redis-py: pip install 'amplify-federation[redis]'."
    raise ConfigurationError(message, recovery_suggestion="Install the extra `redis`.")


def _refuse(message: str) -> NoReturn:
    advice = "Correct the URL of Redis that is given to `RedisStore`."
    raise ConfigurationError(message, recovery_suggestion=advice)


def _parsed(url: str) -> tuple[Callable[[], _Clients], str] | None:
    parts = urlsplit(url)
    scheme, _, kind = parts.scheme.partition("+")
    login, _, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    if scheme == "unix" and not kind and (parts.path or hosts):
        path = unquote(hosts + parts.path)
        options = _options(parts.query, tls=False)
        return _unix_socket(path, {**_credentials(user, password), **options}), path
    if scheme not in _SCHEMES or not hosts:
        return None
    tls = _SCHEMES[scheme]
    options = {"db": 0, **_credentials(user, password), **_options(parts.query, tls=tls)}
    path = unquote(parts.path).strip("/")
    if kind == "sentinel":
        service, _, database = path.partition("/")
        options["db"] = int(database or options["db"])
        return _sentinel(_addresses(hosts, _SENTINEL_PORT), service, options, tls=tls), hosts
    options["db"] = int(path or options["db"])
    addresses = _addresses(hosts, _PORT)
    if kind == "cluster":
        if options.pop("db"):
            _refuse("A Redis cluster has database 0 alone; leave the number out of the URL.")
        return _cluster(addresses, options, tls=tls), hosts
    return None if kind or len(addresses) > 1 else (_single(*addresses[0], options, tls), hosts)


def _credentials(user: str, password: str) -> dict[str, Any]:
    given = {"username": unquote(user), "password": unquote(password)}
    return {name: value for name, value in given.items() if value}


def _addresses(hosts: str, port: int) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    for host in hosts.split(","):
        parts = urlsplit(f"//{host}")
        if not parts.hostname:
            raise ValueError
        found.append((unquote(parts.hostname), parts.port or port))
    return found


def _switch(value: str) -> bool:
    answers = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if value.lower() not in answers:
        raise ValueError
    return answers[value.lower()]


def _seconds(value: str) -> float:
    if not 0 < (seconds := float(value)) < float("inf"):
        raise ValueError
    return seconds


def _count(value: str) -> int:
    if (count := int(value)) < 0:
        raise ValueError
    return count


def _strictness(value: str) -> str:
    if value not in {"none", "optional", "required"}:
        raise ValueError
    return value


def _present(value: str) -> str:
    if not Path(value).exists():
        raise ValueError
    return value


# What may stand behind the `?`. The rest of redis-py's options would change what the store relies
# on (`decode_responses`, `protocol`, `retry`), or are none.
PLAIN_OPTIONS: Final[dict[str, Callable[[str], Any]]] = {
    "db": _count,
    "client_name": str,
    "health_check_interval": _count,
    "socket_connect_timeout": _seconds,
    "socket_keepalive": _switch,
    "socket_timeout": _seconds,
}
TLS_OPTIONS: Final[dict[str, Callable[[str], Any]]] = {
    "ssl_ca_certs": _present,
    "ssl_ca_path": _present,
    "ssl_certfile": _present,
    "ssl_check_hostname": _switch,
    "ssl_cert_reqs": _strictness,
    "ssl_keyfile": _present,
}


def _options(query: str, *, tls: bool) -> dict[str, Any]:
    allowed = {**PLAIN_OPTIONS, **(TLS_OPTIONS if tls else {})}
    options: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in allowed:
            if name in TLS_OPTIONS:
                _refuse(f"The option `{name}` in the URL of Redis needs TLS: use rediss://.")
            _refuse(
                f"The option {name!r:.60} in the URL of Redis is none that the store takes: "
                f"{', '.join(sorted(allowed))}."
            )
        converted = None
        with suppress(ValueError):
            converted = allowed[name](value)
        if converted is None:
            what = "names no file" if allowed[name] is _present else "has a value that is none"
            _refuse(f"The option `{name}` in the URL of Redis {what}.")
        options[name] = converted
    if tls:  # which redis-py before 6 leaves out
        options.setdefault("ssl_check_hostname", options.get("ssl_cert_reqs") != "none")
    return options


# redis-py's clients


def _settings() -> dict[str, Any]:
    from redis.asyncio.retry import Retry  # noqa: PLC0415  # an optional extra
    from redis.backoff import NoBackoff  # noqa: PLC0415  # the same

    # A retry would use up the deadline, and hide from the caller that Redis is away.
    # RESP2, because under RESP3 redis-py (7 and 8) takes no notice of a pooled connection that the
    # server has closed: after a restart the first command on each would fail.
    return {
        "retry": Retry(NoBackoff(), 0), "protocol": 2, "max_connections": 2 * _CONNECTIONS,
    }  # fmt: skip


def _single(host: str, port: int, options: dict[str, Any], tls: bool) -> Callable[[], _Clients]:  # noqa: FBT001  # private
    from redis.asyncio import Redis  # noqa: PLC0415  # an optional extra

    return lambda: _Clients(Redis(host=host, port=port, ssl=tls, **_settings(), **options))


def _unix_socket(path: str, options: dict[str, Any]) -> Callable[[], _Clients]:
    from redis.asyncio import Redis  # noqa: PLC0415  # an optional extra

    return lambda: _Clients(Redis(unix_socket_path=path, **_settings(), **options))


def _cluster(
    addresses: list[tuple[str, int]], options: dict[str, Any], *, tls: bool
) -> Callable[[], _Clients]:
    from redis.asyncio.cluster import ClusterNode, RedisCluster  # noqa: PLC0415  # an optional extra

    def make() -> _Clients:
        nodes = [ClusterNode(host, port) for host, port in addresses]
        return _Clients(RedisCluster(startup_nodes=nodes, ssl=tls, **_settings(), **options))

    return make


def _sentinel(
    addresses: list[tuple[str, int]], service: str, options: dict[str, Any], *, tls: bool
) -> Callable[[], _Clients]:
    from redis.asyncio.sentinel import Sentinel  # noqa: PLC0415  # an optional extra

    if not service:
        raise ValueError

    def make() -> _Clients:
        sentinel: Any = Sentinel(addresses, sentinel_kwargs=_settings())  # type: ignore[no-untyped-call]  # redis-py's
        master = sentinel.master_for(service, ssl=tls, **_settings(), **options)
        return _Clients(master, tuple(sentinel.sentinels))

    return make


# Its errors, in words

_ADVICE: Final = (
    "Start Redis, or correct its URL; `amplify-federation doctor --store URL` looks at it."
)
_USE_CLUSTER: Final = "Use redis+cluster:// in the URL."
_USE_SINGLE: Final = "Use redis:// (or rediss://) in the URL."
_PERMIT: Final = (
    "Allow the user GET, SET, DEL, EVAL, SCAN, GETRANGE and PEXPIRE on the keys of the namespace."
)
_CHECK_LOGIN: Final = "Give user name and password in the URL: redis://user:password@host."
# How an answer of Redis, or a message of redis-py's, begins; neither is shown, since it may repeat
# the command.
_ANSWERS: Final[tuple[tuple[str, str, str | None], ...]] = (
    ("WRONGPASS", "it refuses the user name or the password", _CHECK_LOGIN),
    ("invalid username-password", "it refuses the user name or the password", _CHECK_LOGIN),
    ("invalid password", "it refuses the password", _CHECK_LOGIN),
    ("AUTH", "it has no password, and was given one", "Leave the password out of the URL."),
    ("Client sent AUTH", "it has no password, and was given one", "Leave it out of the URL."),
    ("NOAUTH", "it wants a password", _CHECK_LOGIN),
    ("Authentication required", "it wants a password", _CHECK_LOGIN),
    ("NOPERM", "its user may not run what the store needs", _PERMIT),
    ("ACL failure in script", "its user may not run what the store needs", _PERMIT),
    ("The user executing the script", "its user may not run what the store needs", _PERMIT),
    ("All slots are not covered", "the cluster does not cover all slots", None),
    ("Cluster mode is not enabled", "it is no cluster", _USE_SINGLE),
    ("This instance has cluster support disabled", "it is no cluster", _USE_SINGLE),
    ("MOVED", "it is a node of a cluster", _USE_CLUSTER),
    ("DB index is out of range", "it has no such database", "Correct the number in the URL."),
    ("invalid DB index", "it has no such database", "Correct the number in the URL."),
    ("SELECT is not allowed in cluster", "it is a node of a cluster", _USE_CLUSTER),
    ("No master found", "the Sentinels know no such master, or cannot be reached", None),
    ("max number of clients", "it has too many clients", None),
    ("MISCONF", "it cannot save to its disk, and so refuses writes", None),
    ("NOREPLICAS", "it has too few replicas, and so refuses writes", None),
    ("UNBLOCKED", "its role changed", None),
)  # fmt: skip
_KINDS: Final[tuple[tuple[str, str, str | None], ...]] = (
    ("MovedError", "it is a node of a cluster", _USE_CLUSTER),
    ("NoPermissionError", "its user may not run what the store needs", _PERMIT),
    ("AuthenticationError", "it refuses the user name or the password", _CHECK_LOGIN),
    ("AuthenticationWrongNumberOfArgsError", "it knows no user names", _CHECK_LOGIN),
    ("BusyLoadingError", "it is loading its data", None),
    ("OutOfMemoryError", "it has no memory left for writes", None),
    ("ReadOnlyError", "it is a replica, which takes no writes", "Give the URL of the master."),
    ("MasterDownError", "its master is down", None),
    ("ClusterDownError", "the cluster is down", None),
    ("SlotNotCoveredError", "no node of the cluster serves this key", None),
    ("RedisClusterException", "the cluster does not serve", None),
    ("MaxConnectionsError", "all connections to it are in use", None),
)  # fmt: skip


def _in_words(error: Exception) -> tuple[str, str | None]:
    """Return what an error means, without what it says of commands, and what to do about it."""
    chain = _chain(error)
    for each in chain:
        if isinstance(each, OSError) and (said := _os_error_in_words(each)):
            return said
    for start, meaning, advice in _ANSWERS:
        if any(str(each).startswith(start) for each in chain):
            return meaning, advice
    for kind, meaning, advice in _KINDS:
        if any(type(each).__name__ == kind for each in chain):
            return meaning, advice
    if any(type(each).__name__ == "TimeoutError" for each in chain):
        return f"no answer within {DEADLINE * 1000:.0f} ms", None
    if type(chain[-1]).__name__ in {"ConnectionError", "ConnectionResetError"}:
        advice = "Check the port, and whether it speaks TLS there (rediss://) or not (redis://)."
        return "the connection was closed", advice
    return f"{type(error).__name__}", None


def _chain(error: BaseException) -> list[BaseException]:
    chain = [error]
    while (inner := chain[-1].__cause__ or chain[-1].__context__) and inner not in chain:
        chain.append(inner)
    return chain


def _os_error_in_words(error: OSError) -> tuple[str, str | None] | None:
    import ssl  # noqa: PLC0415  # heavy, and needed for trouble alone

    if isinstance(error, ssl.SSLCertVerificationError):
        advice = "Give the file of its CA in the URL: `?ssl_ca_certs=FILE`."
        return f"its TLS certificate is not trusted ({error.verify_message})", advice
    if isinstance(error, ssl.SSLError):
        advice = "Use redis:// where Redis does not speak TLS, or give the port where it does."
        return f"TLS failed ({error.reason})", advice
    if isinstance(error, gaierror):
        return "its host name is not found", "Correct the host in the URL."
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there", None
    if isinstance(error, TimeoutError | ConnectionError) or error.errno is None:
        return None
    return os.strerror(error.errno).lower(), None
