"""Line: the way to one endpoint, shared by all sessions over it.

This file owns which exchange serves a call and who closes it: the caller's client if there is one;
else the lean path, which costs a fraction; else, where a proxy is set or somebody expects httpx to
be asked (a mock, a tracer), an httpx client of our own. It must not know what is said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import anyio

from amplify_federation._async.flight import Flight
from amplify_federation._async.loops import HomeLoop
from amplify_federation._cognito.backoff import RetryQuota
from amplify_federation.errors import ConfigurationError

# What a call goes over is loaded at the first call: a process that restarts with a stored session
# makes none.
if TYPE_CHECKING:
    from amplify_federation._cognito.exchange import Exchange
    from amplify_federation._http.lean.exchange import LeanExchange

# One quota for each client object, however many sessions share it.
_QUOTAS: Final[WeakKeyDictionary[object, RetryQuota]] = WeakKeyDictionary()


class Line:
    """The way to an endpoint: over the caller's client, or over what is made when needed."""

    __slots__ = ("_endpoint", "_lean", "_lent", "_making", "_own", "home", "quota")

    def __init__(self, endpoint: str, http_client: Any | None) -> None:  # noqa: ANN401  # duck-typed
        self._endpoint = endpoint
        self._lent: Exchange | None = None
        self._own: Exchange | None = None
        self._lean: LeanExchange | None = None
        self._making: Flight[Exchange] = Flight()
        self.home = HomeLoop()  # connections live in one loop, so all sessions over them do
        self.quota = RetryQuota()
        if http_client is not None:
            self._lent = self._over(http_client, owned=False)
            self.quota = _QUOTAS.setdefault(http_client, self.quota)

    async def exchange(self) -> Exchange:
        """Return the exchange that serves the next call.

        Raises `ConfigurationError` if a client cannot be made, of a broken CA file, say.
        """
        if self._lent is not None:
            return self._lent
        # Proxies are read when it is made, as httpx does; patches may come and go.
        if self._lean is not None and self._lean.is_unwatched():
            return self._lean
        from amplify_federation._http.lean_gate import lean_applies  # noqa: PLC0415  # see above
        from amplify_federation._http.lean_sharing import (  # noqa: PLC0415  # see above
            shared_exchange,
        )

        if lean_applies(self._endpoint):
            self._lean = self._lean or shared_exchange(self._endpoint)
            return self._lean
        return self._own or await self._making.join(self._make)

    async def _make(self) -> Exchange:
        from anyio.to_thread import run_sync  # noqa: PLC0415  # see above

        from amplify_federation._http import httpx_exchange  # noqa: PLC0415  # see above

        try:
            # In a thread: httpx takes 100 ms to load, and its TLS context 30 ms to build.
            client = await run_sync(httpx_exchange.default_client)
        except Exception as error:  # noqa: BLE001  # httpx raises what its parts raise
            message = f"The HTTP client could not be made: {type(error).__name__}: {error}."
        else:
            self._own = self._over(client, owned=True)
            return self._own
        raise ConfigurationError(
            message,
            recovery_suggestion="Check SSL_CERT_FILE, SSL_CERT_DIR and the proxy variables.",
        )

    def _over(self, client: Any, *, owned: bool) -> Exchange:  # noqa: ANN401  # duck-typed
        from amplify_federation._http.httpx_exchange import (  # noqa: PLC0415  # see above
            HttpxExchange,
        )

        return HttpxExchange(client, f"{self._endpoint}/", owned=owned)

    async def aclose(self) -> None:
        """Close what was opened here, even if the caller is cancelled."""
        lean, self._lean = self._lean, None  # shared: letting go twice would close another's
        for opened in (lean, self._own):
            if opened is not None:
                with anyio.CancelScope(shield=True):
                    await opened.aclose()
