"""One folder of records: their file names, reading and writing.

    names.secret       32 random bytes, made once; the file name of a record is an HMAC under them,
                       so that a listing tells neither pools nor sessions
    master.key         the default key, where no other is given; see `_crypto.key_files`
    <digest>.session   a record
    <digest>.bearer    a record that is removed some time after its last write

The files beside these are described in `removal`.

The functions block.
"""

import contextlib
import hashlib
import hmac
import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from amplify_federation._async.lru_cache import LruCache
from amplify_federation._files import atomic_write, file_checks, folder_checks, lock, removal
from amplify_federation._files.file_checks import AnyPath
from amplify_federation.errors import SessionFileCorruptError, StoreError, StoreUnavailableError

if TYPE_CHECKING:
    from pathlib import Path

SECRET_NAME: Final = "names.secret"
RECORD_SUFFIX: Final = ".session"
EXPIRING_SUFFIX: Final = ".bearer"
_OWN_SUFFIXES: Final = (
    RECORD_SUFFIX, EXPIRING_SUFFIX, SECRET_NAME, ".key", ".lock", ".lease", ".corrupt",
)  # fmt: skip
_SECRET_SIZE: Final = 32
_PATIENCE: Final = 5.0  # seconds to wait for another process that makes the secret
_SWEEP_PAUSE: Final = 3_600.0  # seconds
_TRIAL_SIZE: Final = 65_536  # bytes; a record has some 4,000
# Two changes within one tick of the file system's clock leave the same times. So, like git with its
# index, rely on a status only if the file was not young when it was read. Two seconds is the
# coarsest clock among file systems (FAT).
_YOUNG_NS: Final = 2_000_000_000

Signature = tuple[int, int, int, int, int]


class StoredBytes(NamedTuple):
    """A record's bytes. Equal versions of one name mean equal bytes: it is their digest."""

    version: str
    data: bytes

    def __repr__(self) -> str:
        return f"<StoredBytes {self.version}>"


class _CachedRead(NamedTuple):
    """A record that was read, and the signature of its file at that time."""

    path: str
    signature: Signature
    stored: StoredBytes


class _Opened(NamedTuple):
    """The folder that was opened, and its secret.

    A folder that is made anew often gets the inode of the one before, but another secret.
    """

    identity: tuple[int, int]
    secret_file: Signature
    secret: bytes

    def __repr__(self) -> str:
        return f"<_Opened {self.identity}>"


