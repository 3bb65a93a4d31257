"""IdentityPool: which pool, from arguments, from Amplify's files, or from the environment.

This file owns what a well-formed pool is; anything wrong is `ConfigurationError`, at construction.
It must not know calls.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Self

from attrs import field, frozen

from amplify_federation._cognito.requests import ID_PATTERN, MAX_ID
from amplify_federation._configuration.endpoint_url import is_true, resolve_endpoint
from amplify_federation._model.endpoint import checked_region
from amplify_federation.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from amplify_federation._cognito.flow import PoolMembers

_ACCOUNT_ID = r"\d{1,15}"
_ROLE_ARN = r"arn:aws[a-z-]*:iam::\d{12}:role/[!-~]+"
_ROLE_LENGTH = range(20, 2049)  # characters; ARNString


@frozen
class IdentityPool:
    """A Cognito identity pool.

    `identity_pool_id` is `region:guid`. `account_id` goes with GetId, where a pool of another
    account is meant. `guest_access` lets a signed-out session get a guest's credentials.
    `custom_role_arn` asks for that role. `endpoint_url` replaces the rules of AWS; `use_fips` and
    `use_dualstack` choose among them. Environment variables of the AWS SDKs serve where these are
    `None`. Raises `ConfigurationError` for anything malformed or contradictory.
    """

    identity_pool_id: str
    region: str = field(default=None, kw_only=True)
    account_id: str | None = field(default=None, kw_only=True)
    guest_access: bool = field(default=False, kw_only=True)
    custom_role_arn: str | None = field(default=None, kw_only=True)
    endpoint_url: str | None = field(default=None, kw_only=True)
    use_fips: bool | None = field(default=None, kw_only=True)
    use_dualstack: bool | None = field(default=None, kw_only=True)
    endpoint: str = field(init=False, eq=True)

    def __attrs_post_init__(self) -> None:
        """Check everything, then set the derived fields."""
        region, fips = _region_of(self.identity_pool_id, self.region)
        _check_flags(self)
        _check(_ACCOUNT_ID, self.account_id, "account_id", "1 to 15 digits")
        _check(_ROLE_ARN, self.custom_role_arn, "custom_role_arn", "the ARN of an IAM role")
        endpoint = resolve_endpoint(
            region,
            os.environ,
            endpoint_url=self.endpoint_url,
            use_fips=fips or self.use_fips,
            use_dualstack=self.use_dualstack,
        )
        object.__setattr__(self, "region", region)
        object.__setattr__(self, "endpoint", endpoint)

    @property
    def members(self) -> PoolMembers:
        """What of this pool goes into calls."""
        from amplify_federation._cognito.flow import PoolMembers  # noqa: PLC0415 - when calling

        return PoolMembers(self.identity_pool_id, self.account_id, self.custom_role_arn)

    @classmethod
    def from_amplify_config(
        cls, path_or_mapping: str | Path | Mapping[str, Any], *, guest_access: bool | None = None
    ) -> Self:
        """Return the pool of an `amplify_outputs.json` or an `amplifyconfiguration.json`.

        `guest_access` replaces what the file says; Gen 1 files say nothing and mean none. Raises
        `InvalidAccountTypeError` if there is no identity pool in it.
        """
        from amplify_federation._configuration.amplify_files import (  # noqa: PLC0415 - few have one
            read_amplify_config,
        )

        said = read_amplify_config(path_or_mapping)
        allowed = said.guest_access if guest_access is None else guest_access
        return cls(said.identity_pool_id, guest_access=allowed)

    @classmethod
    def from_env(cls) -> Self:
        """Return the pool of the environment.

        Reads `AMPLIFY_FEDERATION_CONFIG`, the path of an Amplify file, or
        `AMPLIFY_FEDERATION_POOL_ID` with `_ACCOUNT_ID`, `_GUEST_ACCESS` (`true` or `false`) and
        `_CUSTOM_ROLE_ARN`. Raises `ConfigurationError` if neither or both are set.
        """
        config, pool_id = _variable("CONFIG"), _variable("POOL_ID")
        if (config is None) == (pool_id is None):
            message = (
                "Set AMPLIFY_FEDERATION_POOL_ID to the id of an identity pool, or "
                "AMPLIFY_FEDERATION_CONFIG to the path of an Amplify configuration"
                f"{', not both' if config else ''}."
            )
            raise ConfigurationError(message)
        if config is not None:
            return cls.from_amplify_config(config, guest_access=_guests())
        return cls(
            pool_id or "",
            account_id=_variable("ACCOUNT_ID"),
            guest_access=bool(_guests()),
            custom_role_arn=_variable("CUSTOM_ROLE_ARN"),
        )


def _variable(name: str) -> str | None:
    return os.environ.get(f"AMPLIFY_FEDERATION_{name}") or None


def _guests() -> bool | None:
    value = _variable("GUEST_ACCESS")
    if value is None:
        return None
    if value.lower() not in {"true", "false"}:
        message = "AMPLIFY_FEDERATION_GUEST_ACCESS must be `true` or `false`."
        raise ConfigurationError(message)
    return is_true(os.environ, "AMPLIFY_FEDERATION_GUEST_ACCESS")


def _region_of(pool_id: object, explicit: object) -> tuple[str, bool]:
    if not isinstance(pool_id, str) or len(pool_id) > MAX_ID or not ID_PATTERN.fullmatch(pool_id):
        message = (
            f"{pool_id!r:.80} is not an identity pool id; it looks like "
            "'us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768'."
        )
        raise ConfigurationError(message)
    own, own_fips = checked_region(pool_id.partition(":")[0])
    if explicit is None:
        return own, own_fips
    region, fips = checked_region(explicit)
    if region != own:
        message = (
            f"Region {region!r} disagrees with identity pool id {pool_id!r}; the id's prefix is "
            "its region, so leave `region` out."
        )
        raise ConfigurationError(message)
    return own, fips or own_fips


def _check_flags(pool: IdentityPool) -> None:
    for name in ("guest_access", "use_fips", "use_dualstack"):
        value: object = getattr(pool, name)
        if not isinstance(value, bool) and (value is not None or name == "guest_access"):
            message = f"`{name}` must be True or False, not {type(value).__name__}."
            raise ConfigurationError(message)


def _check(pattern: str, value: object, name: str, wanted: str) -> None:
    if value is None:
        return
    fits = isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) is not None
    if not fits or (pattern == _ROLE_ARN and len(str(value)) not in _ROLE_LENGTH):
        message = f"`{name}` must be {wanted}."
        raise ConfigurationError(message)
