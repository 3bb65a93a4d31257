"""The folder of sessions as it lies on the disk: modes, owners, locks.

Nothing is made or changed here; a folder that is not there yet is no fault. This file must not know
the network.
"""

import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from amplify_federation import AuthError, IdentityPool, StoreLockedError
from amplify_federation.cli.checks.finding import Finding, from_error, note, ok, wrong
from amplify_federation.cli.target import Target
from amplify_federation.cli.terminal.exit_codes import ExitCode

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_HAS_MODES = os.name != "nt"  # on Windows the profile's access lists protect the folder
_SESSIONS = "*.session"
_DAMAGED = "*.corrupt"


def folder_findings(path: Path) -> Iterator[Finding]:
    """Return what there is to say of the folder and of every file in it."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        yield ok("folder", "not there yet; it is made when the first session is stored")
        return
    except OSError as error:
        yield _store_fault(f"{path} cannot be read: {error.strerror}", "Check the disk.")
        return
    if not stat.S_ISDIR(status.st_mode):
        yield _store_fault(f"{path} is no folder", f"mv {_quoted(path)} {_quoted(path)}.aside")
        return
    faults = list(_faults(path, status, "700"))
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
