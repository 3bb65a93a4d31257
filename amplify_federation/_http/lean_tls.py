"""The TLS context of the lean path: built once per process, off the loop, as httpx builds it.

This file owns which authorities are trusted: `SSL_CERT_FILE`, else `SSL_CERT_DIR`, else certifi's,
as httpx reads them. It must not know connections.
"""

import os
from typing import TYPE_CHECKING

from anyio import to_thread

if TYPE_CHECKING:
    from ssl import SSLContext

_built: "dict[tuple[str | None, str | None], SSLContext]" = {}


async def shared_tls_context() -> "SSLContext":
    """Return the process's TLS context for what the two variables say now.

    Raises what `ssl` raises for a file that it cannot read, an `OSError`.
    """
    names = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if names not in _built:
        # 25 to 45 ms of parsing certificates, which would stand still the loop.
        _built[names] = await to_thread.run_sync(_build, *names)
    return _built[names]


def _build(cafile: str | None, capath: str | None) -> "SSLContext":
    import ssl  # noqa: PLC0415  # not loaded by who never goes on the network

    if cafile:
        context = ssl.create_default_context(cafile=cafile)
    elif capath:
        context = ssl.create_default_context(capath=capath)
    else:
        import certifi  # noqa: PLC0415  # it comes with httpx

        context = ssl.create_default_context(cafile=certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context
