"""botocore's side for threads: refreshing credentials, and a session that has them.

Overriding `get_frozen_credentials` is enough, for every signer of botocore calls it for every
signature.
"""

import os
from datetime import datetime
from typing import Any, Never

import botocore.session
from botocore.credentials import Credentials, ReadOnlyCredentials

from amplify_federation import AWSCredentials
from amplify_federation.integrations.live_session import LiveSession
from amplify_federation.integrations.thread_access import ThreadAccess

_STAYS = (
    "A live session stays in its process: open one over the same store in the other process, and "
    "make the AWS session of that."
)
METHOD = "amplify-federation"  # where the credentials come from, in botocore's logs


def read_only(credentials: AWSCredentials) -> ReadOnlyCredentials:
    """Return credentials as botocore's signers take them."""
    return ReadOnlyCredentials(
        credentials.access_key_id, credentials.secret_access_key, credentials.session_token
    )


class LiveCredentials:
    """What credentials of a live session have in common, on botocore's side and aiobotocore's."""

    _last: tuple[AWSCredentials, ReadOnlyCredentials] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce__(self) -> Never:
        raise TypeError(_STAYS)

    def _frozen(self, credentials: AWSCredentials) -> ReadOnlyCredentials:
        """Return the session's credentials as signers take them, made once for each renewal."""
        last = self._last
        if last is None or last[0] is not credentials:
            last = self._last = (credentials, read_only(credentials))
        return last[1]

    @property
    def expiration(self) -> datetime | None:
        """When the credentials that were last signed with end, in UTC; None before the first."""
        return None if self._last is None else self._last[0].expiration

    # For libraries that read the attribute of botocore's `RefreshableCredentials`, as polars does.
    _expiry_time = expiration


class RefreshingCredentials(LiveCredentials, Credentials):
    """Credentials that ask the live session, each time."""

    def __init__(self, session: LiveSession) -> None:  # not super's: there is no key to keep yet
        self.method = METHOD
        self.account_id = None
        self._access = ThreadAccess(session)

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Return the live credentials, or raise the session's error."""
        return self._frozen(self._access.credentials())

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


class OfOneUser:
    """What sessions of botocore and aiobotocore for a user have in common.

    No credentials of the environment are used. A bearer token is one: botocore prefers
    `AWS_BEARER_TOKEN_BEDROCK` to what a session signs with.
    """

    def sign_with_credentials_alone(self) -> None:
        """Have requests signed, and not sent with a bearer token of the environment."""
        session: Any = self  # botocore's
        session.get_component("event_emitter").register_first(
            "choose-signer", _without_bearer_token
        )

    def get_auth_token(self, **_: Any) -> Any:  # noqa: ANN401  # botocore's
        """Return `None`: there is no bearer token."""
        return None

    def __reduce__(self) -> Never:
        raise TypeError(_STAYS)


def _without_bearer_token(signing_name: object, signature_version: Any, **_: object) -> Any:  # noqa: ANN401  # botocore's
    """Return the signature version as it is where botocore would take a bearer token instead."""
    name = str(signing_name).replace("-", "_").replace(" ", "_").upper()
    return signature_version if f"AWS_BEARER_TOKEN_{name}" in os.environ else None


class RefreshingSession(OfOneUser, botocore.session.Session):
    """A botocore session with given credentials, whatever the environment has."""

    def __init__(self, credentials: RefreshingCredentials) -> None:
        super().__init__()
        self._refreshing = credentials
        self.sign_with_credentials_alone()

    def get_credentials(self) -> RefreshingCredentials:
        """Return the refreshing credentials."""
        return self._refreshing
