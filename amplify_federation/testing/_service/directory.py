"""Identities and their logins: linking, merging, conflicts, disabled identities.

The only file where an identity changes. The rules are those that AWS documents and its users
report: a login belongs to one identity
of a pool; a guest that logs in becomes the login's identity; an identity has one login of each
provider; an identity that lost its last login, or was merged into another, is closed for ever.
"""

import time
from collections.abc import Callable, Sequence

from attrs import define, field

from amplify_federation.testing._service import errors
from amplify_federation.testing._service.errors import ServiceRefusal, no_identity, not_authorized
from amplify_federation.testing._service.pools import Pool
from amplify_federation.testing._service.tokens import Login


@define(eq=False)
class Identity:
    """One identity. `logins`: subject by login key; `developer_users`: a backend's users.

    `disabled`: it was merged or emptied. Times are in seconds since the epoch.
    """

    id: str
    pool_id: str
    serial: int
    logins: dict[str, str] = field(factory=dict[str, str])
    developer_users: list[str] = field(factory=list[str])
    disabled: bool = False
    created: float = 0.0
    modified: float = 0.0

    @property
    def has_logins(self) -> bool:
        """Whether a login or a backend's user is linked."""
        return bool(self.logins or self.developer_users)

    @property
    def is_guest(self) -> bool:
        """Whether no login was ever linked to it."""
        return not self.has_logins and not self.disabled

    def has(self, login: Login) -> bool:
        """Return whether this very login is linked."""
        return self.logins.get(login.login_key) == login.subject


class Directory:
    """All identities of the service."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._users: dict[tuple[str, str], Identity] = {}
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
        now = self._now()
        identity = Identity(pool.new_identity_id(), pool.id, self._made, created=now, modified=now)
        self._identities[identity.id] = identity
        return identity

    def of_pool(self, pool_id: str) -> list[Identity]:
        """Return all identities of a pool, the oldest first."""
        return [one for one in self._identities.values() if one.pool_id == pool_id]

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
            self._absorb(stays, one)
        self._own(stays, {login.login_key: login.subject for login in logins})
        return stays

    def expect_login(self, identity: Identity, logins: Sequence[Login]) -> None:
        """Refuse with NotAuthorizedException unless one of the logins is linked."""
        if not any(identity.has(login) for login in logins):
            raise not_authorized(errors.LOGINS_DO_NOT_MATCH)

    def developer_identity(self, pool_id: str, user: str) -> Identity | None:
        """Return the identity of a backend's user, if there is one."""
        return self._users.get((pool_id, user))

    def register(self, identity: Identity, user: str) -> None:
        """Link a backend's user, or refuse with DeveloperUserAlreadyRegisteredException."""
        owner = self.developer_identity(identity.pool_id, user)
        if owner not in (None, identity):
            raise ServiceRefusal(errors.ALREADY_REGISTERED, errors.ALREADY_REGISTERED_TEXT)
        if owner is None:
            self._own_users(identity, [user])

    def merge_users(self, pool: Pool, source: str, destination: str) -> Identity:
        """Merge the identity of one backend's user into another's; return the one that stays.

        Refuses with ResourceNotFoundException for an unknown user, ResourceConflictException if
        the identity would have two logins of a provider.
        """
        merged, stays = (self.developer_identity(pool.id, user) for user in (source, destination))
        if merged is None or stays is None:
            raise ServiceRefusal(errors.NOT_FOUND, errors.NO_DEVELOPER_USER)
        if merged is stays:
            raise ServiceRefusal(errors.INVALID_PARAMETER, errors.SAME_DEVELOPER_USER)
        self._expect_no_conflict([stays, merged], [])
        self._absorb(stays, merged)
        return stays

    def unlink_user(self, identity: Identity, user: str) -> None:
        """Unlink a backend's user; an identity that loses its last login is closed."""
        if user not in identity.developer_users:
            raise ServiceRefusal(errors.NOT_FOUND, errors.NO_DEVELOPER_USER)
        identity.developer_users.remove(user)
        del self._users[identity.pool_id, user]
        identity.modified = self._now()
        identity.disabled = not identity.has_logins

    def unlink(self, identity: Identity, login_keys: Sequence[str]) -> None:
        """Unlink providers; an identity that loses its last login is closed."""
        for key in login_keys:
            if key not in identity.logins:
                text = errors.NOT_LINKED.format(provider=key)
                raise ServiceRefusal(errors.INVALID_PARAMETER, text)
        for key in set(login_keys):
            del self._owners[identity.pool_id, key, identity.logins.pop(key)]
        identity.modified = self._now()
        identity.disabled = not identity.has_logins

    def _owners_of(self, pool_id: str, logins: Sequence[Login]) -> set[Identity]:
        found = (self._owners.get((pool_id, one.login_key, one.subject)) for one in logins)
        return {owner for owner in found if owner is not None}

    def _expect_no_conflict(self, merged: Sequence[Identity], logins: Sequence[Login]) -> None:
        subjects = {login.login_key: login.subject for login in logins}
        for identity in merged:
            for key, subject in identity.logins.items():
                if subjects.setdefault(key, subject) != subject:
                    raise ServiceRefusal(errors.CONFLICT, errors.LOGIN_CONFLICT)

    def _absorb(self, stays: Identity, merged: Identity) -> None:
        logins, users = dict(merged.logins), list(merged.developer_users)
        self._close(merged)
        self._own(stays, logins)
        self._own_users(stays, users)

    def _own_users(self, identity: Identity, users: Sequence[str]) -> None:
        identity.developer_users += users
        identity.modified = self._now()
        for user in users:
            self._users[identity.pool_id, user] = identity

    def _own(self, identity: Identity, logins: dict[str, str]) -> None:
        if logins.items() <= identity.logins.items():
            return
        identity.logins |= logins
        identity.modified = self._now()
        for key, subject in logins.items():
            self._owners[identity.pool_id, key, subject] = identity

    def _close(self, identity: Identity) -> None:
        for key, subject in identity.logins.items():
            self._owners.pop((identity.pool_id, key, subject), None)
        for user in identity.developer_users:
            self._users.pop((identity.pool_id, user), None)
        identity.logins.clear()
        identity.developer_users.clear()
        identity.modified = self._now()
        identity.disabled = True
