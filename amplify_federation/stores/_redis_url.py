"""The URL of a Redis: one server, a cluster, or the master that Sentinels name.

redis-py's own `from_url` is not used: it knows neither Sentinels nor a second node of a cluster,
accepts unknown options, and reads any text but a false one as true.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from attrs import field, frozen

from amplify_federation.errors import ConfigurationError

_PORT, _SENTINEL_PORT = 6_379, 26_379
_SCHEMES: Final = {"redis": False, "rediss": True, "valkey": False, "valkeys": True}  # TLS or not
_FORMS: Final = (
    "redis://host:port/db, rediss:// (TLS), valkey://, valkeys:// (TLS), unix://path, "
    "redis+cluster://host:port or redis+sentinel://host:port,host:port/service/db"
)


@frozen
class RedisUrl:
    """What a URL means, for redis-py."""

    kind: Literal["server", "cluster", "sentinel"]
    place: str  # the hosts or the path, without user name and password
    addresses: list[tuple[str, int]] = field(factory=list[tuple[str, int]])
    service: str = ""  # of Sentinels
    options: dict[str, Any] = field(factory=dict[str, Any], repr=False)  # with the password
    sentinel_options: dict[str, Any] = field(factory=dict[str, Any], repr=False)  # with theirs


def parse_redis_url(url: object) -> RedisUrl | ConfigurationError:
    """Read a URL, or return what is wrong with it.

    The error is returned, so that its traceback has no frame that holds the password.
    """
    if not isinstance(url, str):
        return _malformed(f"The URL of Redis must be a string, not {type(url).__name__}.")
    try:
        return _parsed(urlsplit(url))
    except ConfigurationError as error:
        return error.with_traceback(None)
    except ValueError:  # its message may show the password
        return _malformed(f"This is no URL of Redis; give one such as {_FORMS}.")


def _malformed(message: str) -> ConfigurationError:
    advice = "Correct the URL of Redis that is given to `RedisStore`."
    return ConfigurationError(message, recovery_suggestion=advice)


def _parsed(url: SplitResult) -> RedisUrl:
    scheme, _, kind = url.scheme.partition("+")
    login, _, hosts = url.netloc.rpartition("@")
    path = unquote(url.path)
    if url.scheme == "unix" and (path or hosts):
        path = unquote(hosts) + path
        options = {**_credentials(login), **_options(url.query, tls=False)}
        return RedisUrl("server", path, options={"unix_socket_path": path, **options})
    if scheme not in _SCHEMES or not hosts:
        raise ValueError
    tls = _SCHEMES[scheme]
    given = _options(url.query, tls=tls, sentinels=kind == "sentinel")
    options = {"ssl": tls, "db": 0, **_credentials(login), **given}
    addresses = _addresses(hosts, _SENTINEL_PORT if kind == "sentinel" else _PORT)
    path = path.strip("/")
    service, _, database = path.partition("/") if kind == "sentinel" else ("", "", path)
    options["db"] = int(database or options["db"])
    match kind, addresses:
        case "sentinel", _ if service:
            return RedisUrl("sentinel", hosts, addresses, service, *_shared_out(options))
        case "cluster", _:
            if options.pop("db"):
                message = "A Redis cluster has database 0 alone; leave the number out of the URL."
                raise _malformed(message)
            return RedisUrl("cluster", hosts, addresses, options=options)
        case "", [(host, port)]:
            return RedisUrl("server", hosts, options={"host": host, "port": port, **options})
        case _:
            raise ValueError


def _shared_out(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options of the master and those of the Sentinels: TLS and time limits are both's.

    The login is the master's, as with redis-py's `sentinel_kwargs`.
    """
    theirs = {name: each for name, each in options.items() if name.startswith(("ssl", "socket_"))}
    for name in SENTINEL_OPTIONS:
        if name in options:
            theirs[name.removeprefix("sentinel_")] = options.pop(name)
    return options, theirs


def _credentials(login: str) -> dict[str, str]:
    user, _, password = login.partition(":")
    given = {"username": unquote(user), "password": unquote(password)}
    return {name: value for name, value in given.items() if value}


def _addresses(hosts: str, port: int) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    for host in hosts.split(","):
        address = urlsplit(f"//{host}")
        if not address.hostname:
            raise ValueError
        found.append((unquote(address.hostname), address.port or port))
    return found


# Options


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


def _text(value: str) -> str:
    if not value:  # such as a variable that is not set
        raise ValueError
    return value


def _requirement(value: str) -> str:
    if value not in {"none", "optional", "required"}:
        raise ValueError
    return value


def _existing(value: str) -> str:
    if not Path(value).exists():
        raise ValueError
    return value


# Other options of redis-py are refused: they change what the store relies on (`decode_responses`,
# `protocol`, `retry`).
PLAIN_OPTIONS: Final[dict[str, Callable[[str], Any]]] = {
    "db": _count,
    "client_name": str,
    "health_check_interval": _count,
    "socket_connect_timeout": _seconds,
    "socket_keepalive": _switch,
    "socket_timeout": _seconds,
}
TLS_OPTIONS: Final[dict[str, Callable[[str], Any]]] = {
    "ssl_ca_certs": _existing,
    "ssl_ca_path": _existing,
    "ssl_certfile": _existing,
    "ssl_check_hostname": _switch,
    "ssl_cert_reqs": _requirement,
    "ssl_keyfile": _existing,
}
SENTINEL_OPTIONS: Final[dict[str, Callable[[str], Any]]] = {
    "sentinel_password": _text,
    "sentinel_username": _text,
}


def _options(query: str, *, tls: bool, sentinels: bool = False) -> dict[str, Any]:
    allowed = {
        **PLAIN_OPTIONS, **(TLS_OPTIONS if tls else {}), **(SENTINEL_OPTIONS if sentinels else {}),
    }  # fmt: skip
    options: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in allowed:
            message = (
                f"The option `{name}` in the URL of Redis needs TLS: use rediss://."
                if name in TLS_OPTIONS
                else f"The option {name!r:.60} in the URL of Redis is none that the store takes: "
                f"{', '.join(sorted(allowed))}."
            )
            raise _malformed(message)
        converted = None
        with suppress(ValueError, OSError):  # such as a file in a folder of another user
            converted = allowed[name](value)
        if converted is None:
            why = "names no file" if allowed[name] is _existing else "has a value that is invalid"
            message = f"The option `{name}` in the URL of Redis {why}."
            raise _malformed(message)
        options[name] = converted
    if tls:  # which redis-py before 6 leaves out
        options.setdefault("ssl_check_hostname", options.get("ssl_cert_reqs") != "none")
    return options
