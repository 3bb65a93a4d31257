"""IdentityPool: which pool, from arguments, from Amplify's files, or from the environment.

Anything wrong with a pool is `ConfigurationError`, at construction. The endpoint is an argument,
else a variable of the AWS SDKs ("Service-specific endpoints" of their reference guide), else AWS's
rules. Imported at first use is what a session that restarts with a pool's id does not need: 8 ms.
"""

from __future__ import annotations

import logging
import os
import re
from typing import TYPE_CHECKING, Any, Self

from attrs import field, frozen

from amplify_federation._cognito.requests import ID_PATTERN, MAX_ID
from amplify_federation._model.endpoint import (
    check_partition,
    checked_region,
    endpoint_for,
    is_loopback,
    sts_endpoint_for,
)
from amplify_federation._model.values import Value
from amplify_federation.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from urllib.parse import SplitResult

    from amplify_federation._cognito.flow import PoolMembers
    from amplify_federation._model.classic_flow import ClassicFlow

logger = logging.getLogger("amplify_federation")
_ACCOUNT_ID = r"\d{1,15}"
_ROLE_ARN = r"arn:aws[a-z-]*:iam::\d{12}:role/[!-~]+"
_ROLE_LENGTH = range(20, 2049)  # characters; ARNString


@frozen(eq=False, repr=False)
class IdentityPool(Value):
    """A Cognito identity pool.

    `identity_pool_id` is `region:guid`. `account_id` goes with GetId, where a pool of another
    account is meant. `guest_access` lets a signed-out session get a guest's credentials.
    `custom_role_arn` asks for that role; `classic_flow` gets one from STS instead. `endpoint_url`
    replaces the rules of AWS; `use_fips` and `use_dualstack` choose among them. Environment
    variables of the AWS SDKs serve where these are `None`. Raises `ConfigurationError` for anything
    malformed or contradictory.
    """

    identity_pool_id: str
    region: str = field(default=None, kw_only=True)
    account_id: str | None = field(default=None, kw_only=True)
    guest_access: bool = field(default=False, kw_only=True)
    custom_role_arn: str | None = field(default=None, kw_only=True)
    classic_flow: ClassicFlow | None = field(default=None, kw_only=True)
    endpoint_url: str | None = field(default=None, kw_only=True)
    use_fips: bool | None = field(default=None, kw_only=True)
    use_dualstack: bool | None = field(default=None, kw_only=True)
    endpoint: str = field(init=False, eq=True)
    sts_endpoint: str = field(init=False, eq=True)

    def __attrs_post_init__(self) -> None:
        """Check everything, then set the derived fields."""
        region, fips = _region_of(self.identity_pool_id, self.region)
        _check_flags(self)
        _check(_ACCOUNT_ID, self.account_id, "account_id", "1 to 15 digits")
        _check(_ROLE_ARN, self.custom_role_arn, "custom_role_arn", "the ARN of an IAM role")
        _check_classic_flow(self)
        endpoint = resolve_endpoint(
            region,
            os.environ,
            endpoint_url=self.endpoint_url,
            use_fips=fips or self.use_fips,
            use_dualstack=self.use_dualstack,
        )
        sts_endpoint = ""
        if self.classic_flow is not None:
            sts_endpoint = _sts_endpoint(region, os.environ, use_fips=fips or self.use_fips)
        object.__setattr__(self, "region", region)
        object.__setattr__(self, "sts_endpoint", sts_endpoint)
        object.__setattr__(self, "endpoint", endpoint)

    @property
    def members(self) -> PoolMembers:
        """The members of this pool's calls."""
        from amplify_federation._cognito.flow import PoolMembers  # noqa: PLC0415 - see above

        return PoolMembers(
            self.identity_pool_id,
            self.account_id,
            self.custom_role_arn,
            self.classic_flow,
            self.sts_endpoint,
        )

    @classmethod
    def from_amplify_config(
        cls, path_or_mapping: str | Path | Mapping[str, Any], *, guest_access: bool | None = None
    ) -> Self:
        """Return the pool of an `amplify_outputs.json` or an `amplifyconfiguration.json`.

        Read, too: `aws-exports.js` and its JSON, `awsconfiguration.json`, the object that
        JavaScript gives to `Amplify.configure`, and outputs of CDK, SST or Terraform in which one
        key names an identity pool. `guest_access` replaces what the file says; only Gen 2 takes a
        missing flag for yes. Raises `InvalidAccountTypeError` if no identity pool is in it, and
        `ConfigurationError`, which names the key, if one is where none is looked for.
        """
        from amplify_federation._configuration import (  # noqa: PLC0415 - see above
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


_USER_POOL_ID = r"[a-z0-9-]+_[A-Za-z0-9]+"


def _region_of(pool_id: object, explicit: object) -> tuple[str, bool]:
    if not isinstance(pool_id, str) or len(pool_id) > MAX_ID or not ID_PATTERN.fullmatch(pool_id):
        user_pool = isinstance(pool_id, str) and re.fullmatch(_USER_POOL_ID, pool_id, re.ASCII)
        is_what = "is a user pool's id" if user_pool else "is not an identity pool id"
        message = (
            f"{pool_id!r:.80} {is_what}; that of an identity pool looks like "
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


def _check_classic_flow(pool: IdentityPool) -> None:
    classic: object = getattr(pool, "classic_flow")  # noqa: B009  # whatever a caller gave
    if classic is None:
        return
    from amplify_federation._model.classic_flow import ClassicFlow  # noqa: PLC0415 - see above

    if not isinstance(classic, ClassicFlow):
        message = "`classic_flow` must be a ClassicFlow, with the ARN of the role."
        raise ConfigurationError(message)
    if pool.custom_role_arn is not None:
        message = "`custom_role_arn` is of the other flow: give the role in `classic_flow`."
        raise ConfigurationError(message)


def _check(pattern: str, value: object, name: str, wanted: str) -> None:
    if value is None:
        return
    fits = isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) is not None
    if not fits or (pattern == _ROLE_ARN and len(str(value)) not in _ROLE_LENGTH):
        message = f"`{name}` must be {wanted}."
        raise ConfigurationError(message)


def resolve_endpoint(
    region: str,
    environ: Mapping[str, str],
    *,
    endpoint_url: object = None,
    use_fips: bool | None = None,
    use_dualstack: bool | None = None,
) -> str:
    """Return the endpoint URL without trailing slashes.

    Raises `ConfigurationError` for a malformed URL, for a region that no partition has without a
    custom endpoint, and for one together with FIPS or dual-stack, which name one of their own.
    """
    fips, dual = use_fips, use_dualstack
    if fips is None:
        fips = is_true(environ, "AWS_USE_FIPS_ENDPOINT")
    dual = (
        is_true(environ, "AWS_USE_DUALSTACK_ENDPOINT") if use_dualstack is None else use_dualstack
    )
    custom, source = (endpoint_url, "endpoint_url")
    if endpoint_url is None:
        custom, source = _from_environment(environ)
    if custom is None:
        check_partition(region)
        return endpoint_for(region, use_fips=fips, use_dualstack=dual)
    if fips or dual:
        message = (
            f"{source} cannot be combined with {'FIPS' if fips else 'dual-stack'}: "
            "unset one of the two."
        )
        raise ConfigurationError(message)
    return _checked(custom, source)


def _sts_endpoint(region: str, environ: Mapping[str, str], *, use_fips: bool | None) -> str:
    """Return STS's URL without trailing slashes: a variable of the AWS SDKs, else AWS's rules."""
    if not is_true(environ, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"):
        for name in ("AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"):
            if environ.get(name):
                return _checked(environ[name], name)
    if use_fips is None:
        use_fips = is_true(environ, "AWS_USE_FIPS_ENDPOINT")
    return sts_endpoint_for(region, use_fips=use_fips)


def is_true(environ: Mapping[str, str], name: str) -> bool:
    """Tell whether a variable holds the word `true`; nothing else is true."""
    return environ.get(name, "").strip().lower() == "true"


def _from_environment(environ: Mapping[str, str]) -> tuple[str | None, str]:
    if not is_true(environ, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"):
        for name in ("AWS_ENDPOINT_URL_COGNITO_IDENTITY", "AWS_ENDPOINT_URL"):
            if environ.get(name):
                return environ[name], name
    return None, ""


def _checked(url: object, source: str) -> str:
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url:
        message = f"{source} is not a URL; give one such as 'http://127.0.0.1:4566'."
        raise ConfigurationError(message)
    fault = _fault_of(url)
    if fault:
        message = f"{source} {fault}; give one such as 'http://127.0.0.1:4566'."
        raise ConfigurationError(message)
    parts = _split(url)
    if parts.scheme.lower() == "http" and not is_loopback(parts.hostname):
        logger.warning(
            "Tokens and credentials go unencrypted to %s: the endpoint is plain http.",
            parts.hostname,
            extra={"event": "plain_http_endpoint", "host": parts.hostname},
        )
    return url.rstrip("/")


def _split(url: str) -> SplitResult:
    from urllib.parse import urlsplit  # noqa: PLC0415 - see above

    return urlsplit(url)


def _fault_of(url: str) -> str | None:
    try:
        parts = _split(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "has a bad host or port"
    if parts.scheme.lower() not in {"http", "https"}:
        return "needs the scheme http or https"
    if "@" in parts.netloc:
        return "must not carry a user name or password"
    if not host or not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]+", host):
        return "has no usable host"
    if port == 0 or parts.netloc.endswith(":"):
        return "has a bad host or port"
    if "?" in url or "#" in url or "\\" in url:
        return "must not have a query, a fragment or a backslash"
    return None
