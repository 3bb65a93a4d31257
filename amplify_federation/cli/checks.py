"""The checks of `doctor` that need no network: configuration, key, folder and lock.

A finding has a subject, a verdict, a fact and advice. Nothing is created or changed here; a folder
that does not exist yet is no fault. No secret is in any finding.
"""

import os
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from attrs import frozen

from amplify_federation import (
    AuthError,
    EnvironmentKey,
    IdentityPool,
    KeyFile,
    SessionKeyError,
    StoreLockedError,
)
from amplify_federation.cli.exit_codes import ExitCode, advice_for, exit_code_of
from amplify_federation.cli.options import Target


class Verdict(StrEnum):
    """The result of a check."""

    OK = "ok"
    NOTE = "note"  # worth knowing; no fault
    WRONG = "wrong"


@frozen
class Finding:
    """The result of a check of one subject, without secrets."""

    subject: str
    verdict: Verdict
    found: str
    advice: str = ""
    exit_code: ExitCode = ExitCode.OK


def ok(subject: str, found: str) -> Finding:
    """Return a finding without a fault."""
    return Finding(subject, Verdict.OK, found)


def note(subject: str, found: str, advice: str = "") -> Finding:
    """Return a finding that is worth knowing and no fault."""
    return Finding(subject, Verdict.NOTE, found, advice)


def wrong(subject: str, found: str, advice: str, exit_code: ExitCode = ExitCode.FAULT) -> Finding:
    """Return a fault."""
    return Finding(subject, Verdict.WRONG, found, advice, exit_code)


def from_error(subject: str, error: AuthError) -> Finding:
    """Return an error as a fault."""
    advice = advice_for(error)
    if "amplify-federation doctor" in advice:  # which is running
        advice = "Check the disk, and the modes of the folder and of what is above it."
    found, _, command = error.message.partition(" To mend it, run: ")
    return wrong(subject, found, command or advice, exit_code_of(error))


HOME_VARIABLE = "AMPLIFY_FEDERATION_HOME"
KEY_VARIABLES = ("AMPLIFY_FEDERATION_KEY", "AMPLIFY_FEDERATION_KEY_FILE")
TRUST_VARIABLE = "AMPLIFY_FEDERATION_TRUST_DIRECTORY"
_POOL_VARIABLES = ("AMPLIFY_FEDERATION_CONFIG", "AMPLIFY_FEDERATION_POOL_ID")
_ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_COGNITO_IDENTITY", "AWS_ENDPOINT_URL")
_RULE_VARIABLES = ("AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT")
_DEFAULT_KEY = "master.key"


def pool_findings(target: Target) -> tuple[IdentityPool | None, list[Finding]]:
    """Return the pool, if there is one, and the findings about it."""
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
    """Return where sessions are stored."""
    source = "the platform's user state folder"
    if target.folder is not None:
        source = "--store"
    elif os.environ.get(HOME_VARIABLE):
        source = HOME_VARIABLE
    yield ok("store", f"{target.store().path}, from {source}")
    if trust := os.environ.get(TRUST_VARIABLE):
        means = (
            "folders are not checked" if trust.lower() == "true" else "only `true` has an effect"
        )
        yield note("store", f"{TRUST_VARIABLE} is {trust!r}: {means}.")


async def key_finding(target: Target) -> Finding:
    """Return the source of the key, and whether it is a key."""
    given = [name for name in KEY_VARIABLES if name in os.environ]
    path = target.store().path / _DEFAULT_KEY
    try:
        await (EnvironmentKey() if given else KeyFile(path)).sealing_key()
    except SessionKeyError:
        return ok("key", f"{path}, made when the first session is stored")
    except AuthError as error:
        return from_error("key", error)
    return ok("key", f"from {given[0]}" if given else f"{path}, beside the sessions")


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


async def folder_findings(target: Target) -> list[Finding]:
    """Return the findings about the folder, those above it, and every file in it."""
    store = target.store()
    try:
        faults = [from_error("folder", error) for error in await store.faults()]
    except AuthError as error:
        faults = [from_error("folder", error)]
    if faults or not _is_folder(store.path):
        absent = ok("folder", "not there yet; it is made when the first session is stored")
        return faults or [absent]
    endings = [path.suffix for path in store.path.iterdir()]
    files, sessions = _counted(len(endings), "file"), _counted(endings.count(".session"), "session")
    findings = [ok("folder", f"safe, with {files}, {sessions}")]
    if damaged := endings.count(".corrupt"):
        found = f"{_counted(damaged, 'session')} was found damaged and set aside as .corrupt"
        advice = "Federate again; `amplify-federation clear` removes what was set aside."
        findings.append(note("folder", found, advice))
    return findings


async def lock_finding(target: Target, pool: IdentityPool) -> Finding:
    """Return whether another process holds the lease of the session."""
    store = target.store()
    if not _is_folder(store.path):
        return ok("lock", "free")
    try:
        # The name under which a `FederatedAuth` keeps its session in a store.
        async with store.lock(f"{pool.identity_pool_id}/{target.session}", timeout=0):
            return ok("lock", "free")
    except StoreLockedError as error:
        return note("lock", error.message, "It renews the session; if this stays, end the process.")
    except AuthError as error:
        return from_error("lock", error)


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - pathlib's raises where it may not enter


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
