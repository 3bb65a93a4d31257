"""LeanTransport, an httpx transport for many requests to few origins; and which one is in use.

`httpx.AsyncClient(transport=LeanTransport())` uses it for anything. The sessions of this package
use it by default; `transport_for` tells what they use for an endpoint, and why.
"""

from amplify_federation._http.transport import LeanTransport
from amplify_federation._http.trust import transport_for

__all__ = ["LeanTransport", "transport_for"]
