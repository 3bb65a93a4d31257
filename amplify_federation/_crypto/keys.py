"""Master keys, the protocol of their sources, and two sources: `RawKey` and `KeyRing`."""

import binascii
import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Final, NamedTuple, Never, Protocol, Self, cast

from amplify_federation._crypto.kdf import NO_DERIVATION, Derivation
from amplify_federation.errors import ConfigurationError, SessionKeyError

KEY_SIZE: Final = 32  # bytes; AES-256


class MasterKey:
    """Key bytes that no repr, format, `asdict` or pickle shows."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def reveal(self) -> bytes:
        """Return the bytes. Do not bind them to a local of a frame that may raise."""
        return self._key

    def part(self, start: int, end: int) -> "MasterKey":
        """Return some of the bytes, as a key."""
        return MasterKey(self._key[start:end])

    def __repr__(self) -> str:
        return "[secure]"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MasterKey):
            return NotImplemented
        return hmac.compare_digest(self._key, other._key)

    def __hash__(self) -> int:
        return hash(self._key)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> Never:
        message = "Keys are not pickled; hand over where the key is kept instead."
        raise TypeError(message)


class SealingKey(NamedTuple):
    """A master key, and how it came from a passphrase, if it did."""

    master: MasterKey
    derivation: Derivation = NO_DERIVATION


class KeySource(Protocol):
    """Gives keys. It is asked at each write and each read of a new record, and does the caching."""

    async def sealing_key(self) -> SealingKey:
        """Return the key that seals. A source may make it now, once for all processes.

        Raises `ConfigurationError` or `StoreError`.
        """
        ...

    async def opening_keys(self, derivation: Derivation) -> Sequence[MasterKey]:
        """Return the keys that may open a record with this derivation in its header, likely first.

        Makes no key. Raises `ConfigurationError` or `StoreError`; `SessionKeyError` if there is no
        key yet.
        """
        ...


class RawKey:
    """A key given as 32 bytes."""

    def __init__(self, key: bytes | MasterKey) -> None:
        given = key if isinstance(key, MasterKey) else MasterKey(key)
        del key  # no frame of a traceback may hold it
        self._key = SealingKey(checked_key(given))

    def __repr__(self) -> str:
        return "<RawKey>"

    async def sealing_key(self) -> SealingKey:
        """Return the key."""
        return self._key

    async def opening_keys(self, derivation: Derivation) -> Sequence[MasterKey]:
        """Return the key, unless the record was sealed under a passphrase."""
        return (self._key.master,) if derivation == self._key.derivation else ()


class KeyRing:
    """Several keys: the first seals, any opens. This is how a key is replaced.

    Give the new key first and the old ones after it, call `rotate()` of the store, and drop the
    old ones.

    Args:
        keys: 32 bytes each, or sources such as `KeyFile` and `PassphraseKey`.

    Raises:
        ConfigurationError: there is no key, or one is malformed.
    """

    def __init__(self, keys: Sequence[bytes | KeySource]) -> None:
        given = [redacted_key(key) for key in keys]
        del keys  # no frame of a traceback may hold them
        self._sources = tuple(as_key_source(key) for key in given)
        if not self._sources:
            message = "A KeyRing needs one key at least."
            raise ConfigurationError(message)

    def __repr__(self) -> str:
        return f"<KeyRing of {len(self._sources)} keys>"

    async def sealing_key(self) -> SealingKey:
        """Return the first key."""
        return await self._sources[0].sealing_key()

    async def opening_keys(self, derivation: Derivation) -> Sequence[MasterKey]:
        """Return the keys of all sources, in the order given; see `KeySource`.

        A source without a key is left out: a new key file is made when the first record is sealed,
        after the old ones were opened.
        """
        keys: list[MasterKey] = []
        missing: SessionKeyError | None = None
        for source in self._sources:
            try:
                keys += await source.opening_keys(derivation)
            except SessionKeyError as error:
                missing = error
        if missing is not None and not keys:
            raise missing
        return keys


def as_key_source(key: bytes | KeySource | MasterKey) -> KeySource:
    """Convert an explicit key: 32 bytes, or an object that gives keys.

    A caller of this package gives the result of `redacted_key`, for the traceback of an error holds
    the caller's frame, too.
    """
    given = redacted_key(key)
    del key
    if isinstance(given, MasterKey):
        return RawKey(given)
    if not hasattr(given, "sealing_key") or not hasattr(given, "opening_keys"):
        raise _no_key(type(given))
    return given


def redacted_key(key: bytes | KeySource | MasterKey) -> KeySource | MasterKey:
    """Wrap what may be key bytes, of any size or written as text; leave a source as it is."""
    if isinstance(key, bytearray):
        return MasterKey(bytes(key))
    return MasterKey(key) if isinstance(key, bytes | str) else key


def checked_key(key: MasterKey) -> MasterKey:
    """Return the key; any other size than 32 bytes is `ConfigurationError`, the bytes unshown."""
    kind = type(cast("object", key.reveal()))
    if kind is not bytes:
        raise _no_key(kind)
    size = len(key.reveal())
    if size != KEY_SIZE:
        message = f"A key must be {KEY_SIZE} bytes, not {size}."
        raise ConfigurationError(message)
    return key


def _no_key(kind: type) -> ConfigurationError:
    return ConfigurationError(
        "A key is 32 bytes or one of KeyFile, EnvironmentKey, PassphraseKey, KeyringKey, KeyRing, "
        f"not {kind.__name__}."
    )


def key_from_text(text: MasterKey) -> MasterKey | None:
    """Read a key in base64, of either alphabet; `None` if the text is no key."""
    try:
        standard = text.reveal().strip().translate(bytes.maketrans(b"-_", b"+/"))
        key = MasterKey(b64decode(standard, validate=True))
    except binascii.Error:
        return None
    return key if len(key.reveal()) == KEY_SIZE else None


def key_as_text(key: MasterKey) -> bytes:
    """Write a key in base64, with a newline."""
    return b64encode(key.reveal()) + b"\n"
