"""Bridge: the way from any thread to a session that lives in an event loop.

This file owns when a thread may believe what it knows, and when it has to ask the loop. It must not
know botocore.

A thread reads two things without asking: which state the session is in, which is one attribute
(every change in this process replaces that object), and the session's clock. What another process
changed is noticed by the loop; so what a thread knows counts for half a second, as long as the
session itself believes what it knows of the store.
"""

import threading
from concurrent.futures import CancelledError

import anyio
import anyio.from_thread
import anyio.lowlevel
from attrs import frozen

from amplify_federation import AWSCredentials, FederatedAuth, InvalidStateError

BELIEVED = 0.5  # seconds; the promise is that another process's change is seen within 1


@frozen
class _Known:
    """What the loop said: these credentials, in this state, at this time of both clocks."""

    credentials: AWSCredentials
    state: object
    monotonic: float
    wall: float


class Bridge:
    """Fetches credentials for threads. Made in the loop of the session, or an anyio worker."""

    def __init__(self, auth: FederatedAuth) -> None:
        self._auth = auth
        self._clock = auth.settings.clock
        self._token, self._loop_thread = _event_loop()
        self._known: _Known | None = None

    def credentials(self) -> AWSCredentials:
        """Return the live credentials; raise what stands in their place.

        Raises `InvalidStateError` in the event loop's own thread, and after the loop has ended.
        """
        if threading.get_ident() == self._loop_thread:
            message = "boto3 was called in the event loop's own thread, which it would block."
            advice = (
                "Call it in a worker thread, as with `asyncio.to_thread`, or use "
                "`aiobotocore_session`."
            )
            raise InvalidStateError(message, recovery_suggestion=advice)
        known = self._known
        if known is not None and self._holds(known):
            return known.credentials
        return self._asked()

    def _holds(self, known: _Known) -> bool:
        return (
            known.state is self._auth.state
            and 0.0 <= self._clock.monotonic() - known.monotonic < BELIEVED
            # The wall clock, too: one that was set counts at once.
            and 0.0 <= self._clock.time() - known.wall < BELIEVED
        )

    def _asked(self) -> AWSCredentials:
        try:
            known = anyio.from_thread.run(self._ask, token=self._token)
        except (anyio.RunFinishedError, CancelledError):
            known = None
        if known is None:
            message = "The event loop of this session has ended."
            advice = "Use boto3 while the session's event loop runs."
            raise InvalidStateError(message, recovery_suggestion=advice)
        self._known = known
        return known.credentials

    async def _ask(self) -> _Known:
        monotonic, wall = self._clock.monotonic(), self._clock.time()
        session = await self._auth.fetch_auth_session()
        return _Known(session.credentials, self._auth.state, monotonic, wall)


def _event_loop() -> tuple[anyio.lowlevel.EventLoopToken, int]:
    """Return the running loop and its thread, from within it or from a worker thread of its."""
    try:
        return anyio.lowlevel.current_token(), threading.get_ident()
    except RuntimeError:  # each release of anyio has its own class for it
        pass
    try:
        return anyio.from_thread.run_sync(
            lambda: (anyio.lowlevel.current_token(), threading.get_ident())
        )
    except RuntimeError:
        pass
    message = "There is no event loop here that the session could live in."
    advice = (
        "Make the boto3 session or credentials in the event loop, then hand them to the threads."
    )
    raise InvalidStateError(message, recovery_suggestion=advice)
