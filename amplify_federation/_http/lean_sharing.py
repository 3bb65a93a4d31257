"""One lean exchange per endpoint and event loop, however many sessions talk to it.

A thousand sessions share a few warm connections so, instead of keeping one each. That is safe
because a connection carries nothing of a session: no cookie, no signature, no header that stays.
This file owns who shares. It must not know what is sent.
"""

import os
from weakref import WeakKeyDictionary, WeakValueDictionary

from anyio.lowlevel import current_token

from amplify_federation._http.lean.exchange import LeanExchange
from amplify_federation._http.lean_tls import shared_tls_context

# Loops and exchanges are held by those who use them, never by these tables.
_loops: WeakKeyDictionary[object, WeakValueDictionary[tuple[str, ...], LeanExchange]] = (
    WeakKeyDictionary()
)


def shared_exchange(endpoint_url: str) -> LeanExchange:
    """Return the exchange for an endpoint in the running loop; `aclose` it once for each call."""
    here = _loops.setdefault(current_token().native_token, WeakValueDictionary())
    # Who trusts other authorities must not get a connection that was made under these.
    trust = os.environ.get("SSL_CERT_FILE", ""), os.environ.get("SSL_CERT_DIR", "")
    exchange = here.get((endpoint_url, *trust))
    if exchange is not None and exchange.holders > 0:
        exchange.holders += 1
        return exchange
    exchange = LeanExchange(endpoint_url, ssl_context_factory=shared_tls_context)
    here[(endpoint_url, *trust)] = exchange
    return exchange
