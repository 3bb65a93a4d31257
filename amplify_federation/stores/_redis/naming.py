"""Naming: the keys of records are keyed digests of their names, so a listing tells nothing.

The digests' key is a random secret that all processes share. It lives in Redis too, sealed under
the master key, and not derived from that key: so a wrong master key is told as such, and a rotated
one still finds the records. A Redis that lost it (flushed, evicted) gets it back from the first
process that misses a record.
"""

import hashlib
import secrets
from typing import Final

from amplify_federation.errors import StoreConflictError
from amplify_federation.stores.sealed import Sealed

_SECRET: Final = "naming"
_SECRET_SIZE: Final = 32  # bytes
_DIGEST_SIZE: Final = 20  # bytes; no two names of one fleet meet in 160 bits


class PlainNames:
    """Names as they are, in a namespace; for the one record that is no session."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace

    async def key_of(self, name: str, *, kind: str) -> str:  # noqa: ARG002  # part of `Names`
        """Return the key of a name; nobody takes a lease on it."""
        return f"{self._namespace}:{name}"

    async def prefix(self, *, kind: str) -> str:
        """Return what the keys of a kind begin with."""
        return f"{self._namespace}:{kind}:"

    async def moved(self) -> bool:
        """Return `False`: they stay."""
        return False


class DigestNames(PlainNames):
    """Names as digests under the shared secret. `vault`: a sealed store for the secret alone."""

    def __init__(self, namespace: str, vault: Sealed) -> None:
        super().__init__(namespace)
        self._vault = vault
        self._secret: bytes | None = None

    async def key_of(self, name: str, *, kind: str) -> str:
        """Return the key of a name. Raises what reading the sealed secret raises."""
        if self._secret is None:
            self._secret = await self._shared(secrets.token_bytes(_SECRET_SIZE))
        title = name.encode("utf-8", "surrogatepass")  # sealing refuses what is no text
        digest = hashlib.blake2b(title, key=self._secret, digest_size=_DIGEST_SIZE)
        return f"{self._namespace}:{kind}:{digest.hexdigest()}"

    async def moved(self) -> bool:
        """See to it that Redis has the secret; tell whether it is another one than before."""
        before = self._secret
        if before is None:
            return False
        self._secret = await self._shared(before)
        return self._secret != before

    async def reseal(self) -> None:
        """Seal the shared secret anew, with the first key of a `KeyRing`."""
        await self._vault.reseal(_SECRET)

    async def _shared(self, own: bytes) -> bytes:
        """Return the secret in Redis, which is `own` if there was none."""
        while (record := await self._vault.read(_SECRET)) is None:
            try:
                await self._vault.compare_and_set(_SECRET, own, expected=None)
            except StoreConflictError:
                continue  # another process was first
            return own
        return record.data
