"""Where each value of the configuration comes from: option, variable, file or rule.

This file must not know the network or the session.
"""

import os
from collections.abc import Iterator

from amplify_federation import AuthError, EnvironmentKey, IdentityPool
from amplify_federation.cli.checks.finding import Finding, from_error, note, ok
from amplify_federation.cli.target import Target

HOME_VARIABLE = "AMPLIFY_FEDERATION_HOME"
KEY_VARIABLES = ("AMPLIFY_FEDERATION_KEY", "AMPLIFY_FEDERATION_KEY_FILE")
TRUST_VARIABLE = "AMPLIFY_FEDERATION_TRUST_DIRECTORY"
_POOL_VARIABLES = ("AMPLIFY_FEDERATION_CONFIG", "AMPLIFY_FEDERATION_POOL_ID")
_ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_COGNITO_IDENTITY", "AWS_ENDPOINT_URL")
_RULE_VARIABLES = ("AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT")
_DEFAULT_KEY = "master.key"


def pool_findings(target: Target) -> tuple[IdentityPool | None, list[Finding]]:
    """Return the pool, if there is one, and what there is to say of it."""
    try:
        pool = target.pool()
    except AuthError as error:
        return None, [from_error("pool", error)]
    return pool, [
        ok("pool", f"{pool.identity_pool_id}, from {_pool_source(target)}"),
        ok("endpoint", f"{pool.endpoint}, from {_endpoint_source(pool)}"),
        ok("guests", "allowed" if pool.guest_access else "not asked for"),
        *([ok("role", pool.custom_role_arn)] if pool.custom_role_arn else []),
    ]


def store_findings(target: Target) -> Iterator[Finding]:
    """Return where sessions are kept."""
    source = "the platform's user state folder"
    if target.folder is not None:
        source = "--store"
    elif os.environ.get(HOME_VARIABLE):
        source = HOME_VARIABLE
    yield ok("store", f"{target.store().path}, from {source}")
    if os.environ.get(TRUST_VARIABLE):
        yield note("store", f"{TRUST_VARIABLE} is set: the modes of folders are not checked.")


async def key_finding(target: Target) -> Finding:
    """Return where the key comes from, and whether it is one."""
    given = [name for name in KEY_VARIABLES if os.environ.get(name)]
    if not given:
        path = target.store().path / _DEFAULT_KEY
        if not path.exists():
            return ok("key", f"{path}, made when the first session is stored")
        return ok("key", f"{path}, beside the sessions")
    try:
        await EnvironmentKey().sealing_key()
    except AuthError as error:
        return from_error("key", error)
    return ok("key", f"from {given[0]}")


def _pool_source(target: Target) -> str:
    if target.pool_id is not None:
        return "--pool"
    if target.config is not None:
        return f"--config {target.config}"
    name = next(name for name in _POOL_VARIABLES if os.environ.get(name))
    return f"{os.environ[name]}, which {name} names" if name == _POOL_VARIABLES[0] else name


def _endpoint_source(pool: IdentityPool) -> str:
    for name in _ENDPOINT_VARIABLES:
        if os.environ.get(name, "").rstrip("/") == pool.endpoint:
            return name
    rules = [name for name in _RULE_VARIABLES if os.environ.get(name, "").lower() == "true"]
    return " and ".join([f"AWS's rules for {pool.region}", *rules])
