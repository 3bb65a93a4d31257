"""Keys in files and in the environment: base64 of 32 bytes.

A key is read on the event loop, which is quicker than the way to a thread and back, and made in a
worker thread.
"""

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from amplify_federation._async.worker_thread import in_store_thread
from amplify_federation._crypto.kdf import NO_DERIVATION, Derivation
from amplify_federation._crypto.keys import (
    KEY_SIZE,
    MasterKey,
    SealingKey,
    key_as_text,
    key_from_text,
)
from amplify_federation._files import atomic_write, file_checks, lock
from amplify_federation._files.file_checks import AnyPath
from amplify_federation.errors import (
    ConfigurationError,
    SessionFileCorruptError,
    SessionKeyError,
    StoreError,
)

if TYPE_CHECKING:
    from pathlib import Path

KEY_VARIABLE: Final = "AMPLIFY_FEDERATION_KEY"
KEY_FILE_VARIABLE: Final = "AMPLIFY_FEDERATION_KEY_FILE"
_HOW_TO_MAKE: Final = (
    f"Make a key once, keep it where secrets are kept, and set {KEY_VARIABLE} to it: "
    "`openssl rand -base64 32`, or `python -c 'import base64, os; "
    "print(base64.b64encode(os.urandom(32)).decode())'`."
)
_LARGEST_KEY_FILE: Final = 1024  # bytes; a key is 44 and a newline
_PATIENCE: Final = 5.0  # seconds to wait for another process that makes the key


class KeyFile:
    """A key in a file: 32 bytes in base64. It is read at first use and then remembered.

    The path may be a link, as of a mounted secret. The file must be a regular one of this user or
    root that no other user can write. Its mode may let other users read it only in a folder that is
    closed to them or root's: Kubernetes, Docker and systemd mount secrets like this.

    Args:
        path: the file.
        create: whether a missing file is made, with a random key, when the first session is
            sealed. Processes that begin at once make one key. The file is 0600 and must be no link.
    """

    def __init__(self, path: str | os.PathLike[str], *, create: bool = False) -> None:
        self._location = _expanded(path)
        self._create = create
        self._key: MasterKey | None = None

    def __repr__(self) -> str:
        return f"<KeyFile {self._location}>"

    @property
    def is_read(self) -> bool:
        """Whether the key was read."""
        return self._key is not None

    @property
    def location(self) -> str:
        """The file's path as text."""
        return self._location

    @property
    def path(self) -> "Path":
        """The file."""
        from pathlib import Path  # noqa: PLC0415 - 3 % of a restart, which uses text alone

        return Path(self._location)

    async def sealing_key(self) -> SealingKey:
        """Return the key; it is made if there is none and `create` was given. See `KeySource`."""
        if self._key is None:
            self._key = self._read()
        if self._key is None and self._create:
            self._key = await in_store_thread(partial(made_key, self._location))
        return SealingKey(self._found(self._key))

    async def opening_keys(self, derivation: Derivation) -> Sequence[MasterKey]:
        """Return the key; see `KeySource`."""
        if derivation != NO_DERIVATION:
            return ()
        if self._key is None:
            self._key = self._read()
        return (self._found(self._key),)

    def _read(self) -> MasterKey | None:
        return read_key(self._location, mounted=not self._create)

    def _found(self, key: MasterKey | None) -> MasterKey:
        if key is None:
            message = f"There is no key file {self._location}."
            raise SessionKeyError(message)
        return key


class EnvironmentKey:
    """The key in `AMPLIFY_FEDERATION_KEY`, or in the file `AMPLIFY_FEDERATION_KEY_FILE` names.

    Either is 32 bytes in base64, and read at first use. `ConfigurationError` if both variables are
    set, or none, or one holds no key.
    """

    def __init__(self) -> None:
        self._key: MasterKey | None = None

    def __repr__(self) -> str:
        return "<EnvironmentKey>"

    @staticmethod
    def is_set() -> bool:
        """Whether a variable is set, even to nothing."""
        return any(name in os.environ for name in (KEY_VARIABLE, KEY_FILE_VARIABLE))

    async def sealing_key(self) -> SealingKey:
        """Return the key; see `KeySource`."""
        if self._key is None:
            self._key = _environment_key()
        return SealingKey(self._key)

    async def opening_keys(self, derivation: Derivation) -> Sequence[MasterKey]:
        """Return the key; see `KeySource`."""
        key = await self.sealing_key()
        return (key.master,) if derivation == key.derivation else ()


