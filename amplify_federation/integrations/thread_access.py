"""Credentials for any thread, of a session that lives in an event loop.

A thread uses the credentials that it fetched last for half a second, as long as the session's state
is the same object, which every change in this process replaces; then it asks the event loop. The
loop notices changes of other processes, and relies for as long on what it read in the store.
"""

import os
import threading
from concurrent.futures import CancelledError
from contextlib import suppress

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
from attrs import frozen

from amplify_federation import AWSCredentials, InvalidStateError
from amplify_federation.integrations.live_session import LiveSession

KNOWN_FOR = 0.5  # seconds; the promise is that another process's change is seen within 1
LOOP_PATIENCE = 5.0  # seconds that a loop has to show that it runs


@frozen
class _Known:
    """The last answer of the loop: the credentials, the state, and both clocks then."""

    credentials: AWSCredentials
    state: object
    monotonic: float
    wall: float


class ThreadAccess:
    """Fetches credentials for threads. Made in the loop of the session, or an anyio worker."""

    def __init__(self, session: LiveSession) -> None:
        self._session = session
        self._clock = session.settings.clock
        self._token, self._loop_thread = _event_loop()
        self._process = os.getpid()
        self._known: _Known | None = None

    @property
    def in_loop_thread(self) -> bool:
        """Whether this is the thread of the session's event loop, which runs here now."""
        if threading.get_ident() != self._loop_thread:
            return False
        try:
            return anyio.lowlevel.current_token() == self._token
        except RuntimeError:  # the loop has ended; each release of anyio has its own class for it
            return False

    def credentials(self, *, force_refresh: bool = False) -> AWSCredentials:
        """Return the live credentials, or raise the session's error.

        Raises `InvalidStateError` in the event loop's own thread, where the call would wait for
        itself, in a forked process, after the loop has ended, and if the loop is blocked.
        """
        self._check_process()
        if self.in_loop_thread:
            message = "A blocking call was made in the event loop's own thread."
            advice = (
                "Make it in a worker thread, as with `asyncio.to_thread`, or use the asynchronous "
                "form, such as `aiobotocore_session` or an `httpx.AsyncClient`."
            )
            raise InvalidStateError(message, recovery_suggestion=advice)
        known = None if force_refresh else self._fresh()
        return self._asked(force_refresh=force_refresh) if known is None else known.credentials

    async def credentials_in_other_loop(self, *, force_refresh: bool = False) -> AWSCredentials:
        """Return the live credentials to a second event loop, which goes on meanwhile."""
        self._check_process()
        known = None if force_refresh else self._fresh()
        if known is not None:
            return known.credentials
        return await anyio.to_thread.run_sync(
            lambda: self._asked(force_refresh=force_refresh), abandon_on_cancel=True
        )

    def _check_process(self) -> None:
        """Raise `InvalidStateError` in a forked process, in which the event loop does not run."""
        if os.getpid() == self._process:
            return
        message = "This session's event loop runs in the process that this one was forked from."
        advice = "Open the session here, over the same store, and make the AWS session of that."
        raise InvalidStateError(message, recovery_suggestion=advice)

    def _fresh(self) -> _Known | None:
        known = self._known
        if (
            known is not None
            and known.state is self._session.state
            and 0.0 <= self._clock.monotonic() - known.monotonic < KNOWN_FOR
            # The wall clock, too: one that was set counts at once.
            and 0.0 <= self._clock.time() - known.wall < KNOWN_FOR
        ):
            return known
        return None

    def _asked(self, *, force_refresh: bool) -> AWSCredentials:
        self._check_that_loop_runs()
        try:
            known = anyio.from_thread.run(self._ask, force_refresh, token=self._token)
        except (anyio.RunFinishedError, CancelledError):
            known = None
        if known is None:
            message = "The event loop of this session has ended."
            advice = "Use the session while its event loop runs."
            raise InvalidStateError(message, recovery_suggestion=advice)
        self._known = known
        return known.credentials

    def _check_that_loop_runs(self) -> None:
        """Raise `InvalidStateError` if the loop is blocked, perhaps by this call's caller."""
        answered = threading.Event()
        threading.Thread(target=self._ping, args=(answered,), daemon=True).start()
        if not answered.wait(LOOP_PATIENCE):
            message = "The session's event loop does not answer: something blocks it."
            advice = "Make blocking calls in a worker thread, as with `asyncio.to_thread`."
            raise InvalidStateError(message, recovery_suggestion=advice)

    def _ping(self, answered: threading.Event) -> None:
        # `_asked` reports a loop that has ended.
        with suppress(anyio.RunFinishedError, CancelledError):
            anyio.from_thread.run_sync(_nothing, token=self._token)
        answered.set()

    async def _ask(self, force_refresh: bool) -> _Known:  # noqa: FBT001  # anyio passes positions
        monotonic, wall = self._clock.monotonic(), self._clock.time()
        session = await self._session.fetch_auth_session(force_refresh=force_refresh)
        return _Known(session.credentials, self._session.state, monotonic, wall)


def _nothing() -> None:
    """Do nothing; that it ran shows that the loop runs."""


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
    advice = "Make the AWS session or credentials in the event loop, then hand them to the threads."
    raise InvalidStateError(message, recovery_suggestion=advice)
