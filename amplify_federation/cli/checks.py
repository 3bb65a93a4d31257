"""The checks of `doctor` that need no network: configuration, key, folder and lock.

A finding has a subject, a verdict, a fact and advice. Nothing is created or changed here; a folder
that does not exist yet is no fault. No secret is in any finding.
"""

import os
import shlex
import stat
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from attrs import frozen

from amplify_federation import AuthError, EnvironmentKey, IdentityPool, StoreLockedError
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
    return wrong(subject, error.message, advice, exit_code_of(error))


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
    if os.environ.get(TRUST_VARIABLE):
        yield note("store", f"{TRUST_VARIABLE} is set: the modes of folders are not checked.")


async def key_finding(target: Target) -> Finding:
    """Return the source of the key, and whether it is a key."""
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


_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_EFFECTIVE = os.access in os.supports_effective_ids
_HAS_MODES = os.name != "nt"  # on Windows the profile's access lists protect the folder
_ANOTHER_FOLDER = "Give --store FOLDER, or set AMPLIFY_FEDERATION_HOME to a folder of this user."
_SESSIONS = "*.session"
_DAMAGED = "*.corrupt"


def folder_findings(path: Path) -> Iterator[Finding]:
    """Return the findings about the folder and every file in it."""
    path = path.resolve()  # a folder that is a link is followed, as the store does
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        yield from _future_folder(path)
        return
    except OSError as error:
        yield _store_fault(f"{path} cannot be read: {error.strerror}", "Check the disk.")
        return
    if not stat.S_ISDIR(status.st_mode):
        yield _store_fault(f"{path} is no folder", f"mv {_quoted(path)} {_quoted(path)}.aside")
        return
    faults = list(_faults(path, status, "700"))
    if not faults and not os.access(path, os.W_OK | os.X_OK, effective_ids=_EFFECTIVE):
        faults.append(_store_fault(f"this user may not write to {path}", _ANOTHER_FOLDER))
    files = sorted(path.iterdir())
    for file in files:
        faults += _faults(file, file.lstat(), "600")
    yield from faults
    if not faults:
        sessions = len(list(path.glob(_SESSIONS)))
        modes = f"mode {stat.S_IMODE(status.st_mode):04o}, " if _HAS_MODES else ""
        yield ok(
            "folder", f"{modes}{_counted(len(files), 'file')}, {_counted(sessions, 'session')}"
        )
    if damaged := len(list(path.glob(_DAMAGED))):
        yield note(
            "folder",
            f"{_counted(damaged, 'session')} was found damaged and set aside as .corrupt",
            "Federate again; `amplify-federation clear` removes what was set aside.",
        )


def _future_folder(path: Path) -> Iterator[Finding]:
    """Return whether a folder that does not exist can be made, and will be trusted."""
    above = [folder for folder in path.parents if os.path.lexists(folder)]
    nearest = above[0]  # the root is there
    faults: list[Finding] = []
    if not nearest.is_dir():
        found = f"{path} cannot be made: {nearest} is no folder"
        faults.append(_store_fault(found, f"mv {_quoted(nearest)} {_quoted(nearest)}.aside"))
    elif not os.access(nearest, os.W_OK | os.X_OK, effective_ids=_EFFECTIVE):
        found = f"{path} cannot be reached or made: this user may not write to {nearest}"
        faults.append(_store_fault(found, _ANOTHER_FOLDER))
    elif _HAS_MODES and os.environ.get(TRUST_VARIABLE, "").lower() != "true":
        for folder in above:
            faults += _faults_above(folder, folder.stat())
    yield from faults
    if not faults:
        yield ok("folder", "not there yet; it is made when the first session is stored")


def _faults_above(path: Path, status: os.stat_result) -> Iterator[Finding]:
    """Return for what a session will refuse a folder above the store's."""
    if status.st_uid not in {0, os.geteuid()}:
        found = f"{path} is above the store and belongs to user {status.st_uid}"
        yield _store_fault(found, f"sudo chown {os.geteuid()} {_quoted(path)}")
    elif status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not status.st_mode & stat.S_ISVTX:
        found = f"{path} is above the store and others can write to it"
        yield _store_fault(found, f"chmod go-w {_quoted(path)}")


async def lock_finding(target: Target, pool: IdentityPool) -> Finding:
    """Return whether another process holds the lease of the session."""
    store = target.store()
    if not store.path.is_dir():
        return ok("lock", "free")
    try:
        # The name under which a `FederatedAuth` keeps its session in a store.
        async with store.lock(f"{pool.identity_pool_id}/{target.session}", timeout=0):
            return ok("lock", "free")
    except StoreLockedError as error:
        return note("lock", error.message, "It renews the session; if this stays, end the process.")
    except AuthError as error:
        return from_error("lock", error)


def _faults(path: Path, status: os.stat_result, mode: str) -> Iterator[Finding]:
    if not _HAS_MODES:
        return
    if stat.S_ISLNK(status.st_mode):
        yield _store_fault(f"{path} is a link", f"rm {_quoted(path)}")
    elif status.st_uid != os.geteuid():
        advice = f"sudo chown {os.geteuid()} {_quoted(path)}"
        yield _store_fault(f"{path} belongs to user {status.st_uid}", advice)
    elif status.st_mode & _OTHERS:
        found = f"{path} has mode {stat.S_IMODE(status.st_mode):04o}: others can get at it"
        yield _store_fault(found, f"chmod {mode} {_quoted(path)}")


def _store_fault(found: str, advice: str) -> Finding:
    return wrong("folder", found, advice, ExitCode.STORE)


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
