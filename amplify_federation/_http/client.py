"""CognitoClient: the client of one Cognito Identity endpoint, for any number of sessions.

What a call needs is loaded at the first call, which a process that restarts with a stored session
does not make: httpx takes 80 ms to load, and `calls` with its imports 8 ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import anyio

from amplify_federation._async.loop_guard import LoopGuard
from amplify_federation._cognito.retry import RetryQuota
from amplify_federation._http.server_clock import ServerClock

if TYPE_CHECKING:
    from amplify_federation._cognito.decoding import Answer
    from amplify_federation._cognito.flow import Flow
    from amplify_federation._http.calls import Sender
    from amplify_federation._model.settings import AuthSettings

# One quota for each client object or shared transport, however many sessions share it.
_QUOTAS: Final[WeakKeyDictionary[object, RetryQuota]] = WeakKeyDictionary()


class CognitoClient:
    """Makes the calls of any number of sessions to one endpoint.

    `http_client` is a caller's own `httpx.AsyncClient`, which is never closed here; `owner` is the
    public class that makes it, for an error. Raises `ConfigurationError` for any other client.
    """

    __slots__ = (
        "_closed",
        "_endpoint",
        "_sender",
        "clock",
        "http_client",
        "loop_guard",
        "max_attempts",
        "quota",
    )

    def __init__(
        self,
        endpoint: str,
        http_client: Any | None,  # noqa: ANN401  # httpx's, or its API-compatible successor's
        settings: AuthSettings,
        *,
        owner: str = "FederatedAuth",
    ) -> None:
        self._endpoint = endpoint
        self.http_client = http_client  # the caller's own, if there is one
        self._sender: Sender | None = None
        self._closed = False
        self.clock = ServerClock(settings.clock)
        # Connections live in one loop, so all sessions over them do.
        self.loop_guard = LoopGuard(owner)
        self.max_attempts = settings.max_attempts
        self.quota = RetryQuota()
        if http_client is not None:
            from amplify_federation._http.senders import ClientSender  # noqa: PLC0415  # see above

            self._take(ClientSender(http_client, endpoint, owned=False))

    async def call(self, flow: Flow) -> Answer:
        """Make the calls of a flow and return its answer.

        Raises the `AuthError` that it ended with.
        """
        from amplify_federation._http.calls import Calls  # noqa: PLC0415  # see above

        try:
            sender = await self.sender()
            return await Calls(sender, self.clock, self.quota, self.max_attempts).run(flow)
        except BaseException as error:  # noqa: BLE001  # raised again below
            error.__cause__ = error.__context__ = None
            failure = error
        finally:
            if self._closed:  # meanwhile: only this call can close what it opened since
                await self.aclose()
        try:
            # Without the causes and the frames so far, which bind the request with its token.
            raise failure.with_traceback(None)
        finally:
            del failure  # a frame and the exception in it would keep each other alive

    async def sender(self) -> Sender:
        """Return the sender of all calls, opened at the first.

        Raises `ConfigurationError` where the variables that choose it are wrong.
        """
        if self._sender is None:
            from amplify_federation._http.senders import default_sender  # noqa: PLC0415  # see above

            made = await default_sender(self._endpoint)
            if self._sender is not None:
                # Another call made one meanwhile: this one would never be closed.
                with anyio.CancelScope(shield=True):
                    await made.aclose()
            else:
                return self._take(made)
        return self._sender

    def _take(self, sender: Sender) -> Sender:
        self._sender = sender
        self.quota = _QUOTAS.setdefault(sender.shared, self.quota)
        return sender

    async def aclose(self) -> None:
        """Close the connections opened here, even if the caller is cancelled."""
        self._closed = True
        sender, self._sender = self._sender, None  # shared: closing twice would close another's
        if sender is not None:
            with anyio.CancelScope(shield=True):
                await sender.aclose()
