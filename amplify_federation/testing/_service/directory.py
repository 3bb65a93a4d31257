"""Identities and their logins: linking, merging, conflicts, disabled identities.

The only file where an identity changes. It must not know tokens, roles or credentials.

What stands here is what AWS documents and what its users report: a login belongs to one identity
of a pool; a guest that logs in becomes the login's identity; an identity has one login of each
provider; an identity that lost its last login, or was merged into another, is closed for ever.
"""

from collections.abc import Sequence

from attrs import define, field

from amplify_federation.testing._service import refusal
from amplify_federation.testing._service.checks import Login
from amplify_federation.testing._service.pools import Pool
from amplify_federation.testing._service.refusal import Refusal, no_identity, not_authorized


@define(eq=False)
class Identity:
    """One identity. `logins`: subject by login key. `disabled`: it was merged or emptied."""

    id: str
    pool_id: str
    serial: int
    logins: dict[str, str] = field(factory=dict[str, str])
    disabled: bool = False

    @property
    def is_guest(self) -> bool:
        """Whether nobody ever logged in to it."""
        return not self.logins and not self.disabled

    def has(self, login: Login) -> bool:
        """Return whether this very login is linked."""
        return self.logins.get(login.login_key) == login.subject


class Directory:
    """All identities of the service."""

    def __init__(self) -> None:
        self._identities: dict[str, Identity] = {}
        self._owners: dict[tuple[str, str, str], Identity] = {}
        self._made = 0

    def get(self, identity_id: str) -> Identity:
        """Return an identity, or refuse with ResourceNotFoundException."""
        identity = self._identities.get(identity_id)
        if identity is None:
            raise no_identity(identity_id)
        return identity

    def create(self, pool: Pool) -> Identity:
        """Return a new identity without logins."""
        self._made += 1
        identity = Identity(pool.new_identity_id(), pool.id, self._made)
        self._identities[identity.id] = identity
        return identity

    def delete(self, identity_id: str) -> None:
        """Forget an identity, if there is one, and its logins, as DeleteIdentities does."""
        if (identity := self._identities.pop(identity_id, None)) is not None:
            self._close(identity)

    def find(self, pool: Pool, logins: Sequence[Login]) -> Identity:
        """Return the identity of these logins, made or merged if need be; see `link`."""
        owners = self._owners_of(pool.id, logins)
        eldest = min(owners, key=lambda owner: owner.serial, default=None)
        return self.link(eldest or self.create(pool), logins)

    def link(self, identity: Identity, logins: Sequence[Login]) -> Identity:
        """Link logins to an identity, merging those that others own; return the one that stays.

        A guest is merged into the owner of the login; an identity with logins takes the others in.
        Refuses with ResourceConflictException if one would have two logins of a provider.
        """
        owners = self._owners_of(identity.pool_id, logins)
        stays = identity
        if identity.is_guest and owners:
            stays = min(owners, key=lambda owner: owner.serial)
        merged = [one for one in {identity, *owners} if one is not stays]
        self._expect_no_conflict([stays, *merged], logins)
        for one in merged:
            moved = dict(one.logins)
            self._close(one)
            self._own(stays, moved)
        self._own(stays, {login.login_key: login.subject for login in logins})
        return stays

    def expect_login(self, identity: Identity, logins: Sequence[Login]) -> None:
        """Refuse with NotAuthorizedException unless one of the logins is linked."""
        if not any(identity.has(login) for login in logins):
            raise not_authorized(refusal.LOGINS_DO_NOT_MATCH)

    def unlink(self, identity: Identity, login_keys: Sequence[str]) -> None:
        """Unlink providers; an identity that loses its last login is closed."""
        for key in login_keys:
            if key not in identity.logins:
                message = f"Provider '{key}' is not linked to this identity."
                raise Refusal(refusal.INVALID_PARAMETER, message)
        for key in set(login_keys):
            del self._owners[identity.pool_id, key, identity.logins.pop(key)]
        identity.disabled = not identity.logins

    def _owners_of(self, pool_id: str, logins: Sequence[Login]) -> set[Identity]:
        found = (self._owners.get((pool_id, one.login_key, one.subject)) for one in logins)
        return {owner for owner in found if owner is not None}

    def _expect_no_conflict(self, merged: Sequence[Identity], logins: Sequence[Login]) -> None:
        subjects = {login.login_key: login.subject for login in logins}
        for identity in merged:
            for key, subject in identity.logins.items():
                if subjects.setdefault(key, subject) != subject:
                    raise Refusal(refusal.CONFLICT, refusal.LOGIN_CONFLICT)

    def _own(self, identity: Identity, logins: dict[str, str]) -> None:
        identity.logins |= logins
        for key, subject in logins.items():
            self._owners[identity.pool_id, key, subject] = identity

    def _close(self, identity: Identity) -> None:
        for key, subject in identity.logins.items():
            self._owners.pop((identity.pool_id, key, subject), None)
        identity.logins.clear()
        identity.disabled = True
