"""A key derived from a passphrase.

The derivation takes a tenth of a second and 64 MiB on purpose, so it runs in a worker thread, once
for each salt.
"""

import os
from collections.abc import Sequence
from functools import partial
from threading import Lock
from typing import Final

from amplify_federation._async.lru_cache import LruCache
from amplify_federation._async.worker_thread import in_store_thread
from amplify_federation._crypto.kdf import (
    ARGON2ID,
    SALT_SIZE,
    SCRYPT,
    Derivation,
    KeyFunction,
)
from amplify_federation._crypto.keys import KEY_SIZE, MasterKey, SealingKey
from amplify_federation.errors import ConfigurationError, SessionKeyError

_CACHED: Final = 16  # derived keys; a folder has one salt, a rotation or a merger some more


class PassphraseKey:
    """A key derived from a passphrase: Argon2id (3 rounds, 64 MiB, 4 lanes), else Scrypt.

    The salt and the parameters are in each record. A new record takes the salt of the first one
    that was opened, so that a process derives once.

    Args:
        passphrase: any text but the empty one. The encryption is as strong as this.

    Raises:
        ConfigurationError: the passphrase is empty or no text.
    """

    def __init__(self, passphrase: str) -> None:
        if not isinstance(passphrase, str) or not passphrase:  # pyright: ignore[reportUnnecessaryIsInstance] - callers may not be typed
            del passphrase
            message = "A passphrase must be a non-empty string."
            raise ConfigurationError(message)
        self._passphrase = MasterKey(passphrase.encode(errors="surrogatepass"))
        self._preferred = ARGON2ID
        self._sealing: Derivation | None = None
        self._derived: LruCache[MasterKey] = LruCache(_CACHED)
        self._lock = Lock()
        self._lock_owner = os.getpid()

    def __repr__(self) -> str:
        return "<PassphraseKey>"

    async def sealing_key(self) -> SealingKey:
        """Return the key, derived if it was not yet; see `KeySource`."""
        if self._sealing is None:
            if not await in_store_thread(partial(is_available, self._preferred)):
                self._preferred = SCRYPT
            self._sealing = self._preferred.salted(os.urandom(SALT_SIZE))
        return SealingKey(await self._key(self._sealing), self._sealing)

    async def opening_keys(self, derivation: Derivation) -> Sequence[MasterKey]:
        """Return the key for a record's derivation; see `KeySource`."""
        if derivation.function is KeyFunction.NONE or not derivation.is_sane:
            return ()
        key = await self._key(derivation)
        if self._sealing is None and derivation.salted(bytes(SALT_SIZE)) == self._preferred:
            self._sealing = derivation
        return (key,)

    async def _key(self, derivation: Derivation) -> MasterKey:
        known = self._derived.get(derivation.pack().hex())
        if known is not None:
            return known
        return await in_store_thread(partial(self._derive_once, derivation))

    def _derive_once(self, derivation: Derivation) -> MasterKey:
        name = derivation.pack().hex()
        with self._one_at_a_time():  # each takes 64 MiB
            known = self._derived.get(name)
            if known is None:
                known = derive(self._passphrase, derivation)
                self._derived.put(name, known)
        return known

    def _one_at_a_time(self) -> Lock:
        if self._lock_owner != os.getpid():  # forked, perhaps while a thread held it
            self._lock, self._lock_owner = Lock(), os.getpid()
        return self._lock


def derive(passphrase: MasterKey, derivation: Derivation) -> MasterKey:
    """Derive a key. Blocks for a tenth of a second or so.

    Raises `SessionKeyError` if this machine lacks the function.
    """
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - see `envelope`

    run = _scrypt if derivation.function is KeyFunction.SCRYPT else _argon2id
    try:
        return run(passphrase, derivation)
    except (UnsupportedAlgorithm, ImportError):
        message = f"The cryptography package of this machine lacks {derivation.function.name}."
    raise SessionKeyError(message)


def is_available(derivation: Derivation) -> bool:
    """Whether this machine has the function (Argon2id came with OpenSSL 3.2)."""
    try:
        derive(MasterKey(bytes(1)), Derivation(derivation.function, (1, 8, 1), bytes(SALT_SIZE)))
    except SessionKeyError:
        return False
    return True


def _argon2id(passphrase: MasterKey, derivation: Derivation) -> MasterKey:
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id  # noqa: PLC0415 - see `envelope`

    rounds, memory, lanes = derivation.parameters
    function = Argon2id(
        salt=derivation.salt,
        length=KEY_SIZE,
        iterations=rounds,
        lanes=lanes,
        memory_cost=memory,
    )
    return MasterKey(function.derive(passphrase.reveal()))


def _scrypt(passphrase: MasterKey, derivation: Derivation) -> MasterKey:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt  # noqa: PLC0415 - see `envelope`

    log2_n, block, parallel = derivation.parameters
    function = Scrypt(salt=derivation.salt, length=KEY_SIZE, n=1 << log2_n, r=block, p=parallel)
    return MasterKey(function.derive(passphrase.reveal()))
