"""EncryptedFileStore: sealed sessions in a folder of this machine, shared by its processes.

This file owns which folder and which key are used where none is given.
"""

import os
from collections.abc import Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from amplify_federation._crypto.kdf import Derivation
from amplify_federation._crypto.key_files import EnvironmentKey, KeyFile
from amplify_federation._crypto.keys import KeySource, MasterKey, SealingKey, redacted_key
from amplify_federation._files.folder_checks import no_home
from amplify_federation.errors import ConfigurationError, SessionKeyError, StoreError
from amplify_federation.stores._file_records import FileRecords
from amplify_federation.stores.sealed import Sealed

if TYPE_CHECKING:
    from pathlib import Path

HOME_VARIABLE: Final = "AMPLIFY_FEDERATION_HOME"
KEY_NAME: Final = "master.key"
BEARERS_LIFE: Final = 86_400.0  # seconds


class EncryptedFileStore(Sealed):
    """Keeps sessions in encrypted files, one for each pool and session name.

    Many processes may use one folder. Constructing does no I/O. The folder and those above it must
    be writable by this user and root alone; in a container whose user is arbitrary, set
    `AMPLIFY_FEDERATION_TRUST_DIRECTORY=true`, and only the files are checked.

    Args:
        path: the folder; by default `AMPLIFY_FEDERATION_HOME`, else the platform's user state
            directory.
        key: 32 bytes, or one of `KeyFile`, `EnvironmentKey`, `PassphraseKey`, `KeyringKey`,
            `KeyRing`. By default the key in the environment (see `EnvironmentKey`), else a key
            file in the folder, made once. That file protects sessions from other users of the
            machine and where single files are copied, but not where the whole folder is read.

    Raises:
        ConfigurationError: the key is malformed, or the path can be no path.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None = None, *, key: bytes | KeySource | None = None
    ) -> None:
        given = None if key is None else redacted_key(key)
        del key  # no frame of a traceback may hold it
        self._files = FileRecords(default_folder() if path is None else _checked_path(path))
        super().__init__(self._files, key=_DefaultKey(self._files) if given is None else given)

    def __repr__(self) -> str:
        return f"<EncryptedFileStore {self._files.location}>"

    @property
    def path(self) -> "Path":
        """The folder."""
        return self._files.path

    async def rotate(self) -> int:
        """Seal every session of the folder anew with the first key; return how many.

        Raises:
            SessionKeyError: no key given opens some of the sessions. The others are done.
            StoreConflictError: other processes wrote a session at each of 5 tries.
        """
        done = await self.reseal_each(self._files.records())
        bearers = FileRecords(self._files.location, keep=BEARERS_LIFE)
        return done + await Sealed(bearers, key=self._keys).reseal_each(bearers.records())

    async def names(self) -> list[str | None]:
        """Return the name of each session in the folder, sorted.

        A `FederatedAuth` stores its session as `<pool id>/<session name>`. `None` stands for a
        record that no given key opens, or that is damaged. Changes nothing.

        Raises:
            StoreError: the folder cannot be read.
        """
        async with aclosing(self._files.records()) as records:
            names = [await self.label_of(record) async for record in records]
        return sorted(names, key=lambda name: (name is None, name or ""))

    async def faults(self) -> list[StoreError]:
        """Return what keeps sessions from being stored here, each with what mends it.

        Looks at the folder, those above it, and the files of the store, and changes nothing. A
        folder that does not exist yet is no fault if it can be made.
        """
        return await self._files.faults()

    def keeping(self, seconds: float) -> Sealed:
        """Return a store in the same folder that removes a record `seconds` after its last write.

        Its records are apart from those of this store. `FederatedUsers` uses one for bearer tokens.
        """
        return Sealed(FileRecords(self._files.location, keep=seconds), key=self._keys)


class _DefaultKey:
    """The key in the environment, else a key file in the folder."""

    def __init__(self, store: FileRecords) -> None:
        self._store = store
        self._source: KeySource | None = None

    async def sealing_key(self) -> SealingKey:
        await self._store.make()
        source = self._chosen()
        if isinstance(source, KeyFile):
            self._check_no_records(source)
        return await source.sealing_key()

    async def opening_keys(self, derivation: Derivation) -> Sequence[MasterKey]:
        return await self._chosen().opening_keys(derivation)

    def _check_no_records(self, source: KeyFile) -> None:
        """Raise if there are sessions, which another key sealed, before a new key is made."""
        path = source.location
        if source.is_read or os.path.lexists(path) or not self._store.has_records():
            return
        message = f"The key file {path} is missing, and sessions that it sealed stand beside it."
        folder = os.path.dirname(path)  # noqa: PTH120 - see `file_checks.AnyPath`
        advice = f"Restore {path}, or give up these sessions: remove {folder}/*.session."
        raise SessionKeyError(message, recovery_suggestion=advice)

    def _chosen(self) -> KeySource:
        if self._source is None:
            path = os.path.join(self._store.location, KEY_NAME)  # noqa: PTH118 - see `file_checks.AnyPath`
            given = EnvironmentKey.is_set()
            self._source = EnvironmentKey() if given else KeyFile(path, create=True)
        return self._source


def _checked_path(path: str | os.PathLike[str]) -> str:
    given: object = os.fspath(path) if isinstance(path, str | os.PathLike) else None  # pyright: ignore[reportUnnecessaryIsInstance] - callers may not be typed
    if not isinstance(given, str) or "\0" in given or not given:
        message = "The path of a store must be a path, such as '~/.local/state/my-app'."
        raise ConfigurationError(message)
    return given


def default_folder() -> str:
    """Return the folder that is used where none is given."""
    if home := os.environ.get(HOME_VARIABLE):
        return home
    from platformdirs import user_state_dir  # noqa: PLC0415 - 8 % of a restart with a folder given

    if os.environ.get("HOME") == "" and not os.environ.get("XDG_STATE_HOME"):
        raise no_home()  # platformdirs returns a folder in the root directory
    try:
        folder = user_state_dir("amplify_federation", appauthor=False)
    except RuntimeError:  # of pathlib, for a uid without a passwd entry
        folder = ""
    if not os.path.isabs(folder):  # noqa: PTH117 - pathlib is not loaded here
        raise no_home()
    return folder