def _environment_key() -> MasterKey:
    given = [name for name in (KEY_VARIABLE, KEY_FILE_VARIABLE) if name in os.environ]
    if len(given) > 1:
        message = f"Both {KEY_VARIABLE} and {KEY_FILE_VARIABLE} are set; unset one of them."
        raise ConfigurationError(message)
    if not given:
        message = f"Neither {KEY_VARIABLE} nor {KEY_FILE_VARIABLE} is set."
        raise ConfigurationError(message, recovery_suggestion=_HOW_TO_MAKE)
    if not os.environ[given[0]]:
        message = f"{given[0]} is set, but empty."
        raise ConfigurationError(message, recovery_suggestion=f"Unset it, or: {_HOW_TO_MAKE}")
    if given == [KEY_FILE_VARIABLE]:
        return _named_key(_expanded(os.environ[KEY_FILE_VARIABLE]))
    key = key_from_text(MasterKey(os.environ[KEY_VARIABLE].encode(errors="surrogateescape")))
    if key is None:
        message = f"{KEY_VARIABLE} is set, but is not {KEY_SIZE} bytes in base64."
        raise ConfigurationError(message, recovery_suggestion=_HOW_TO_MAKE)
    return key


def _expanded(path: str | os.PathLike[str]) -> str:
    return os.path.expanduser(path)  # noqa: PTH111 - pathlib's raises where there is no home


def _named_key(path: str) -> MasterKey:
    key = read_key(path, mounted=True)
    if key is None:
        message = f"{KEY_FILE_VARIABLE} names {path}, which does not exist."
        raise ConfigurationError(message)
    return key


def read_key(path: AnyPath, *, mounted: bool = False) -> MasterKey | None:
    """Read a key file; `None` if there is none, `ConfigurationError` if it holds no key.

    `mounted`: the rules of `KeyFile` for mounted secrets apply.
    """
    text = _key_text(path, mounted=mounted)
    if text is None:
        return None
    key = key_from_text(text)
    if key is None:
        message = f"The key file {path} must hold {KEY_SIZE} bytes in base64, and nothing else."
        raise ConfigurationError(message)
    return key


def _key_text(path: AnyPath, *, mounted: bool) -> MasterKey | None:
    read = file_checks.read_mounted if mounted else file_checks.read_file
    try:
        found = read(path, _LARGEST_KEY_FILE)
    except SessionFileCorruptError:  # too large
        return MasterKey(b"")
    return None if found is None else MasterKey(found[0])


def made_key(path: AnyPath) -> MasterKey:
    """Read a key file, or make it with a random key, once for all processes."""
    return read_or_make(
        partial(read_key, path), partial(_written, path), lock_path=lambda: lock.lock_of(path)
    )


def read_or_make(
    read: Callable[[], MasterKey | None],
    write: Callable[[MasterKey], StoreError | None],
    *,
    lock_path: Callable[[], str],
) -> MasterKey:
    """Return the key, or make a random one under a lock. Blocks.

    `write` returns an error without a traceback where the frames of that would hold the key. Raises
    `StoreLockedError` if another process takes more than 5 s to make the key.
    """
    if (key := read()) is not None:
        return key
    with lock.hold_blocking(lock_path(), timeout=_PATIENCE):
        if (key := read()) is not None:  # another process made it meanwhile
            return key
        key = MasterKey(os.urandom(KEY_SIZE))
        failure = write(key)
    if failure is not None:
        raise failure
    return key


def _written(path: AnyPath, key: MasterKey) -> StoreError | None:
    try:
        atomic_write.replace_file(path, key_as_text(key))
    except StoreError as error:
        return error.with_traceback(None)  # its frames hold the key
    return None
