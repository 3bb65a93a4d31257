"""Records: bytes by name in Redis, written by compare-and-set.

A value is its version, 16 characters, and then the bytes; so one script on one key compares and
writes. This file must not know how bytes are sealed.
"""

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final, Protocol

from amplify_federation.errors import StoreConflictError
from amplify_federation.stores._redis.lease import hold
from amplify_federation.stores._redis.link import Link
from amplify_federation.stores.protocol import Record

_VERSION: Final = 16  # characters
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


class Names(Protocol):
    """Where records are kept, by their names."""

    async def key_of(self, name: str, *, kind: str) -> str:
        """Return the Redis key of a name, for the record or the lease."""
        ...

    async def prefix(self, *, kind: str) -> str:
        """Return what the keys of a kind begin with."""
        ...

    async def moved(self) -> bool:
        """Tell, where no record was found, whether names have other keys by now."""
        ...


class Records:
    """A byte store in Redis. `keep_for`: seconds after its last write that a record is kept."""

    def __init__(self, link: Link, names: Names, *, keep_for: float | None) -> None:
        self._link = link
        self._names = names
        self._ttl = 0 if keep_for is None else max(1, int(keep_for * 1000))

    def __repr__(self) -> str:
        return f"<Records in Redis at {self._link.place}>"

    def keeping(self, seconds: float) -> "Records":
        """Return the same records, whose writes from here are kept for `seconds`."""
        return Records(self._link, self._names, keep_for=seconds)

    async def read(self, name: str) -> Record | None:
        """Return the record, or `None`; see `SessionStore`."""
        data = await self._get(name)
        if data is None and await self._names.moved():
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
            await self._link.run("DEL", await self._names.key_of(name, kind="session"))
        else:
            await self._run(_REMOVE, name, expected)

    async def all(self) -> AsyncGenerator[bytes]:
        """Yield the bytes of every record."""
        prefix = await self._names.prefix(kind="session")
        for key in await self._link.keys(prefix):
            data: bytes | None = await self._link.run("GET", key)
            if data is not None:
                yield data[_VERSION:]

    @asynccontextmanager
    async def lock(self, name: str, *, timeout: float) -> AsyncGenerator[None]:  # noqa: ASYNC109  # part of the protocol
        """Hold a lease on a name; see `SessionStore`."""
        key = await self._names.key_of(name, kind="lease")
        async with hold(self._link, key, timeout=timeout):
            yield

    async def _get(self, name: str) -> bytes | None:
        data: bytes | None = await self._link.run(
            "GET", await self._names.key_of(name, kind="session")
        )
        return data

    async def _run(self, script: str, name: str, expected: str, *values: bytes | int) -> None:
        key = await self._names.key_of(name, kind="session")
        version = expected.encode("latin-1", "replace")
        if not await self._link.run("EVAL", script, 1, key, version, *values):
            message = "Somebody else wrote this session in between."
            raise StoreConflictError(message)
