"""The signed operations of administrators: pools, roles, tags, identities, developer users."""

import base64
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from amplify_federation.testing._service import errors
from amplify_federation.testing._service.credentials import DEFAULT_TAGS
from amplify_federation.testing._service.directory import Directory, Identity
from amplify_federation.testing._service.errors import ServiceRefusal
from amplify_federation.testing._service.pools import Pool, PoolRoles, Pools

_Given = dict[str, Any]
_PAGE = 60  # the page size where MaxResults is not given
_PAGE_MARK = "after:"


@frozen
class AdministratorOperations:
    """Pools and identities as an administrator with an AWS account sees and changes them."""

    pools: Pools
    directory: Directory

    def create_identity_pool(self, given: _Given, region: str) -> _Given:
        """Create a pool in the region whose endpoint was asked. It has no roles yet."""
        roles = PoolRoles(authenticated=None, unauthenticated=None)
        pool = Pool(f"{region}:{uuid.uuid4()}", {}, roles=roles).configured(given)
        self.pools.put(pool)
        return pool.description()

    def update_identity_pool(self, given: _Given) -> _Given:
        """Replace the settings of a pool: what is not given is no longer set."""
        pool = self.pools.get(given["IdentityPoolId"])
        changed = pool.configured(given)
        if "IdentityPoolTags" not in given:
            changed = evolve(changed, tags=pool.tags)
        self.pools.put(changed)
        return changed.description()

    def delete_identity_pool(self, given: _Given) -> _Given:
        """Delete a pool; its identities are of no pool then."""
        self.pools.remove(given["IdentityPoolId"])
        return {}

    def describe_identity_pool(self, given: _Given) -> _Given:
        """Return the settings of a pool."""
        return self.pools.get(given["IdentityPoolId"]).description()

    def list_identity_pools(self, given: _Given, region: str) -> _Given:
        """Return ids and names of the region's pools, a page at a time."""
        pools = [pool for pool in map(self.pools.get, self.pools.ids()) if pool.region == region]
        shown = [{"IdentityPoolId": pool.id, "IdentityPoolName": pool.name} for pool in pools]
        return _page("IdentityPools", shown, given)

    def get_identity_pool_roles(self, given: _Given) -> _Given:
        """Return the roles of a pool and its rules for choosing another."""
        pool = self.pools.get(given["IdentityPoolId"])
        roles = {
            "authenticated": pool.roles.authenticated,
            "unauthenticated": pool.roles.unauthenticated,
        }
        answer = {"IdentityPoolId": pool.id, "Roles": {n: r for n, r in roles.items() if r}}
        return answer | ({"RoleMappings": pool.role_mappings} if pool.role_mappings else {})

    def set_identity_pool_roles(self, given: _Given) -> _Given:
        """Replace the roles of a pool and its role mappings."""
        pool = self.pools.get(given["IdentityPoolId"])
        mappings = given.get("RoleMappings", {})
        for key in mappings:
            if not _is_configured(pool, key):
                raise ServiceRefusal(errors.INVALID_PARAMETER, f"({key}) {errors.ROLE_KEY_UNKNOWN}")
        roles = PoolRoles(
            given["Roles"].get("authenticated"), given["Roles"].get("unauthenticated")
        )
        self.pools.put(evolve(pool, roles=roles, role_mappings=mappings))
        return {}

    def get_principal_tag_attribute_map(self, given: _Given) -> _Given:
        """Return which claims of a provider's tokens become session tags."""
        pool, provider = self.pools.get(given["IdentityPoolId"]), given["IdentityProviderName"]
        found = pool.principal_tags.get(provider)
        if found is None:
            raise ServiceRefusal(errors.NOT_FOUND, errors.NO_RESOURCE)
        return {"IdentityPoolId": pool.id, "IdentityProviderName": provider, **found}

    def set_principal_tag_attribute_map(self, given: _Given) -> _Given:
        """Set which claims of a provider's tokens become session tags."""
        pool, provider = self.pools.get(given["IdentityPoolId"]), given["IdentityProviderName"]
        defaults = given.get("UseDefaults", False)
        tags = dict(DEFAULT_TAGS) if defaults else given.get("PrincipalTags", {})
        mapping = {"UseDefaults": defaults, "PrincipalTags": tags}
        self.pools.put(evolve(pool, principal_tags={**pool.principal_tags, provider: mapping}))
        return {"IdentityPoolId": pool.id, "IdentityProviderName": provider, **mapping}

    def list_tags_for_resource(self, given: _Given) -> _Given:
        """Return the tags of a pool."""
        return {"Tags": dict(self._tagged(given).tags)}

    def tag_resource(self, given: _Given) -> _Given:
        """Add tags to a pool, or change them."""
        pool = self._tagged(given)
        self.pools.put(evolve(pool, tags={**pool.tags, **given["Tags"]}))
        return {}

    def untag_resource(self, given: _Given) -> _Given:
        """Remove tags of a pool; one that it has not is no error."""
        pool = self._tagged(given)
        kept = {name: pool.tags[name] for name in pool.tags if name not in given["TagKeys"]}
        self.pools.put(evolve(pool, tags=kept))
        return {}

    def describe_identity(self, given: _Given) -> _Given:
        """Return the providers and times of an identity."""
        identity = self.directory.get(given["IdentityId"])
        return self._description(identity)

    def list_identities(self, given: _Given) -> _Given:
        """Return the identities of a pool, a page at a time."""
        pool = self.pools.get(given["IdentityPoolId"])
        hide = given.get("HideDisabled", False)
        found = [one for one in self.directory.of_pool(pool.id) if not (hide and one.disabled)]
        page = _page("Identities", found, given)
        page["Identities"] = [self._description(one) for one in page["Identities"]]
        return {"IdentityPoolId": pool.id, **page}

    def delete_identities(self, given: _Given) -> _Given:
        """Delete identities; those that do not exist are no error."""
        for identity_id in given["IdentityIdsToDelete"]:
            self.directory.delete(identity_id)
        return {"UnprocessedIdentityIds": []}

    def lookup_developer_identity(self, given: _Given) -> _Given:
        """Return the identity of a backend's user, or the users of an identity."""
        pool = self.pools.get(given["IdentityPoolId"])
        user, identity_id = given.get("DeveloperUserIdentifier"), given.get("IdentityId")
        if user is None and identity_id is None:
            raise ServiceRefusal(errors.INVALID_PARAMETER, errors.LOOKUP_NEEDS_ONE)
        if identity_id is None:
            found = self.directory.developer_identity(pool.id, user or "")
            if found is None:
                raise ServiceRefusal(errors.NOT_FOUND, errors.NO_DEVELOPER_USER)
            return {"IdentityId": found.id, "DeveloperUserIdentifierList": [user]}
        identity = self.directory.get(identity_id)
        if identity.pool_id != pool.id or user not in (None, *identity.developer_users):
            raise ServiceRefusal(errors.CONFLICT, errors.LOOKUP_DIFFERS)
        users = identity.developer_users if user is None else [user]
        return {"IdentityId": identity.id, **_page("DeveloperUserIdentifierList", users, given)}

    def merge_developer_identities(self, given: _Given) -> _Given:
        """Merge the identity of one backend's user into another's."""
        pool = self._developer_pool(given)
        source, destination = given["SourceUserIdentifier"], given["DestinationUserIdentifier"]
        return {"IdentityId": self.directory.merge_users(pool, source, destination).id}

    def unlink_developer_identity(self, given: _Given) -> _Given:
        """Unlink a backend's user from an identity."""
        pool, identity = self._developer_pool(given), self.directory.get(given["IdentityId"])
        if identity.pool_id != pool.id:
            raise errors.no_identity(identity.id)
        self.directory.unlink_user(identity, given["DeveloperUserIdentifier"])
        return {}

    def _developer_pool(self, given: _Given) -> Pool:
        pool = self.pools.get(given["IdentityPoolId"])
        if given["DeveloperProviderName"] not in pool.developer_names:
            raise ServiceRefusal(errors.INVALID_PARAMETER, errors.UNKNOWN_DEVELOPER_PROVIDER)
        return pool

    def _description(self, identity: Identity) -> _Given:
        names = sorted(identity.logins)
        if identity.developer_users:
            names += sorted(self.pools.get(identity.pool_id).developer_names)
        return {
            "IdentityId": identity.id,
            "Logins": names,
            "CreationDate": identity.created,
            "LastModifiedDate": identity.modified,
        }

    def _tagged(self, given: _Given) -> Pool:
        for pool in map(self.pools.get, self.pools.ids()):
            if pool.arn == given["ResourceArn"]:
                return pool
        raise ServiceRefusal(errors.NOT_FOUND, errors.NO_RESOURCE)


def _is_configured(pool: Pool, key: str) -> bool:
    # A user pool is named with its client: `<login key>:<client id>`.
    login_key, _, client = key.rpartition(":")
    return key in pool.client_ids or client in pool.client_ids.get(login_key, ())


def _page(name: str, found: Sequence[object], given: Mapping[str, Any]) -> _Given:
    start, size = _start(given.get("NextToken")), given.get("MaxResults", _PAGE)
    answer: _Given = {name: list(found[start : start + size])}
    if start + size < len(found):
        answer["NextToken"] = base64.urlsafe_b64encode(
            f"{_PAGE_MARK}{start + size}".encode()
        ).decode()
    return answer


def _start(token: str | None) -> int:
    if token is None:
        return 0
    try:
        mark, number = base64.urlsafe_b64decode(token).decode().split(_PAGE_MARK)
        return int(mark + number)
    except ValueError:
        number = None
    raise ServiceRefusal(errors.INVALID_PARAMETER, errors.PAGE_UNKNOWN)
