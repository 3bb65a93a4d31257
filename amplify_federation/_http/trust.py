"""Which certificate authorities are trusted, and which proxy applies: what the environment says.

This file owns the variables. It must not know requests.
"""

import os
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from amplify_federation.errors import ConfigurationError

if TYPE_CHECKING:
    from ssl import SSLContext

# The first that is set counts: httpx's two, then the one that every AWS tool reads.
AUTHORITIES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "AWS_CA_BUNDLE")
TRANSPORT = "AMPLIFY_FEDERATION_TRANSPORT"

_built: "dict[tuple[str, str], SSLContext]" = {}


def authorities() -> tuple[str, str]:
    """Return the variable that names the certificate authorities, and its value; or empty texts."""
    return next(
        ((name, value) for name in AUTHORITIES if (value := os.environ.get(name))), ("", "")
    )


def tls_context() -> "SSLContext":
    """Return the process's TLS context for what the variables say now.

    It takes 25 to 45 ms to build, once; call it in a thread. Raises `ConfigurationError` naming the
    variable and the path.
    """
    chosen = authorities()
    if chosen not in _built:
        _built[chosen] = _build(*chosen)
    return _built[chosen]


def _build(name: str, path: str) -> "SSLContext":
    import ssl  # noqa: PLC0415  # not loaded by a process that makes no call

    if not name:
        import certifi  # noqa: PLC0415  # it comes with httpx

        context = ssl.create_default_context(cafile=certifi.where())
        context.set_alpn_protocols(["http/1.1"])
        return context
    try:
        if os.path.isdir(path):  # noqa: PTH112  # pathlib is not loaded here
            fault = "" if os.listdir(path) else "is empty"  # noqa: PTH208  # the same
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
    """Return `host:port` of the proxy that calls to this URL may go through, without its password.

    A `NO_PROXY` entry that names a scheme or a port is left to httpx, and so a proxy is returned.
    Raises `ConfigurationError` for a proxy whose port is none.
    """
    if sys.platform not in {"darwin", "win32"} and not any(
        name.lower().endswith("_proxy") for name in os.environ
    ):
        return None
    from urllib.request import getproxies  # noqa: PLC0415  # 20 ms, and seldom needed

    proxies = getproxies()
    parts = urlsplit(endpoint_url)
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy:
        return None
    host = parts.hostname or ""
    entries = [entry.strip().lower() for entry in proxies.get("no", "").split(",")]
    if "*" in entries or any(_exempts(entry, host) for entry in entries if entry):
        return None
    return _shown(proxy if "://" in proxy else f"http://{proxy}")


def _shown(proxy: str) -> str:
    parts = urlsplit(proxy)
    try:
        port = parts.port
    except ValueError:
        pass
    else:
        return f"{parts.hostname}:{port}" if port else f"{parts.hostname}"
    message = "The proxy of HTTPS_PROXY or ALL_PROXY has a port that is none."
    raise ConfigurationError(
        message, recovery_suggestion="Set it as in http://proxy.example.com:3128, or unset it."
    )


def _exempts(entry: str, host: str) -> bool:
    return host == entry or host.endswith(entry if entry.startswith(".") else f".{entry}")


def wants_httpx() -> bool:
    """Tell whether `AMPLIFY_FEDERATION_TRANSPORT` asks for httpx's own transport.

    Raises `ConfigurationError` for a value that means nothing.
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
