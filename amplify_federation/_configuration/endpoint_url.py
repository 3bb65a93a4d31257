"""Which URL a pool's calls go to: explicit, then the environment, then the rules.

This file owns that order and what a custom endpoint may look like. Variables and their meaning are
those of the AWS SDKs ("Service-specific endpoints" of the SDK reference guide).
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from amplify_federation._model.endpoint import endpoint_for
from amplify_federation.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.parse import SplitResult

logger = logging.getLogger("amplify_federation")
_LOOPBACK = re.compile(r"localhost|(?:.+\.)?localhost|127(?:\.\d{1,3}){3}|::1", re.ASCII)


def resolve_endpoint(
    region: str,
    environ: Mapping[str, str],
    *,
    endpoint_url: object = None,
    use_fips: bool | None = None,
    use_dualstack: bool | None = None,
) -> str:
    """Return the endpoint URL without trailing slashes.

    Raises `ConfigurationError` for a malformed URL, and for a custom endpoint together with FIPS or
    dual-stack, which name an endpoint of their own.
    """
    fips, dual = use_fips, use_dualstack
    if fips is None:
        fips = is_true(environ, "AWS_USE_FIPS_ENDPOINT")
    dual = (
        is_true(environ, "AWS_USE_DUALSTACK_ENDPOINT") if use_dualstack is None else use_dualstack
    )
    custom, source = (endpoint_url, "endpoint_url")
    if endpoint_url is None:
        custom, source = _from_environment(environ)
    if custom is None:
        return endpoint_for(region, use_fips=fips, use_dualstack=dual)
    if fips or dual:
        message = (
            f"{source} cannot be combined with {'FIPS' if fips else 'dual-stack'}: "
            "unset one of the two."
        )
        raise ConfigurationError(message)
    return _checked(custom, source)


def is_true(environ: Mapping[str, str], name: str) -> bool:
    """Tell whether a variable holds the word `true`; nothing else is true."""
    return environ.get(name, "").strip().lower() == "true"


def _from_environment(environ: Mapping[str, str]) -> tuple[str | None, str]:
    if not is_true(environ, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"):
        for name in ("AWS_ENDPOINT_URL_COGNITO_IDENTITY", "AWS_ENDPOINT_URL"):
            if environ.get(name):
                return environ[name], name
    return None, ""


def _checked(url: object, source: str) -> str:
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url:
        message = f"{source} is not a URL; give one such as 'http://127.0.0.1:4566'."
        raise ConfigurationError(message)
    fault = _fault_of(url)
    if fault:
        message = f"{source} {fault}; give one such as 'http://127.0.0.1:4566'."
        raise ConfigurationError(message)
    parts = _split(url)
    if parts.scheme.lower() == "http" and not _LOOPBACK.fullmatch(parts.hostname or ""):
        logger.warning(
            "Tokens and credentials go unencrypted to %s: the endpoint is plain http.",
            parts.hostname,
            extra={"event": "plain_http_endpoint", "host": parts.hostname},
        )
    return url.rstrip("/")


def _split(url: str) -> SplitResult:
    from urllib.parse import urlsplit  # noqa: PLC0415 - few have an endpoint of their own

    return urlsplit(url)


def _fault_of(url: str) -> str | None:
    try:
        parts = _split(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "has a bad host or port"
    if parts.scheme.lower() not in {"http", "https"}:
        return "needs the scheme http or https"
    if "@" in parts.netloc:
        return "must not carry a user name or password"
    if not host or not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]+", host):
        return "has no usable host"
    if port == 0 or parts.netloc.endswith(":"):
        return "has a bad host or port"
    if "?" in url or "#" in url or "\\" in url:
        return "must not have a query, a fragment or a backslash"
    return None
