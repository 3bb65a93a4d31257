"""The configuration of identity pools."""

import uuid
from collections.abc import Collection, Iterable, Mapping
from typing import Any, cast

from attrs import evolve, field, frozen

from amplify_federation import AuthProvider
from amplify_federation.testing._openid.issuers import is_user_pool
from amplify_federation.testing._service.errors import no_pool

DEFAULT_CLIENT_ID = "test-client"
ACCOUNT_ID = "123456789012"  # the account that AWS uses in its own examples

Providers = Mapping[AuthProvider, Collection[str]] | Iterable[AuthProvider]


def _role(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT_ID}:role/{name}"


@frozen
class PoolRoles:
    """The role ARNs of a pool; `None` stands for a role that was not set.

    A role that is asked for and not there is InvalidIdentityPoolConfigurationException.
    """

    authenticated: str | None = _role("Cognito_TestAuth_Role")
    unauthenticated: str | None = _role("Cognito_TestUnauth_Role")


def client_ids_by_key(providers: Providers) -> dict[str, frozenset[str]]:
    """Return the client ids of providers by login key. Raises `TypeError` for a lone string."""
    if isinstance(providers, Mapping):
        given = cast("Mapping[AuthProvider, Collection[str]]", providers)
    else:
        given = dict.fromkeys(providers, (DEFAULT_CLIENT_ID,))
    by_key: dict[str, frozenset[str]] = {}
    for provider, client_ids in given.items():
        if isinstance(client_ids, str):
            message = f"Give the client ids of {provider.login_key!r} as a list, not one string."
            raise TypeError(message)
        by_key[provider.login_key] = frozenset(client_ids)
    return by_key


ANY_CLIENT = "*"  # an IAM provider's clients are set in IAM, which is not emulated
_SOCIAL = frozenset(
    provider.login_key
    for provider in (
        AuthProvider.GOOGLE,
        AuthProvider.FACEBOOK,
        AuthProvider.AMAZON,
        AuthProvider.APPLE,
        AuthProvider.TWITTER,
    )
)
_OIDC_ARN = ":oidc-provider/"


