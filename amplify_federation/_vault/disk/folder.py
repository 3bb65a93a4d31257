"""One folder of records: what is kept under which file name, read, replaced and set aside.

    names.secret       32 random bytes, made once; the file name of a record is an HMAC under them,
                       so that a listing tells neither pools nor sessions
    master.key         the default key, where no other is given; see `keys.file`
    <digest>.session   a record
    <file>.corrupt     the last content of a record that could not be read
    <file>.*.tmp       a file being written; one left by a dead process goes at the next start
    <file>.lock        held over one write
    <file>.lease       held over a renewal

This file must not know what the bytes mean. Its functions block.
"""

import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from attrs import field, frozen

from amplify_federation._vault.disk import directories, files, lock, writing
from amplify_federation._vault.recent import Recent
from amplify_federation.errors import SessionFileCorruptError, StoreUnavailableError

SECRET_NAME: Final = "names.secret"
RECORD_SUFFIX: Final = ".session"
_SECRET_SIZE: Final = 32
_PATIENCE: Final = 5.0  # seconds to wait for another process that makes the secret
# A file changed twice within one tick of the file system's clock looks the same twice. So, like
# git with its index, believe a status only if the file was not young when it was read. Two seconds
# is the coarsest clock among file systems (FAT).
_YOUNG_NS: Final = 2_000_000_000

Signature = tuple[int, int, int, int, int]


@frozen
class Kept:
    """A record's bytes. Equal versions of one name mean equal bytes: it is their digest."""

    version: str
    data: bytes = field(repr=False)


@frozen
class _Read:
    """A record as it was read, and what its file looked like then."""

    path: Path
    signature: Signature
    kept: Kept


@frozen
class _Opened:
    """The folder as it was found: which one it is, and its secret."""

    identity: tuple[int, int]
    secret: bytes = field(repr=False)


class Folder:
    """The files of one folder. Constructing does no I/O; may be used from any thread."""

    def __init__(self, path: Path, *, limit: int) -> None:
        self.path = path
        self._limit = limit
        self._opened: _Opened | None = None
        self._reads: Recent[_Read] = Recent()

    @property
    def was_opened(self) -> bool:
        """Whether the folder was found once."""
        return self._opened is not None

    def is_open(self) -> bool:
        """Whether the folder was found, and still stands there, safe."""
        opened = self._opened
        return opened is not None and directories.folder_identity(self.path) == opened.identity

    def open(self) -> bool:
        """Find and check the folder, and collect what dead processes left. `False`: none yet."""
        self.path = directories.real_folder(self.path)
        identity = directories.folder_identity(self.path)
        if identity is None:
            return False
        self._sweep()
        secret = self._read_secret()
        if secret is None:
            return False
        self._reads.clear()
        # Set whole and never unset: other threads are at work with the one before.
        self._opened = _Opened(identity, secret)
        return True

    def make(self) -> None:
        """Open the folder, made with its secret if need be."""
        if self.is_open():
            return
        self.path = directories.real_folder(self.path)
        directories.make_folder(self.path)
        if self.open():
            return
        path = self.path / SECRET_NAME
        with lock.hold_blocking(lock.lock_of(path), timeout=_PATIENCE):
            if self._read_secret() is None:
                writing.replace_file(path, secrets.token_bytes(_SECRET_SIZE))
        if not self.open():
            message = f"The folder {self.path} was removed while it was being made."
            raise StoreUnavailableError(message)

    def file_of(self, name: str) -> Path:
        """Return the file of a record's name."""
        if self._opened is None:
            message = f"The folder {self.path} is not open."
            raise StoreUnavailableError(message)
        digest = hmac.new(self._opened.secret, name.encode(), hashlib.sha256).hexdigest()
        return self.path / (digest[:32] + RECORD_SUFFIX)

    def read(self, name: str) -> Kept | None:
        """Return a record; a stat is all it takes while the file stays as it was."""
        known = self._reads.get(name)
        if known is not None and known.signature == _signature_at(known.path):
            return known.kept
        self._reads.drop(name)
        path = self.file_of(name)
        began = time.time_ns()
        found = files.read_file(path, self._limit)
        if found is None:
            return None
        data, status = found
        kept = Kept(hashlib.sha256(data).hexdigest(), data)
        if max(status.st_mtime_ns, status.st_ctime_ns) < began - _YOUNG_NS:
            self._reads.put(name, _Read(path, _signature(status), kept))
        return kept

    def replace(self, name: str, data: bytes) -> str:
        """Write a record whole; return its version."""
        writing.replace_file(self.file_of(name), data)
        return hashlib.sha256(data).hexdigest()

    def set_aside(self, name: str) -> Path:
        """Rename a record to `.corrupt`, over the one before; return that path."""
        path = self.file_of(name)
        self._reads.drop(name)
        aside = _beside(path, ".corrupt")
        writing.move_file(path, aside)
        return aside

    def remove(self, name: str) -> None:
        """Remove a record, and what was set aside."""
        path = self.file_of(name)
        self._reads.drop(name)
        writing.remove_files(path, _beside(path, ".corrupt"))

    def records(self) -> Iterator[bytes]:
        """Yield the bytes of every record; one too large to be a record is passed over."""
        for path in files.listed(self.path, RECORD_SUFFIX):
            try:
                found = files.read_file(path, self._limit)
            except SessionFileCorruptError:
                continue
            if found is not None:
                yield found[0]

    def _read_secret(self) -> bytes | None:
        path = self.path / SECRET_NAME
        try:
            found = files.read_file(path, _SECRET_SIZE)
        except SessionFileCorruptError:
            found = None
            size = -1
        else:
            if found is None:
                return None
            size = len(found[0])
        if found is None or size != _SECRET_SIZE:
            message = f"{path} is damaged, so no session of this folder can be found."
            advice = f"Restore {path}, or remove the folder and federate again."
            raise StoreUnavailableError(message, recovery_suggestion=advice)
        return found[0]

    def _sweep(self) -> None:
        """Remove the temporaries of dead processes: those whose lock nobody holds."""
        for temp in files.listed(self.path, writing.TEMP_SUFFIX):
            target = temp.name.rsplit(".", 2)[0]
            held = lock.try_lock(lock.lock_of(temp.with_name(target)))
            if held is not None:
                try:
                    writing.remove_files(temp)
                finally:
                    held.release()


def lease_of(path: Path) -> Path:
    """Return the lease file of a record's file."""
    return _beside(path, ".lease")


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _signature(status: os.stat_result) -> Signature:
    return (
        status.st_dev,
        status.st_ino,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_size,
    )


def _signature_at(path: Path) -> Signature | None:
    try:
        return _signature(os.lstat(path))
    except OSError:
        return None  # the read that follows says what is wrong
