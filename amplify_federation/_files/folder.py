"""One folder of records: their file names; reading, replacing and setting aside.

    names.secret       32 random bytes, made once; the file name of a record is an HMAC under them,
                       so that a listing tells neither pools nor sessions
    master.key         the default key, where no other is given; see `_crypto.key_files`
    <digest>.session   a record
    <digest>.bearer    a record that is removed so long after its last write
    <file>.corrupt     the last content of a record that could not be read
    <file>.*.tmp       a file being written; a dead process's is removed at the next start
    <file>.lock        locked during one write; removed with the record
    <file>.lease       locked during a renewal; removed after it where there is no record

The functions block.
"""

import contextlib
import hashlib
import hmac
import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from amplify_federation._files import checks, directories
from amplify_federation._files.checks import AnyPath
from amplify_federation._files.lru_cache import LruCache
from amplify_federation.errors import SessionFileCorruptError, StoreUnavailableError

if TYPE_CHECKING:
    from pathlib import Path

SECRET_NAME: Final = "names.secret"
RECORD_SUFFIX: Final = ".session"
EXPIRING_SUFFIX: Final = ".bearer"
_SECRET_SIZE: Final = 32
_PATIENCE: Final = 5.0  # seconds to wait for another process that makes the secret
_SWEEP_PAUSE: Final = 3_600.0  # seconds
_TRIAL_SIZE: Final = 65_536  # bytes; a record has some 4,000
# A file changed twice within one tick of the file system's clock looks the same twice. So, like
# git with its index, believe a status only if the file was not young when it was read. Two seconds
# is the coarsest clock among file systems (FAT).
_YOUNG_NS: Final = 2_000_000_000

Signature = tuple[int, int, int, int, int]


class Kept(NamedTuple):
    """A record's bytes. Equal versions of one name mean equal bytes: it is their digest."""

    version: str
    data: bytes

    def __repr__(self) -> str:
        return f"<Kept {self.version}>"


class _Read(NamedTuple):
    """A record as it was read, and what its file looked like then."""

    path: str
    signature: Signature
    kept: Kept


class _Opened:
    """The folder as it was found: which one it is, and its secret."""

    __slots__ = ("identity", "secret")

    def __init__(self, identity: tuple[int, int], secret: bytes) -> None:
        self.identity: Final = identity
        self.secret: Final = secret