class Folder:
    """The files of one folder. Constructing does no I/O; may be used from any thread."""

    def __init__(self, path: AnyPath, *, limit: int, keep: float | None = None) -> None:
        """Give the largest size of a record in bytes.

        `keep`: seconds after its last write at which a record is removed; `None`: never.
        """
        self.location = os.fspath(path)
        self._limit = limit
        self._keep = keep
        self._suffix = RECORD_SUFFIX if keep is None else EXPIRING_SUFFIX
        self._opened: _Opened | None = None
        self._sweep_from = float("-inf")  # monotonic
        self._reads: LruCache[_CachedRead] = LruCache()

    @property
    def path(self) -> "Path":
        """The folder's path."""
        from pathlib import Path  # noqa: PLC0415 - 3 % of a restart, which uses text alone

        return Path(self.location)

    # Opening

    @property
    def was_opened(self) -> bool:
        """Whether the folder was opened once."""
        return self._opened is not None

    def is_open(self) -> bool:
        """Check that the folder is safe and the same one that was opened."""
        opened = self._opened
        return (
            opened is not None
            and folder_checks.folder_identity(self.location) == opened.identity
            and _signature_at(self._path_of(SECRET_NAME)) == opened.secret_file
        )

    def open(self) -> bool:
        """Find and check the folder. `False`: there is none yet.

        The time does not depend on the number of records, for `sweep` is left out.
        """
        self.location = folder_checks.real_folder(self.location)
        identity = folder_checks.folder_identity(self.location)
        if identity is None:
            return False
        found = self._read_secret()
        if found is None:
            self._check_no_records()
            return False
        self._reads.clear()
        # Replaced whole and never unset: other threads may be using the one before.
        secret, status = found
        self._opened = _Opened(identity, _signature(status), secret)
        return True

    def make(self) -> None:
        """Open the folder. A missing one is made, and a missing secret in an empty one."""
        if self.is_open():
            return
        self.location = folder_checks.real_folder(self.location)
        folder_checks.make_folder(self.location)
        if self.open():
            return
        path = self._path_of(SECRET_NAME)
        with lock.hold_blocking(lock.lock_of(path), timeout=_PATIENCE):
            if self._read_secret() is None:
                atomic_write.replace_file(path, os.urandom(_SECRET_SIZE))
        if not self.open():
            message = f"The folder {self.location} was removed while it was being made."
            raise StoreUnavailableError(message)

    def _read_secret(self) -> tuple[bytes, os.stat_result] | None:
        path = self._path_of(SECRET_NAME)
        with contextlib.suppress(SessionFileCorruptError):  # too large
            found = file_checks.read_file(path, _SECRET_SIZE)
            if found is None or len(found[0]) == _SECRET_SIZE:
                return found
        message = f"{path} is damaged, so no session of this folder can be found."
        raise StoreUnavailableError(message, recovery_suggestion=_advice_without_secret(path))

    def _check_no_records(self) -> None:
        """Raise if there are records, whose file names are unknown without the secret."""
        if self.has_records():
            path = self._path_of(SECRET_NAME)
            message = f"{path} is missing, so no session of this folder can be found."
            raise StoreUnavailableError(message, recovery_suggestion=_advice_without_secret(path))

    def faults(self) -> list[StoreError]:
        """Return why the folder or a file in it would be refused. Changes nothing."""
        try:
            path = folder_checks.real_folder(self.location)
            faults = folder_checks.folder_faults(path)
            files = file_checks.listed(path, "") if os.path.isdir(path) else []
        except StoreError as error:
            return [error.with_traceback(None)]
        own = [entry.path for entry in files if entry.name.endswith(_OWN_SUFFIXES)]
        return faults + file_checks.faults_of(file_checks.check_unopened, own)

    # Records

    def file_of(self, name: str) -> str:
        """Return the file of a record's name."""
        if self._opened is None:
            message = f"The folder {self.location} is not open."
            raise StoreUnavailableError(message)
        digest = hmac.digest(self._opened.secret, name.encode(), "sha256").hex()
        return self._path_of(digest[:32] + self._suffix)

    def read(self, name: str) -> StoredBytes | None:
        """Return a record; an unchanged file costs one `lstat`."""
        known = self._reads.get(name)
        if known is not None and known.signature == _signature_at(known.path):
            return known.stored
        self._reads.drop(name)
        path = self.file_of(name)
        began = time.time_ns()
        found = file_checks.read_file(path, self._limit)
        if found is None:
            return None
        data, status = found
        stored = StoredBytes(_version(data), data)
        if max(status.st_mtime_ns, status.st_ctime_ns) < began - _YOUNG_NS:
            self._reads.put(name, _CachedRead(path, _signature(status), stored))
        return stored

    def records(self) -> Iterator[bytes]:
        """Yield the bytes of every record; a file too large to be one is left out."""
        for entry in file_checks.listed(self.location, self._suffix):
            try:
                found = file_checks.read_file(entry.path, self._limit)
            except SessionFileCorruptError:
                continue
            if found is not None:
                yield found[0]

    def has(self, path: str) -> bool:
        """Tell whether a record's file exists."""
        return os.path.lexists(path)

    def has_records(self) -> bool:
        """Tell whether there is a record of any name."""
        endings = RECORD_SUFFIX, EXPIRING_SUFFIX
        return any(file_checks.listed(self.location, ending) for ending in endings)

    # Writing

    def replace(self, name: str, data: bytes) -> str:
        """Write a record whole; return its version."""
        atomic_write.replace_file(self.file_of(name), data)
        return _version(data)

    def set_aside(self, name: str) -> str:
        """Rename a record to `.corrupt`, over the one before; return that path."""
        path = self.file_of(name)
        self._reads.drop(name)
        aside = removal.aside_of(path)
        atomic_write.move_file(path, aside)
        return aside

    def remove(self, name: str) -> None:
        """Remove a record, and what was set aside."""
        self._reads.drop(name)
        removal.remove_record(self.file_of(name))

    def remove_set_aside(self, name: str) -> None:
        """Remove what was set aside under a name."""
        aside = removal.aside_of(self.file_of(name))
        if os.path.lexists(aside):
            atomic_write.remove_files(aside)

    def try_writing(self) -> None:
        """Write more than most records have, and remove it: this finds a full disk."""
        atomic_write.try_writing(self._path_of("trial"), _TRIAL_SIZE)

    def sweep(self) -> None:
        """Remove the files of dead processes and records past their `keep`, once an hour.

        Old records are found by the time of their file, so the process need not have read them.
        """
        now = time.monotonic()
        if now < self._sweep_from:
            return
        self._sweep_from = now + _SWEEP_PAUSE
        removal.remove_abandoned(self.location)
        if self._keep is not None:
            removal.remove_old_records(self.location, EXPIRING_SUFFIX, life=self._keep)

    def _path_of(self, name: str) -> str:
        return os.path.join(self.location, name)


def _advice_without_secret(path: str) -> str:
    return f"Restore {path}, or remove the folder {os.path.dirname(path)} and federate again."


def _version(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _signature(status: os.stat_result) -> Signature:
    times = status.st_mtime_ns, status.st_ctime_ns
    return status.st_dev, status.st_ino, *times, status.st_size


def _signature_at(path: str) -> Signature | None:
    try:
        return _signature(os.lstat(path))
    except OSError:
        return None  # the read that follows raises what is wrong
