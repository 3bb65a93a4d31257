"""LeanTransport, an httpx transport for many requests to few origins; and which one is in use.

`httpx.AsyncClient(transport=LeanTransport())` uses it for anything. The sessions of this package
use it by default; `transport_for` tells what they use for an endpoint, and why.
"""

from urllib.parse import urlsplit

from amplify_federation._http.responses import network_error
from amplify_federation._http.transport import LeanTransport
from amplify_federation._http.trust import endpoint_variable, proxy_for, transport_for
from amplify_federation.errors import NetworkError

__all__ = ["LeanTransport", "failure_at", "transport_for"]


def failure_at(endpoint: str, error: BaseException) -> NetworkError | None:
    """Return the error that a session raises where httpx raised this one at an endpoint.

    It names host, proxy, the cause, and the variable that names the endpoint, if one does. `None`
    for what is no failure of a network. Raises `ConfigurationError` for a malformed proxy.
    """
    place, variable = urlsplit(endpoint).netloc, endpoint_variable(endpoint)
    return network_error(error, place, proxy_for(endpoint), variable=variable)
