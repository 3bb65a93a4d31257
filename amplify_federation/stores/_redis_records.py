"""Records in Redis: bytes by name, compare-and-set by version, leases.

A value is its version, 16 characters, and then the bytes; so one script on one key compares and
writes. Keys are keyed digests of names, so a listing does not show names.
"""

import hashlib
import random
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final

import anyio

from amplify_federation._async.background import Background
from amplify_federation.errors import StoreConflictError, StoreError, StoreLockedError
from amplify_federation.stores._redis_client import RedisClient
from amplify_federation.stores.protocol import Record, conflict
from amplify_federation.stores.sealed import Sealed

LEASE: Final = 5.0  # seconds; a fleet waits that long for a worker that was killed
_EXTEND_EVERY: Final = LEASE / 3
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.1  # seconds between tries to get a lease
_VERSION: Final = 16  # characters
_SECRET: Final = "naming"
_SECRET_SIZE: Final = 32  # bytes
_DIGEST_SIZE: Final = 20  # bytes; no two names have the same 160 bits
_REPLACE: Final = """
if redis.call('GETRANGE', KEYS[1], 0, 15) ~= ARGV[1] then return 0 end
if ARGV[3] == '0' then redis.call('SET', KEYS[1], ARGV[2])
else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1
"""
_REMOVE: Final = """
local version = redis.call('GETRANGE', KEYS[1], 0, 15)
if version ~= '' and version ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return 1
"""
_RELEASE: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
_EXTEND: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
"""


class KeyNames:
    """The Redis keys of names in a namespace: digests of the names under a shared secret.

    The secret is random and stored in Redis, too. It is sealed under the master key and not derived
    from it, so that a wrong master key is found out, and a rotated one still finds the records. If
    Redis lost it (flushed, evicted), the first process that misses a record writes it again.

    Args:
        namespace: the beginning of every key.
        secret_store: a sealed store for the secret; `None` for names as they are.
    """

    def __init__(self, namespace: str, secret_store: Sealed | None = None) -> None:
        self._namespace = namespace
        self._store = secret_store
        self._secret: bytes | None = None

    def prefix(self, kind: str) -> str:
        """Return the beginning of the keys of a kind."""
        return f"{self._namespace}:{kind}:"

    async def key_of(self, name: str, *, kind: str) -> str:
        """Return the Redis key of a name. Raises what reading the sealed secret raises."""
        if self._store is None:
            return f"{self._namespace}:{name}"
        if self._secret is None:
            self._secret = await _shared(self._store, secrets.token_bytes(_SECRET_SIZE))
        title = name.encode("utf-8", "surrogatepass")  # sealing refuses what is no text
        digest = hashlib.blake2b(title, key=self._secret, digest_size=_DIGEST_SIZE)
        return self.prefix(kind) + digest.hexdigest()

    async def reload(self) -> bool:
        """Make sure that Redis has the secret; tell whether it is another one than before."""
        before = self._secret
        if before is None or self._store is None:
            return False
        self._secret = await _shared(self._store, before)
        return self._secret != before

    async def reseal(self) -> None:
        """Seal the shared secret anew, with the first key of a `KeyRing`."""
        if self._store is not None:
            await self._store.reseal(_SECRET)


async def _shared(store: Sealed, own: bytes) -> bytes:
    """Return the secret in Redis, which is `own` if there was none."""
    while (record := await store.read(_SECRET)) is None:
        try:
            await store.compare_and_set(_SECRET, own, expected=None)
        except StoreConflictError:
            continue  # another process was first
        return own
    return record.data


class RedisRecords:
    """Records in Redis. `keep_for`: seconds after its last write that a record is kept."""

    def __init__(self, client: RedisClient, names: KeyNames, *, keep_for: float | None) -> None:
        self._client = client
        self._names = names
        self._ttl = 0 if keep_for is None else max(1, int(keep_for * 1000))

    def __repr__(self) -> str:
        return f"<RedisRecords at {self._client.place}>"

    def keeping(self, seconds: float) -> "RedisRecords":
        """Return the same records, whose writes from here are kept for `seconds`."""
        return RedisRecords(self._client, self._names, keep_for=seconds)

    async def read(self, name: str) -> Record | None:
        """Return the record, or `None`; see `SessionStore`."""
        data = await self._get(name)
        if data is None and await self._names.reload():
            data = await self._get(name)
        if data is None:
            return None
        return Record(data[:_VERSION].decode("latin-1"), data[_VERSION:])

    async def compare_and_set(self, name: str, data: bytes, *, expected: str | None) -> str:
        """Write the record if its version is `expected`; see `SessionStore`."""
        version = secrets.token_hex(_VERSION // 2)
        await self._run(_REPLACE, name, expected or "", version.encode() + data, self._ttl)
        return version

    async def delete(self, name: str, *, expected: str | None) -> None:
        """Delete the record if its version is `expected`; see `SessionStore`."""
        if expected is None:
            await self._client.run("DEL", await self._names.key_of(name, kind="session"))
        else:
            await self._run(_REMOVE, name, expected)

    async def all(self) -> AsyncGenerator[bytes]:
        """Yield the bytes of every record."""
        for key in await self._client.keys(self._names.prefix("session")):
            data: bytes | None = await self._client.run("GET", key)
            if data is not None:
                yield data[_VERSION:]

    @asynccontextmanager
    async def lock(self, name: str, *, timeout: float) -> AsyncGenerator[None]:  # noqa: ASYNC109  # part of the protocol
        """Hold a lease on a name; see `SessionStore`.

        Its key holds a token that only its owner knows, so nobody else ends it. A living owner
        extends it; it expires 5 s after its owner was killed. If it is lost all the same, two may
        renew, which the compare-and-set of the record makes harmless.
        """
        client, key = self._client, await self._names.key_of(name, kind="lease")
        token = secrets.token_hex(16)
        extending = Background()
        try:
            await acquire(client, key, token, timeout)
            extending.start(partial(_keep_extending, client, key, token))
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await extending.end()
                # If Redis is away the lease expires; the work under it is done either way.
                with suppress(StoreError):
                    await client.run("EVAL", _RELEASE, 1, key, token)

    async def _get(self, name: str) -> bytes | None:
        key = await self._names.key_of(name, kind="session")
        data: bytes | None = await self._client.run("GET", key)
        return data

    async def _run(self, script: str, name: str, expected: str, *values: bytes | int) -> None:
        key = await self._names.key_of(name, kind="session")
        version = expected.encode("latin-1", "replace")
        if not await self._client.run("EVAL", script, 1, key, version, *values):
            raise conflict()


async def acquire(client: RedisClient, key: str, token: str, timeout: float) -> None:  # noqa: ASYNC109  # as above
    """Take a lease; raises `StoreLockedError` if it is not free in `timeout` seconds."""
    end, pause = anyio.current_time() + timeout, _FIRST_PAUSE
    milliseconds = int(LEASE * 1000)
    while not await client.run("SET", key, token, "NX", "PX", milliseconds):
        left = end - anyio.current_time()
        if left <= 0:
            message = f"Another process held the lease of this session for {timeout:g} s."
            raise StoreLockedError(message)
        # Jitter, so that those who wait do not all come back at once.
        await anyio.sleep(min(left, pause * random.uniform(0.5, 1.0)))  # noqa: S311  # no secret
        pause = min(2 * pause, _LONGEST_PAUSE)


async def _keep_extending(client: RedisClient, key: str, token: str) -> None:
    while True:
        await anyio.sleep(_EXTEND_EVERY)
        with suppress(StoreError):
            await client.run("EVAL", _EXTEND, 1, key, token, int(LEASE * 1000))
