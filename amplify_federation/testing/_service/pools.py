"""What an identity pool is configured with. This file must not know identities or tokens."""

import uuid
from collections.abc import Collection, Iterable, Mapping
from typing import cast

from attrs import frozen

from amplify_federation import AuthProvider
from amplify_federation.testing._service.refusal import no_pool

DEFAULT_CLIENT_ID = "test-client"
ACCOUNT_ID = "123456789012"  # the account that AWS uses in its own examples

Providers = Mapping[AuthProvider, Collection[str]] | Iterable[AuthProvider]


def _role(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT_ID}:role/{name}"


@frozen
class PoolRoles:
    """The role ARNs of a pool; `None` is a pool whose role was forgotten.

    Asking such a pool for credentials is InvalidIdentityPoolConfigurationException.
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


@frozen
class Pool:
    """One identity pool. `client_ids`: by login key; for developer providers, their names."""

    id: str
    client_ids: Mapping[str, frozenset[str]]
    guest_access: bool = False
    classic_flow: bool = False
    roles: PoolRoles = PoolRoles()

    @property
    def region(self) -> str:
        """The region in the pool's id."""
        return self.id.partition(":")[0]

    def new_identity_id(self) -> str:
        """Return an id that no identity has yet."""
        return f"{self.region}:{uuid.uuid4()}"


class Pools:
    """All pools of the service."""

    def __init__(self) -> None:
        self._pools: dict[str, Pool] = {}

    def __len__(self) -> int:
        return len(self._pools)

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

    def client_id_of(self, login_key: str) -> str:
        """Return the client id that the newest pool has for a provider, or the default one."""
        for pool in reversed(self._pools.values()):
            if client_ids := pool.client_ids.get(login_key):
                return min(client_ids)
        return DEFAULT_CLIENT_ID
