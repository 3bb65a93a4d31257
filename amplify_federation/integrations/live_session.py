"""LiveSession, which the integrations take, and the error for a library that is missing."""

from importlib.util import find_spec
from typing import Protocol

from amplify_federation import AuthSession, AuthSettings, IdentityPool


class LiveSession(Protocol):
    """A session that renews itself: a `FederatedAuth`, or a `FederatedBearer` of many users."""

    @property
    def pool(self) -> IdentityPool:
        """The identity pool."""
        ...

    @property
    def settings(self) -> AuthSettings:
        """How the session behaves; its clock, too."""
        ...

    @property
    def state(self) -> object:
        """The state: the same object until the session changes."""
        ...

    async def fetch_auth_session(self, *, force_refresh: bool = False) -> AuthSession:
        """Return the session, with credentials that are renewed when they are over."""
        ...


def require(module: str, command: str) -> None:
    """Raise `ModuleNotFoundError` with the command that installs a missing library."""
    if find_spec(module) is None:
        message = f"This needs {module}: {command}"
        raise ModuleNotFoundError(message)
