"""The parts of a session that are made when first used, and whose rooms are loaded then.

A process that starts with a stored session, and a cached user of a backend, need none of them as
long as the credentials are good.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from amplify_federation._session.context import Context, UserPool
    from amplify_federation._session.federating import Federations
    from amplify_federation._session.linking import Linking
    from amplify_federation._session.renewal.renewing import Renewing
    from amplify_federation._session.user_pool import UserPoolSession
    from amplify_federation.errors import AuthError

# ruff: noqa: PLC0415  # loading rooms late is what this file is for


class Components:
    """One session's federations, renewals and linking."""

    __slots__ = ("_context", "_federations", "_renewing")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._federations: Federations | None = None
        self._renewing: Renewing | None = None

    @property
    def federations(self) -> Federations:
        """The federations."""
        if self._federations is None:
            from amplify_federation._session.federating import Federations

            self._federations = Federations(self._context)
        return self._federations

    @property
    def renewing(self) -> Renewing:
        """The renewals."""
        if self._renewing is None:
            from amplify_federation._session.renewal.renewing import Renewing

            self._renewing = Renewing(self._context)
        return self._renewing

    @property
    def linking(self) -> Linking:
        """The linking of further logins; it holds nothing of its own."""
        from amplify_federation._session.linking import Linking

        return Linking(self._context, self.federations)

    def user_pool(self, pool: UserPool | None) -> UserPoolSession | None:
        """Return the session of a user pool's user, beside the federated one."""
        if pool is None:
            return None
        from amplify_federation._session.user_pool import UserPoolSession

        return UserPoolSession(self._context, pool)

    def cancel_all(self) -> None:
        """Fail the federations that are under way."""
        if self._federations is not None:
            self._federations.cancel_all()

    def error_beside(self) -> AuthError | None:
        """Return why the credentials that still serve were not renewed, if that was tried."""
        return None if self._renewing is None else self._renewing.error_beside()