class Folder:
    """The files of one folder. Constructing does no I/O; may be used from any thread."""

    def __init__(self, path: AnyPath, *, limit: int, keep: float | None = None) -> None:
        """`keep`: seconds after its last write at which a record is removed; `None`: never."""
        self.location = os.fspath(path)
        self._limit = limit
        self._keep = keep
        self._suffix = RECORD_SUFFIX if keep is None else EXPIRING_SUFFIX
        self._opened: _Opened | None = None
        self._sweep_from = float("-inf")  # monotonic
        self._reads: LruCache[_Read] = LruCache()

    @property
    def path(self) -> "Path":
        """The folder's path."""
        from pathlib import Path  # noqa: PLC0415 - slow to load, and for people alone

        return Path(self.location)

    @property
    def was_opened(self) -> bool:
        """Whether the folder was found once."""
        return self._opened is not None

    def is_open(self) -> bool:
        """Whether the folder was found, and still stands there, safe."""
        opened = self._opened
        return opened is not None and directories.folder_identity(self.location) == opened.identity

    def open(self) -> bool:
        """Find and check the folder. `False`: there is none yet.

        It costs the same in a full folder: collecting is left to `sweep`.
        """
        self.location = directories.real_folder(self.location)
        identity = directories.folder_identity(self.location)
        if identity is None:
            return False
        secret = self._read_secret()
        if secret is None:
            self._check_no_records()
            return False
        self._reads.clear()
        # Set whole and never unset: other threads are at work with the one before.
        self._opened = _Opened(identity, secret)
        return True

    def sweep(self) -> None:
        """Remove what dead processes left, and records that are too old, once in a while.

        By age alone, so that no process needs to have seen a record.
        """
        now = time.monotonic()
        if now < self._sweep_from:
            return
        self._sweep_from = now + _SWEEP_PAUSE
        for temp in checks.listed(self.location, checks.TEMP_SUFFIX):
            _remove_rest(temp.path)
        if self._keep is not None:
            oldest = time.time() - self._keep
            for entry in checks.listed(self.location, EXPIRING_SUFFIX):
                with contextlib.suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_mtime < oldest:
                        self._remove_old(entry.path, oldest)

    def make(self) -> None:
        """Open the folder, made with its secret if need be."""
        if self.is_open():
            return
        from amplify_federation._files import atomic_write, lock  # noqa: PLC0415 - readers need none

        self.location = directories.real_folder(self.location)
        directories.make_folder(self.location)
        if self.open():
            return
        path = self._path_of(SECRET_NAME)
        with lock.hold_blocking(lock.lock_of(path), timeout=_PATIENCE):
            if self._read_secret() is None:
                atomic_write.replace_file(path, os.urandom(_SECRET_SIZE))
        if not self.open():
            message = f"The folder {self.location} was removed while it was being made."
            raise StoreUnavailableError(message)

    def file_of(self, name: str) -> str:
        """Return the file of a record's name."""
        if self._opened is None:
            message = f"The folder {self.location} is not open."
            raise StoreUnavailableError(message)
        digest = hmac.digest(self._opened.secret, name.encode(), "sha256").hex()
        return self._path_of(digest[:32] + self._suffix)

    def read(self, name: str) -> Kept | None:
        """Return a record; a stat is all it takes while the file stays as it was."""
        known = self._reads.get(name)
        if known is not None and known.signature == _signature_at(known.path):
            return known.kept
        self._reads.drop(name)
        path = self.file_of(name)
        began = time.time_ns()
        found = checks.read_file(path, self._limit)
        if found is None:
            return None
        data, status = found
        kept = Kept(hashlib.sha256(data).hexdigest(), data)
        if max(status.st_mtime_ns, status.st_ctime_ns) < began - _YOUNG_NS:
            self._reads.put(name, _Read(path, _signature(status), kept))
        return kept

    def replace(self, name: str, data: bytes) -> str:
        """Write a record whole; return its version."""
        from amplify_federation._files import atomic_write  # noqa: PLC0415 - readers need none

        atomic_write.replace_file(self.file_of(name), data)
        return hashlib.sha256(data).hexdigest()

    def set_aside(self, name: str) -> str:
        """Rename a record to `.corrupt`, over the one before; return that path."""
        from amplify_federation._files import atomic_write  # noqa: PLC0415 - readers need none

        path = self.file_of(name)
        self._reads.drop(name)
        aside = path + ".corrupt"
        atomic_write.move_file(path, aside)
        return aside

    def remove(self, name: str) -> None:
        """Remove a record, and what was set aside."""
        from amplify_federation._files import atomic_write  # noqa: PLC0415 - readers need none

        path = self.file_of(name)
        self._reads.drop(name)
        atomic_write.remove_files(path, path + ".corrupt")
        _remove_lease(path)

    def remove_set_aside(self, name: str) -> None:
        """Remove what was set aside under a name."""
        aside = self.file_of(name) + ".corrupt"
        if os.path.lexists(aside):
            from amplify_federation._files import atomic_write  # noqa: PLC0415 - seldom is there one

            atomic_write.remove_files(aside)

    def try_writing(self) -> None:
        """Write more than most records have, and remove it: a full disk is found so."""
        from amplify_federation._files import atomic_write  # noqa: PLC0415 - readers need none

        atomic_write.try_writing(self._path_of("trial"), _TRIAL_SIZE)

    def records(self) -> Iterator[bytes]:
        """Yield the bytes of every record; one too large to be a record is passed over."""
        for entry in checks.listed(self.location, self._suffix):
            try:
                found = checks.read_file(entry.path, self._limit)
            except SessionFileCorruptError:
                continue
            if found is not None:
                yield found[0]

    def _read_secret(self) -> bytes | None:
        path = self._path_of(SECRET_NAME)
        try:
            found = checks.read_file(path, _SECRET_SIZE)
        except SessionFileCorruptError:
            found = None
            size = -1
        else:
            if found is None:
                return None
            size = len(found[0])
        if found is None or size != _SECRET_SIZE:
            message = f"{path} is damaged, so no session of this folder can be found."
            raise StoreUnavailableError(message, recovery_suggestion=_advice_without_secret(path))
        return found[0]

    def has(self, path: str) -> bool:
        """Tell whether a record's file is there."""
        return os.path.lexists(path)

    def has_records(self) -> bool:
        """Tell whether there is a record of any name."""
        endings = RECORD_SUFFIX, EXPIRING_SUFFIX
        return any(checks.listed(self.location, ending) for ending in endings)

    def _remove_old(self, path: str, oldest: float) -> None:
        from amplify_federation._files import atomic_write, lock  # noqa: PLC0415 - seldom is there one

        held = lock.try_lock(lock.lock_of(path))
        if held is None:
            return
        try:
            if os.lstat(path).st_mtime < oldest:  # still, under the lock
                atomic_write.remove_files(path, path + ".corrupt")
                _remove_lease(path)
        finally:
            held.release(remove=True)

    def _check_no_records(self) -> None:
        """Raise if there are records, whose names cannot be told without the secret."""
        if self.has_records():
            path = self._path_of(SECRET_NAME)
            message = f"{path} is missing, so no session of this folder can be found."
            raise StoreUnavailableError(message, recovery_suggestion=_advice_without_secret(path))

    def _path_of(self, name: str) -> str:
        return os.path.join(self.location, name)


def _advice_without_secret(path: str) -> str:
    return f"Restore {path}, or remove the folder {os.path.dirname(path)} and federate again."


def _remove_lease(path: str) -> None:
    """Remove the lease file of a record that is gone, unless it is locked."""
    from amplify_federation._files import lock  # noqa: PLC0415 - readers need none

    lease = lease_of(path)
    if os.path.lexists(lease) and (held := lock.try_lock(lease)) is not None:
        held.release(remove=True)


def lease_of(path: AnyPath) -> str:
    """Return the lease file of a record's file."""
    return f"{os.fspath(path)}.lease"


def _remove_rest(temp: str) -> None:
    """Remove the temporary file of a dead process: one without a locked lock file."""
    from amplify_federation._files import atomic_write, lock  # noqa: PLC0415 - seldom is there one

    record = temp.rsplit(".", 2)[0]
    held = lock.try_lock(lock.lock_of(record))
    if held is not None:
        try:
            atomic_write.remove_files(temp)
        finally:
            held.release(remove=not os.path.lexists(record))


def _signature(status: os.stat_result) -> Signature:
    times = status.st_mtime_ns, status.st_ctime_ns
    return status.st_dev, status.st_ino, *times, status.st_size


def _signature_at(path: str) -> Signature | None:
    try:
        return _signature(os.lstat(path))
    except OSError:
        return None  # the read that follows says what is wrong
