"""A key in the operating system's keyring (extra `keyring`).

Only the key is stored there, never a session: keyrings are slow, small and often locked. A keyring
may ask the user, or wait for a bus that does not answer, so it runs in a worker thread with a
deadline.
"""

import os
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any, Final, TypeVar

import anyio

from amplify_federation._async.worker_thread import in_store_thread
from amplify_federation._crypto.kdf import NO_DERIVATION, Derivation
from amplify_federation._crypto.key_files import read_or_make
from amplify_federation._crypto.keys import (
    MasterKey,
    SealingKey,
    key_as_text,
    key_from_text,
)
from amplify_federation._files import folder_checks
from amplify_federation.errors import (
    AuthError,
    ConfigurationError,
    SessionKeyError,
    StoreUnavailableError,
)

T = TypeVar("T")
_SERVICE: Final = "amplify_federation"


class KeyringKey:
    """A key kept by the operating system's keyring, made there when a first session is sealed.

    Needs `pip install 'amplify-federation[keyring]'`.

    Args:
        name: the entry in the keyring; two names are two keys.
        timeout: seconds that the keyring may take, including what it asks the user.

    The store raises `StoreUnavailableError` when the time is over, `ConfigurationError` if there is
    no keyring, and `SessionKeyError` if it refuses or lost the key.
    """

    def __init__(self, name: str = "master-key", *, timeout: float = 30.0) -> None:
        self._name = name
        self._timeout = timeout
        self._key: MasterKey | None = None

    def __repr__(self) -> str:
        return f"<KeyringKey {self._name}>"

    async def sealing_key(self) -> SealingKey:
        """Return the key, made if there is none; see `KeySource`."""
        if self._key is None:
            self._key = await self._ask(_made)
        return SealingKey(self._key)

    async def opening_keys(self, derivation: Derivation) -> Sequence[MasterKey]:
        """Return the key; see `KeySource`."""
        if derivation != NO_DERIVATION:
            return ()
        if self._key is None:
            self._key = await self._ask(_read)
        if self._key is None:
            message = f"The keyring has no key {self._name!r} of {_SERVICE}."
            raise SessionKeyError(message)
        return (self._key,)

    async def _ask(self, question: Callable[[str], T]) -> T:
        with anyio.move_on_after(self._timeout):
            return await in_store_thread(partial(question, self._name), abandon_on_cancel=True)
        message = f"The keyring did not answer within {self._timeout:g} s."
        raise StoreUnavailableError(message)


def _read(name: str) -> MasterKey | None:
    def ask(keyring: Any) -> MasterKey | None:  # noqa: ANN401 - a module
        text = keyring.get_password(_SERVICE, name)
        return None if text is None else MasterKey(text.encode())

    text = _guarded(ask)
    if text is None:
        return None
    key = key_from_text(text)
    if key is None:
        message = f"The entry {name!r} of {_SERVICE} in the keyring is no key."
        raise ConfigurationError(message)
    return key


def _made(name: str) -> MasterKey:
    """Read the key, or make it, once for all processes of this user."""
    return read_or_make(partial(_read, name), partial(_write, name), lock_path=_lock_path)


def _write(name: str, key: MasterKey) -> None:
    _guarded(
        lambda keyring: keyring.set_password(_SERVICE, name, key_as_text(key).decode().strip())
    )
    if _read(name) != key:  # some keyrings accept every entry and store none
        message = "The keyring did not give back the key that it was given."
        raise SessionKeyError(message)


def _lock_path() -> str:
    """Return the lock file for making the key. A keyring has no lock of its own."""
    from platformdirs import user_state_dir  # noqa: PLC0415 - 8 % of a restart, and for a new key alone

    folder = folder_checks.real_folder(user_state_dir(_SERVICE, appauthor=False))
    folder_checks.make_folder(folder)
    folder_checks.folder_identity(folder)
    return os.path.join(folder, "keyring.lock")  # noqa: PTH118 - as in `_files`


def _guarded(question: Callable[[Any], T]) -> T:
    keyring = _loaded()
    failure: AuthError
    try:
        return question(keyring)
    except keyring.errors.NoKeyringError:
        failure = ConfigurationError("This machine has no keyring that can be used.")
    except keyring.errors.KeyringError as error:
        failure = SessionKeyError(f"The keyring refused: {type(error).__name__}.")
    except Exception as error:  # noqa: BLE001 - backends raise what their bus or library raises
        failure = StoreUnavailableError(f"The keyring failed: {type(error).__name__}.")
    try:
        raise failure
    finally:
        del failure  # a frame and the exception in it would keep each other alive


def _loaded() -> Any:  # noqa: ANN401 - a module
    try:
        return import_module("keyring")  # an extra, and slow to load
    except ImportError:
        message = "A KeyringKey needs: pip install 'amplify-federation[keyring]'"
    raise ConfigurationError(message)
