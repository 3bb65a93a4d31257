"""Whether a default client may go the lean way, or somebody expects httpx to be asked.

Somebody does who set a proxy in the environment, which httpx reads, or who replaced a method of
httpx or httpcore: respx, pytest-httpx, OpenTelemetry and their like. This file owns how both are
noticed. It never imports httpx: where nobody has, nobody can have patched it.

A method is the library's own if it is a plain function whose globals are those of a module of that
library. A wrapper, a mock or a function from elsewhere is not, whatever name it took on, and
however early it came.
"""

import os
import sys
from collections.abc import Mapping
from types import FunctionType
from urllib.parse import urlsplit

# Where the known tools reach in: tracers wrap `send`, mocks replace what is below it. Only what a
# call through `HttpxExchange` would pass counts.
_SEAMS: dict[str, dict[str, tuple[str, ...]]] = {
    "httpx": {
        "AsyncClient": ("__init__", "send", "_send_single_request", "_transport_for_url"),
        "AsyncHTTPTransport": ("__init__", "handle_async_request"),
    },
    "httpcore": {
        "AsyncConnectionPool": ("handle_async_request",),
        "AsyncHTTPConnection": ("handle_async_request",),
    },
}
# What was found in place and to be the library's own: a namespace, a name in it, its value.
_Place = tuple[Mapping[str, object], str, object]
_found: tuple[_Place, ...] = ((sys.modules, "httpx", ...),)


def lean_applies(endpoint_url: str) -> bool:
    """Tell whether the lean path may be used for this http or https URL now."""
    parts = urlsplit(endpoint_url)
    return (
        parts.scheme in {"http", "https"}
        and endpoint_url.isascii()
        and httpx_is_untouched()
        and not may_be_proxied(endpoint_url)
    )


def httpx_is_untouched() -> bool:
    """Tell whether httpx and httpcore are as they were written; about 1 microsecond, per call."""
    for namespace, name, value in _found:
        if namespace.get(name) is not value:
            return _look_closely()
    return True


def may_be_proxied(endpoint_url: str) -> bool:
    """Tell whether httpx might send calls to this URL through a proxy; read it when it would.

    A `NO_PROXY` entry that names a scheme or a port is left to httpx, and so answers True.
    """
    if sys.platform not in {"darwin", "win32"} and not any(
        name.lower().endswith("_proxy") for name in os.environ
    ):
        return False
    from urllib.request import getproxies  # noqa: PLC0415  # 20 ms, and seldom needed

    proxies = getproxies()
    parts = urlsplit(endpoint_url)
    if not (proxies.get(parts.scheme) or proxies.get("all")):
        return False
    host = parts.hostname or ""
    entries = [entry.strip().lower() for entry in proxies.get("no", "").split(",")]
    return "*" not in entries and not any(_exempts(entry, host) for entry in entries if entry)


def _look_closely() -> bool:
    global _found  # noqa: PLW0603  # what a process has patched is a fact of the process
    places: list[_Place] = []
    for library, classes in _SEAMS.items():
        module = sys.modules.get(library)
        places.append((sys.modules, library, module))
        for class_name, methods in classes.items() if module else ():
            owner: object = vars(module).get(class_name)
            members: Mapping[str, object] = getattr(owner, "__dict__", {})
            places.append((vars(module), class_name, owner))
            places.extend((members, method, members.get(method)) for method in methods)
            if not all(_is_own(members.get(method), library) for method in methods):
                return False
    _found = tuple(places)
    return True


def _is_own(function: object, library: str) -> bool:
    # `type` sees through no proxy object, where `isinstance` would.
    if type(function) is not FunctionType:
        return False
    home = function.__globals__.get("__name__", "")
    module = sys.modules.get(home)
    return (
        module is not None
        and module.__dict__ is function.__globals__
        and home.startswith(f"{library}.")
    )


def _exempts(entry: str, host: str) -> bool:
    return host == entry or host.endswith(entry if entry.startswith(".") else f".{entry}")
