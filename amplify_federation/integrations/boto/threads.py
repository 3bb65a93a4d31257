"""botocore's side for threads: credentials and a session that follow a federated session.

Overriding `get_frozen_credentials` is enough, for every signer of botocore calls it for every
signature. This file must not know event loops.
"""

from typing import Never

import botocore.session
from botocore.credentials import Credentials, ReadOnlyCredentials

from amplify_federation import AWSCredentials, FederatedAuth
from amplify_federation.integrations.boto.bridge import Bridge

METHOD = "amplify-federation"  # where the credentials come from, in botocore's logs


def frozen(credentials: AWSCredentials) -> ReadOnlyCredentials:
    """Return credentials as botocore's signers take them."""
    return ReadOnlyCredentials(
        credentials.access_key_id, credentials.secret_access_key, credentials.session_token
    )


class FollowingCredentials(Credentials):
    """Credentials that ask the live session, each time."""

    def __init__(self, auth: FederatedAuth) -> None:  # not super's: there is no key to keep yet
        self.method = METHOD
        self.account_id = None
        self._bridge = Bridge(auth)
        self._last: tuple[AWSCredentials, ReadOnlyCredentials] | None = None

    def __repr__(self) -> str:
        return "<FollowingCredentials>"

    def __reduce__(self) -> Never:
        message = "Credentials that follow a session stay in its process."
        raise TypeError(message)

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Return the live credentials; raise what stands in their place."""
        credentials = self._bridge.credentials()
        last = self._last
        if last is None or last[0] is not credentials:
            last = self._last = (credentials, frozen(credentials))
        return last[1]

    # For code that reads these one by one. Two of them may straddle a renewal, as botocore warns.
    @property
    def access_key(self) -> str:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # an attribute in the base
        """The live one."""
        return str(self.get_frozen_credentials().access_key)

    @property
    def secret_key(self) -> str:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # an attribute in the base
        """The live one."""
        return str(self.get_frozen_credentials().secret_key)

    @property
    def token(self) -> str:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # an attribute in the base
        """The live one."""
        return str(self.get_frozen_credentials().token)


class FollowingSession(botocore.session.Session):
    """A botocore session whose credentials follow."""

    def __init__(self, credentials: FollowingCredentials) -> None:
        super().__init__()
        self._following = credentials

    def get_credentials(self) -> FollowingCredentials:
        """Return the credentials that follow, whatever the environment has."""
        return self._following
