"""Line: the way to one endpoint, shared by all sessions over it.

This file owns which exchange serves a call and who closes it. It must not know what is said.
"""

from typing import Any, Final
from weakref import WeakKeyDictionary

import anyio.to_thread

from amplify_federation._cognito.backoff import RetryQuota
from amplify_federation._cognito.exchange import Exchange
from amplify_federation._concurrency.flight import Flight
from amplify_federation._network.httpx_exchange import HttpxExchange, default_client

# One quota for each client object, however many sessions share it.
_QUOTAS: Final[WeakKeyDictionary[object, RetryQuota]] = WeakKeyDictionary()


class Line:
    """The way to an endpoint: over the caller's client, or over one that is made when needed."""

    def __init__(self, endpoint: str, http_client: Any | None) -> None:  # noqa: ANN401  # duck-typed
        self._url = f"{endpoint}/"
        self._lent = None
        self.quota = RetryQuota()
        if http_client is not None:
            self._lent = HttpxExchange(http_client, self._url, owned=False)
            self.quota = _QUOTAS.setdefault(http_client, self.quota)
        self._own: HttpxExchange | None = None
        self._making: Flight[HttpxExchange] = Flight()

    async def exchange(self) -> Exchange:
        """Return the exchange that serves the next call."""
        return self._lent or self._own or await self._making.join(self._make)

    async def _make(self) -> HttpxExchange:
        # In a thread: httpx takes 100 ms to load, and its TLS context 30 ms to build.
        client = await anyio.to_thread.run_sync(default_client)
        self._own = HttpxExchange(client, self._url, owned=True)
        return self._own

    async def aclose(self) -> None:
        """Close what was opened here."""
        if self._own is not None:
            await self._own.aclose()
