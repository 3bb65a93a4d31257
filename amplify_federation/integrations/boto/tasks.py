"""aiobotocore's side: credentials and a session that follow a federated session.

A fetch of a fresh session costs no lock and no I/O, so it is what each signature does. This file
must not know threads.
"""

from typing import Any, Never

from aiobotocore.credentials import AioCredentials  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]  # it has none
from aiobotocore.session import AioSession  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]  # the same

from amplify_federation import AWSCredentials, FederatedAuth
from amplify_federation.integrations.boto.threads import METHOD, frozen


class FollowingCredentials(AioCredentials):  # type: ignore[misc]  # no types: Any
    """Credentials that ask the live session, each time."""

    def __init__(self, auth: FederatedAuth) -> None:  # not super's: there is no key to keep yet
        self.method = METHOD
        self.account_id = None
        self._auth = auth
        self._last: tuple[AWSCredentials, Any] | None = None

    def __repr__(self) -> str:
        return "<FollowingCredentials>"

    def __reduce__(self) -> Never:
        message = "Credentials that follow a session stay in its process."
        raise TypeError(message)

    async def get_frozen_credentials(self) -> Any:  # noqa: ANN401  # botocore's named tuple
        """Return the live credentials; raise what stands in their place."""
        credentials = (await self._auth.fetch_auth_session()).credentials
        last = self._last
        if last is None or last[0] is not credentials:
            last = self._last = (credentials, frozen(credentials))
        return last[1]


class FollowingSession(AioSession):  # type: ignore[misc]  # the same
    """An aiobotocore session whose credentials follow."""

    def __init__(self, auth: FederatedAuth) -> None:
        super().__init__()
        self._following = FollowingCredentials(auth)

    async def get_credentials(self) -> FollowingCredentials:
        """Return the credentials that follow, whatever the environment has."""
        return self._following
