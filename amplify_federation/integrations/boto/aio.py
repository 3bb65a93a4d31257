"""aiobotocore's side: refreshing credentials, and a session that has them.

A fetch of a fresh session costs no lock and no I/O, so it is what each signature does. In a second
event loop, such as the thread in which a blocking s3fs runs, a signature asks the session's loop.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from aiobotocore.credentials import AioCredentials  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]  # it has none
from aiobotocore.session import AioSession  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]  # the same

from amplify_federation import InvalidStateError
from amplify_federation.integrations.boto.refreshing_credentials import (
    METHOD,
    LiveCredentials,
    OfOneUser,
    read_only,
)
from amplify_federation.integrations.live_session import LiveSession
from amplify_federation.integrations.thread_access import ThreadAccess


class AioRefreshingCredentials(LiveCredentials, AioCredentials):  # type: ignore[misc]  # no types: Any
    """Credentials that ask the live session, each time."""

    def __init__(self, session: LiveSession) -> None:  # not super's: there is no key to keep yet
        self.method = METHOD
        self.account_id = None
        self._session = session
        try:
            self._access: ThreadAccess | None = ThreadAccess(session)
        except InvalidStateError:
            self._access = None  # made before there is a loop: its first signature has one

    async def get_frozen_credentials(self) -> Any:  # noqa: ANN401  # botocore's named tuple
        """Return the live credentials, or raise the session's error."""
        access = self._access
        if access is None:
            access = self._access = ThreadAccess(self._session)
        if access.in_loop_thread:
            credentials = (await self._session.fetch_auth_session()).credentials
        else:
            credentials = await access.credentials_in_other_loop()
        return self._frozen(credentials)


class AioRefreshingSession(OfOneUser, AioSession):  # type: ignore[misc]  # the same
    """An aiobotocore session with given credentials, whatever the environment has."""

    def __init__(self, credentials: "AioRefreshingCredentials | CallersCredentials") -> None:
        super().__init__()
        self._refreshing = credentials
        self.sign_with_credentials_alone()

    async def get_credentials(self) -> "AioRefreshingCredentials | CallersCredentials":
        """Return the refreshing credentials."""
        return self._refreshing


_caller: ContextVar[LiveSession | None] = ContextVar("amplify_federation_caller", default=None)


@contextmanager
def signing_as(session: LiveSession) -> Generator[None]:
    """Let what is signed within, in this task, be signed with the credentials of this session."""
    before = _caller.set(session)
    try:
        yield
    finally:
        _caller.reset(before)


class CallersCredentials(LiveCredentials, AioCredentials):  # type: ignore[misc]  # no types: Any
    """The credentials of the session that the running call is made for; see `signing_as`."""

    def __init__(self) -> None:  # not super's: there is no key
        self.method = METHOD
        self.account_id = None

    async def get_frozen_credentials(self) -> Any:  # noqa: ANN401  # botocore's named tuple
        """Return the caller's live credentials, or raise the session's error."""
        session = _caller.get()
        if session is None:
            message = "A shared client signs nothing but the calls of its users."
            raise InvalidStateError(
                message, recovery_suggestion="Call what `AwsClients.client` returned."
            )
        return read_only((await session.fetch_auth_session()).credentials)
