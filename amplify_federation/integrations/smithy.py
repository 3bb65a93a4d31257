"""smithy-python: an identity resolver of a live session, for the AWS clients built on it."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from amplify_federation.integrations.live_session import LiveSession, require

__all__ = ["IdentityResolver", "identity_resolver"]


class IdentityResolver:
    """Gives AWS clients of smithy-python the session's live credentials; its `IdentityResolver`."""

    def __init__(self, session: LiveSession, identity: Any) -> None:  # noqa: ANN401  # smithy's class
        self._session = session
        self._identity = identity
        self._is_refused = False

    async def get_identity(self, *, properties: Mapping[str, Any]) -> Any:  # noqa: ANN401, ARG002  # smithy's
        """Return the live credentials, or raise the session's error."""
        force, self._is_refused = self._is_refused, False
        session = await self._session.fetch_auth_session(force_refresh=force)
        credentials = session.credentials
        return self._identity(
            access_key_id=credentials.access_key_id,
            secret_access_key=credentials.secret_access_key,
            session_token=credentials.session_token,
            expiration=credentials.expiration,
        )

    async def invalidate(self) -> None:
        """Renew the credentials when they are next asked for: a service refused them."""
        self._is_refused = True


def identity_resolver(session: LiveSession) -> IdentityResolver:
    """Return an `aws_credentials_identity_resolver` for a smithy-python client's configuration.

    Use it in the event loop of the session, a `FederatedAuth` or a `FederatedBearer`. Raises
    `ModuleNotFoundError` if smithy-aws-core is missing; it needs Python 3.12.
    """
    require("smithy_aws_core", "pip install 'amplify-federation[smithy]' (Python 3.12)")
    identity: Any = import_module(
        "smithy_aws_core.identity"
    )  # Python 3.12's, so without types here
    return IdentityResolver(session, identity.AWSCredentialsIdentity)
