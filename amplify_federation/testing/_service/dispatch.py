"""Dispatch: the entry to the service. An operation and its input in, its output out."""

import re
from collections.abc import Mapping
from typing import Any

from amplify_federation.testing._service.administrators import AdministratorOperations
from amplify_federation.testing._service.errors import no_identity, no_pool
from amplify_federation.testing._service.model import OPERATIONS
from amplify_federation.testing._service.operations import Operations
from amplify_federation.testing._service.validation import validate

_REGIONAL = frozenset({"CreateIdentityPool", "ListIdentityPools"})


class Dispatch:
    """Carries out the operations of one service; a refusal is a `ServiceRefusal`."""

    def __init__(self, operations: Operations) -> None:
        administrators = AdministratorOperations(operations.pools, operations.directory)
        self.clock = operations.clock
        self._methods: Mapping[str, Any] = {
            name: getattr(operations, snake(name), None) or getattr(administrators, snake(name))
            for name in OPERATIONS
        }

    def perform(
        self, operation: str, given: dict[str, Any], region: str | None, default_region: str
    ) -> dict[str, Any]:
        """Return the output of an operation, or raise `ServiceRefusal`.

        `region` is that of the endpoint, if the host or the signature names it; only its pools are
        found then. Otherwise pools are made and listed in `default_region`.
        """
        validate(operation, given)
        _expect_region(given, region)
        method = self._methods[operation]
        if operation in _REGIONAL:
            return dict(method(given, region or default_region))
        return dict(method(given))


def snake(name: str) -> str:
    """Return the method's name of an operation."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _expect_region(given: dict[str, Any], region: str | None) -> None:
    pool_id: str | None = given.get("IdentityPoolId")
    asked_for: str | None = pool_id or given.get("IdentityId")
    if region is not None and asked_for and asked_for.partition(":")[0] != region:
        raise no_pool(asked_for) if pool_id else no_identity(asked_for)
