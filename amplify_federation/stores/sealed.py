"""Sealed: encrypts the records of any store, which never sees plaintext.

This file owns the rotation of keys, and what happens to a record that cannot be opened.
"""

import logging
import os
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from typing import Final, Protocol, runtime_checkable

from amplify_federation._async.lru_cache import LruCache
from amplify_federation._crypto.envelope import (
    SALT_SIZE,
    open_header,
    open_label,
    open_record,
    seal,
)
from amplify_federation._crypto.keys import KeySource, MasterKey, as_key_source, redacted_key
from amplify_federation.errors import (
    SessionFileCorruptError,
    SessionFormatTooNewError,
    SessionKeyError,
    StoreConflictError,
)
from amplify_federation.stores.protocol import (
    ChecksWriting,
    DiscardsSetAside,
    Record,
    SessionStore,
)

_logger = logging.getLogger("amplify_federation")
_TRIES: Final = 5  # to seal a session anew that other processes write at the same time


@runtime_checkable
class SetsAside(Protocol):
    """A backend that can keep a damaged record for inspection."""

    async def set_aside(self, name: str, *, expected: str) -> str | None:
        """Move the record away if its version is `expected`; return its new place, for the log."""
        ...


class Sealed:
    """Encrypts every record that is written to a backend, and decrypts it when it is read.

    A record that is damaged, or was moved from another name, is logged once and counts as absent. A
    backend with `set_aside` moves it away; in another the next write replaces it.

    Args:
        backend: stores the sealed bytes.
        key: 32 bytes, or one of `KeyFile`, `EnvironmentKey`, `PassphraseKey`, `KeyringKey`,
            `KeyRing`.

    Raises:
        ConfigurationError: the key is malformed.
    """

    def __init__(self, backend: SessionStore, *, key: bytes | KeySource | MasterKey) -> None:
        self._backend = backend
        given = redacted_key(key)
        del key  # no frame of a traceback may hold it
        self._keys = as_key_source(given)
        self._opened: LruCache[Record] = LruCache()
        self._damaged: LruCache[str] = LruCache()  # versions that count as absent

    def __repr__(self) -> str:
        return f"<Sealed {self._backend!r}>"

    async def read(self, name: str) -> Record | None:
        """Return the record, opened, or `None`; see `SessionStore`.

        Raises:
            SessionKeyError: the key is missing, or did not seal this record.
            SessionFormatTooNewError: a newer version of this package wrote it.
        """
        sealed = await self._backend.read(name)
        if sealed is None:
            self._opened.drop(name)
            return None
        known = self._opened.get(name)
        if known is not None and known.version == sealed.version:
            return known
        if self._damaged.get(name) == sealed.version:
            return None
        record = await self._open(name, sealed)
        if isinstance(record, Record):
            self._opened.put(name, record)
            return record
        await self._set_aside(name, sealed.version, record)
        return None

    async def compare_and_set(self, name: str, data: bytes, *, expected: str | None) -> str:
        """Seal the record and write it if its version is `expected`; see `SessionStore`."""
        plain = Record("", data)
        del data  # no frame of a traceback may hold it
        key = await self._keys.sealing_key()
        salt = os.urandom(SALT_SIZE)
        sealed = seal(plain.data, name=name, key=key, salt=salt)
        if expected is None:
            expected = self._damaged.get(name)
        version = await self._backend.compare_and_set(name, sealed, expected=expected)
        self._damaged.drop(name)
        self._opened.put(name, Record(version, plain.data))
        return version

    async def delete(self, name: str, *, expected: str | None) -> None:
        """Delete the record if its version is `expected`; see `SessionStore`."""
        await self._backend.delete(name, expected=expected)
        self._damaged.drop(name)
        self._opened.drop(name)

    async def discard_set_aside(self, name: str) -> None:
        """Delete what was set aside under a name; see `DiscardsSetAside`."""
        if isinstance(self._backend, DiscardsSetAside):
            await self._backend.discard_set_aside(name)

    async def check_writable(self) -> None:
        """Raise what a write would raise: there is no key, or no room. See `ChecksWriting`."""
        key = await self._keys.sealing_key()
        seal(b"", name="trial", key=key, salt=bytes(SALT_SIZE))  # imports what sealing needs
        if isinstance(self._backend, ChecksWriting):
            await self._backend.check_writable()

    def lock(self, name: str, *, timeout: float) -> AbstractAsyncContextManager[None]:
        """Hold a lease on a name; see `SessionStore`."""
        return self._backend.lock(name, timeout=timeout)

    async def reseal(self, name: str) -> bool:
        """Seal a record anew, with the first key of a `KeyRing`. `False` if there is none.

        Raises `StoreConflictError` if it was written in between, and what `read` raises.
        """
        record = await self.read(name)
        if record is not None:
            await self.compare_and_set(name, record.data, expected=record.version)
        return record is not None

    async def label_of(self, record: bytes) -> str | None:
        """Return the name under which a record was sealed; `None` if no key opens it.

        Args:
            record: the bytes that the backend stores.
        """
        try:
            keys = await self._keys.opening_keys(open_header(record).derivation)
            return open_label(record, keys=keys)
        except (SessionFileCorruptError, SessionFormatTooNewError, SessionKeyError):
            return None

    async def reseal_each(self, records: AsyncGenerator[bytes]) -> int:
        """Seal records anew, given as the backend stores them; return how many.

        A damaged record is left out: it is set aside when it is read under its name.

        Raises:
            SessionKeyError: no key given opens some of the records. The others are done.
            StoreConflictError: other processes wrote a record at each of 5 tries.
        """
        done = unopened = 0
        async with aclosing(records):
            async for record in records:
                try:
                    keys = await self._keys.opening_keys(open_header(record).derivation)
                    name = open_label(record, keys=keys)
                except SessionFileCorruptError:
                    continue
                except SessionKeyError:
                    unopened += 1
                    continue
                done += await self._reseal_among_others(name)
        if unopened:
            message = f"{done} sessions were sealed anew; no key given opens {unopened} others."
            raise SessionKeyError(message)
        return done

    async def _reseal_among_others(self, name: str) -> bool:
        for _ in range(_TRIES - 1):
            with suppress(StoreConflictError):
                return await self.reseal(name)
        return await self.reseal(name)

    async def _open(self, name: str, sealed: Record) -> Record | str:
        try:
            header = open_header(sealed.data)
            keys = await self._keys.opening_keys(header.derivation)
            payload = open_record(sealed.data, name=name, keys=keys, header=header)
        except SessionFileCorruptError as error:
            return error.message
        return Record(sealed.version, payload)

    async def _set_aside(self, name: str, version: str, reason: str) -> None:
        where = None
        if isinstance(self._backend, SetsAside):
            where = await self._backend.set_aside(name, expected=version)
        else:
            self._damaged.put(name, version)
        _logger.warning(
            "A stored session is damaged and counts as signed out. %s",
            reason,
            extra={"event": "session_set_aside", "set_aside_as": where},
        )
