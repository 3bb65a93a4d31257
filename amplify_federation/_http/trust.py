"""What the environment says: the certificate authorities, the proxy, the transport, the endpoint.

This file owns the names and the meaning of the variables.
"""

import os
import re
import ssl
import sys
from pathlib import Path
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies

import certifi

from amplify_federation._model.endpoint import is_loopback
from amplify_federation.errors import ConfigurationError

# The first that is set counts: httpx's two, then the one that every AWS tool reads.
AUTHORITIES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "AWS_CA_BUNDLE")
ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_COGNITO_IDENTITY", "AWS_ENDPOINT_URL")
TRANSPORT = "AMPLIFY_FEDERATION_TRANSPORT"

_HOST_AND_PORT = re.compile(r"([^:]+|\[.+\]):(\d+)")
_PORTS = {"http": 80, "https": 443}
# By variable and path: the file's signature and the context. A replaced file has a new signature.
_built: dict[tuple[str, str], tuple[object, ssl.SSLContext]] = {}


def authorities() -> tuple[str, str]:
    """Return the variable that names the certificate authorities, and its value; or empty texts."""
    return next(
        ((name, value) for name in AUTHORITIES if (value := os.environ.get(name))), ("", "")
    )


def tls_context() -> ssl.SSLContext:
    """Return the process's TLS context for the present variables and the present file.

    It takes 25 to 45 ms to build, once for each content; call this in a thread unless
    `present_tls_context` has it. Raises `ConfigurationError` naming the variable and the path.
    """
    present = present_tls_context()
    if present is None:
        chosen = authorities()
        seen = _signature(chosen[1])
        present = _build(*chosen)
        _built[chosen] = seen, present
    return present


def present_tls_context() -> ssl.SSLContext | None:
    """Return the TLS context if it was built, and its file has not been replaced since."""
    chosen = authorities()
    seen, built = _built.get(chosen, (None, None))
    return built if seen == _signature(chosen[1]) else None


def _signature(path: str) -> tuple[int, ...]:
    if not path:
        return ()  # certifi's file, which is not replaced while a process runs
    try:
        status = Path(path).stat()
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size


def _build(name: str, path: str) -> ssl.SSLContext:
    if not name:
        context = ssl.create_default_context(cafile=certifi.where())
        context.set_alpn_protocols(["http/1.1"])
        return context
    try:
        if Path(path).is_dir():
            fault = "" if any(Path(path).iterdir()) else "is empty"
            context = ssl.create_default_context(capath=path)
        else:
            context = ssl.create_default_context(cafile=path)
            fault = "" if context.cert_store_stats()["x509_ca"] else "holds no authority"
        context.set_alpn_protocols(["http/1.1"])
    except ssl.SSLError:
        fault = "holds no certificate in PEM form"
    except OSError as error:
        fault = f"cannot be read: {error.strerror or type(error).__name__}"
    else:
        if not fault:
            return context
    message = f"{name} names {path!r}, which {fault}."
    raise ConfigurationError(
        message, recovery_suggestion=f"Give the path of a PEM file in {name}, or unset it."
    )


def proxy_for(endpoint_url: str) -> str | None:
    """Return `host:port` of the proxy that calls to this URL go through, without its password.

    None applies to a loopback address, which means another machine to a proxy. Raises
    `ConfigurationError` for a proxy whose port is not a number.
    """
    if sys.platform not in {"darwin", "win32"} and not any(
        name.lower().endswith("_proxy") for name in os.environ
    ):
        return None
    parts = urlsplit(endpoint_url)
    if is_loopback(parts.hostname):
        return None
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy:
        return None
    entries = [entry.strip().lower() for entry in proxies.get("no", "").split(",")]
    if any(_exempts(entry, parts) for entry in entries if entry):
        return None
    shown = _without_login(proxy if "://" in proxy else f"http://{proxy}")
    if shown is not None:
        return shown
    del proxies, proxy  # no frame of a traceback may hold a password
    message = "The proxy of HTTPS_PROXY or ALL_PROXY has a port that is not a number."
    raise ConfigurationError(
        message, recovery_suggestion="Set it as in http://proxy.example.com:3128, or unset it."
    )


def _without_login(proxy: str) -> str | None:
    parts = urlsplit(proxy)
    try:
        port = parts.port
    except ValueError:
        return None
    return f"{parts.hostname}:{port}" if port else f"{parts.hostname}"


def _exempts(entry: str, url: SplitResult) -> bool:
    """Tell whether an entry of `NO_PROXY` is the URL's host or a domain above it.

    It may begin with a scheme and end with a port, as httpx has it, and then means these alone.
    """
    scheme, _, name = entry.rpartition("://")
    if scheme not in {"", "all", url.scheme}:
        return False
    found = _HOST_AND_PORT.fullmatch(name)
    host, port = found.groups() if found else (name, None)  # an IPv6 address has no brackets
    if port is not None and int(port) != (url.port or _PORTS[url.scheme]):
        return False
    host, own = host.strip("[]"), url.hostname or ""
    return host in {"*", own} or own.endswith(f".{host.removeprefix('*').lstrip('.')}")


def endpoint_variable(url: str) -> str | None:
    """Return the variable that names the endpoint of a URL, if one does."""
    given = ((name, os.environ.get(name, "")) for name in ENDPOINT_VARIABLES)
    return next((name for name, value in given if value.rstrip("/") == url.rstrip("/")), None)


def wants_httpx() -> bool:
    """Tell whether `AMPLIFY_FEDERATION_TRANSPORT` asks for httpx's own transport.

    Raises `ConfigurationError` for any other value than `lean`, `httpx` and none.
    """
    value = os.environ.get(TRANSPORT, "").strip().lower()
    if value not in {"", "lean", "httpx"}:
        message = f"{TRANSPORT} must be 'lean' or 'httpx', not {value!r}."
        raise ConfigurationError(message, recovery_suggestion=f"Correct or unset {TRANSPORT}.")
    return value == "httpx"


def transport_for(endpoint_url: str) -> str:
    """Return the name of the transport for calls to a URL, as `doctor` shows it."""
    proxy = proxy_for(endpoint_url)
    if proxy:
        return f"httpx, through the proxy {proxy}"
    return f"httpx, as {TRANSPORT} says" if wants_httpx() else "LeanTransport"