@frozen
class Pool:
    """One identity pool. `client_ids`: by login key; for developer providers, their names.

    `classic_flow` None is a flag that was never set, which the service takes for off. The role
    mappings and principal tags are by provider, as the API gives them.
    """

    id: str
    client_ids: Mapping[str, frozenset[str]]
    guest_access: bool = False
    classic_flow: bool | None = None
    roles: PoolRoles = PoolRoles()
    name: str = "test pool"
    tags: Mapping[str, str] = field(factory=dict[str, str])
    role_mappings: Mapping[str, Any] = field(factory=dict[str, Any])
    principal_tags: Mapping[str, Any] = field(factory=dict[str, Any])
    checked_clients: frozenset[tuple[str, str]] = frozenset()

    @property
    def region(self) -> str:
        """The region in the pool's id."""
        return self.id.partition(":")[0]

    @property
    def arn(self) -> str:
        """The name of the pool for tagging."""
        return f"arn:aws:cognito-identity:{self.region}:{ACCOUNT_ID}:identitypool/{self.id}"

    @property
    def developer_names(self) -> frozenset[str]:
        """The developer provider names."""
        return self.client_ids.get(AuthProvider.DEVELOPER.login_key, frozenset())

    def new_identity_id(self) -> str:
        """Return an id that no identity has yet."""
        return f"{self.region}:{uuid.uuid4()}"

    def configured(self, given: Mapping[str, Any]) -> "Pool":
        """Return this pool with the settings of CreateIdentityPool or UpdateIdentityPool."""
        keys: dict[str, frozenset[str]] = {
            name: frozenset(ids.split(";"))
            for name, ids in given.get("SupportedLoginProviders", {}).items()
        }
        checked: set[tuple[str, str]] = set()
        for provider in given.get("CognitoIdentityProviders", ()):
            name, client = provider.get("ProviderName", ""), provider.get("ClientId", "")
            keys[name] = keys.get(name, frozenset()) | {client}
            if provider.get("ServerSideTokenCheck"):
                checked.add((name, client))
        for arn in given.get("OpenIdConnectProviderARNs", ()):
            keys[arn.partition(_OIDC_ARN)[2] or arn] = frozenset({ANY_CLIENT})
        keys |= dict.fromkeys(given.get("SamlProviderARNs", ()), frozenset({ANY_CLIENT}))
        if developer := given.get("DeveloperProviderName"):
            keys[AuthProvider.DEVELOPER.login_key] = frozenset({developer})
        return evolve(
            self,
            client_ids=keys,
            guest_access=given["AllowUnauthenticatedIdentities"],
            classic_flow=given.get("AllowClassicFlow"),
            name=given["IdentityPoolName"],
            tags=given.get("IdentityPoolTags", {}),
            checked_clients=frozenset(checked),
        )

    def description(self) -> dict[str, Any]:
        """Return the pool as DescribeIdentityPool shows it; what is not set is left out."""
        keys = {key: sorted(ids) for key, ids in sorted(self.client_ids.items())}
        user_pools = [
            {
                "ProviderName": key,
                "ClientId": client,
                "ServerSideTokenCheck": (key, client) in self.checked_clients,
            }
            for key, ids in keys.items()
            if is_user_pool(key)
            for client in ids
        ]
        social = {key: ";".join(ids) for key, ids in keys.items() if key in _SOCIAL}
        others = keys.keys() - social.keys() - {AuthProvider.DEVELOPER.login_key}
        issuers = [
            key for key in sorted(others) if not (is_user_pool(key) or key.startswith("arn:"))
        ]
        shown = {
            "IdentityPoolId": self.id,
            "IdentityPoolName": self.name,
            "AllowUnauthenticatedIdentities": self.guest_access,
            "AllowClassicFlow": self.classic_flow,
            "SupportedLoginProviders": social,
            "DeveloperProviderName": min(self.developer_names, default=None),
            "OpenIdConnectProviderARNs": [
                f"arn:aws:iam::{ACCOUNT_ID}{_OIDC_ARN}{key}" for key in issuers
            ],
            "CognitoIdentityProviders": user_pools,
            "SamlProviderARNs": [key for key in sorted(others) if key.startswith("arn:")],
            "IdentityPoolTags": dict(self.tags),
        }
        return {name: value for name, value in shown.items() if value not in (None, {}, [])}


class Pools:
    """All pools of the service."""

    def __init__(self) -> None:
        self._pools: dict[str, Pool] = {}

    def __len__(self) -> int:
        return len(self._pools)

    def ids(self) -> list[str]:
        """Return the ids of all pools, oldest first."""
        return list(self._pools)

    def put(self, pool: Pool) -> None:
        """Add a pool, or replace the one of its id."""
        self._pools[pool.id] = pool

    def get(self, pool_id: str) -> Pool:
        """Return a pool, or refuse with ResourceNotFoundException."""
        pool = self._pools.get(pool_id)
        if pool is None:
            raise no_pool(pool_id)
        return pool

    def remove(self, pool_id: str) -> None:
        """Forget a pool, or refuse with ResourceNotFoundException."""
        del self._pools[self.get(pool_id).id]

    def login_keys(self) -> set[str]:
        """Return the login keys of the providers of all pools."""
        return set[str]().union(*(pool.client_ids for pool in self._pools.values()))

    def client_ids_of(self, login_key: str) -> set[str]:
        """Return the client ids that any pool has for a provider, or the default one."""
        pools = self._pools.values()
        found = set[str]().union(*(pool.client_ids.get(login_key, ()) for pool in pools))
        return found - {ANY_CLIENT} or {DEFAULT_CLIENT_ID}

    def client_id_of(self, login_key: str) -> str:
        """Return the client id that the newest pool has for a provider, or the default one."""
        for pool in reversed(self._pools.values()):
            client_ids = pool.client_ids.get(login_key, frozenset()) - {ANY_CLIENT}
            if client_ids:
                return min(client_ids)
        return DEFAULT_CLIENT_ID
