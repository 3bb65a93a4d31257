"""RedisStore: sealed sessions in Redis or Valkey, shared by the machines of a fleet.

This file owns how they are put together, and for how long records are kept.
"""

import secrets
from typing import Final, Self

from amplify_federation._crypto.keys import KeySource, as_key_source, redacted_key
from amplify_federation.errors import ConfigurationError
from amplify_federation.stores._redis_client import RedisClient
from amplify_federation.stores._redis_records import KeyNames, RedisRecords
from amplify_federation.stores._redis_url import parse_redis_url
from amplify_federation.stores.sealed import Sealed

_CHECK_LIFE: Final = 60.0  # seconds that the record of a check stays if its deletion fails
KEEP_FOR: Final = 30 * 86_400.0  # seconds after the last write; each renewal is one


class RedisStore(Sealed):
    """Keeps sessions in Redis (or Valkey), encrypted, under keys that do not show their names.

    Needs asyncio. Each command has a deadline of 300 ms and is sent once; without an answer in time
    it raises `StoreUnavailableError`, and the next command tries anew. Use it as an async context
    manager, or call `aclose()` at the end. Constructing does no I/O.

    Args:
        url: `redis://[user:password@]host:port/db`, `rediss://...` (TLS), `unix://path`,
            `redis+cluster://host:port,host:port`, `redis+sentinel://host:port,host:port/service/db`;
            `valkey` and `valkeys` (TLS) mean the same as `redis` and `rediss`. Options of TLS:
            `?ssl_ca_certs=FILE`, `ssl_certfile`, `ssl_keyfile`, `ssl_cert_reqs`. The login is the
            master's; Sentinels have theirs in `?sentinel_password=...`, `sentinel_username`.
        key: 32 bytes, or one of `KeyFile`, `EnvironmentKey`, `PassphraseKey`, `KeyringKey`,
            `KeyRing`; the same in all processes.
        namespace: what every key in Redis begins with.
        keep_for: seconds after its last write that a session is kept; 30 days by default.

    Raises:
        ConfigurationError: the URL, the key or the namespace is malformed, redis-py is missing,
            or (on use) the event loop is not asyncio's.
    """

    def __init__(
        self,
        url: str,
        *,
        key: bytes | KeySource,
        namespace: str = "amplify_federation",
        keep_for: float = KEEP_FOR,
    ) -> None:
        given, address = redacted_key(key), parse_redis_url(url)
        del key, url  # no frame of a traceback may hold the key or the password
        if isinstance(address, ConfigurationError):
            raise address
        _check(namespace, keep_for)
        self._client = RedisClient(address)
        keys = as_key_source(given)
        plain = RedisRecords(self._client, KeyNames(namespace), keep_for=None)
        self._names = KeyNames(namespace, Sealed(plain, key=keys))
        self._records = RedisRecords(self._client, self._names, keep_for=keep_for)
        super().__init__(self._records, key=keys)

    def __repr__(self) -> str:
        return f"<RedisStore {self._client.place}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    def keeping(self, seconds: float) -> Sealed:
        """Return a store of the same records that keeps each for `seconds` after its last write."""
        return Sealed(self._records.keeping(seconds), key=self._keys)

    async def rotate(self) -> int:
        """Seal every session anew with the first key of a `KeyRing`; return how many.

        Each is kept for `keep_for` seconds from then.

        Raises:
            SessionKeyError: no key given opens some of the sessions. The others are done.
            StoreConflictError: other processes wrote a session at each of 5 tries.
        """
        await self._names.reseal()
        return await self.reseal_each(self._records.all())

    async def check(self) -> None:
        """Check that Redis answers, that the key fits, and that records can be written.

        Writes, reads and deletes a record of its own.

        Raises:
            StoreUnavailableError: Redis does not serve; the message says why.
            SessionKeyError: the records of this namespace were sealed with another key.
        """
        name, store = f"check#{secrets.token_hex(8)}", self.keeping(_CHECK_LIFE)
        async with store.lock(name, timeout=0):
            version = await store.compare_and_set(name, b"", expected=None)
            await store.read(name)
            await store.delete(name, expected=version)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _check(namespace: object, keep_for: object) -> None:
    if not isinstance(namespace, str) or not namespace or not namespace.isprintable():
        message = "`namespace` must be a printable, non-empty string."
        raise ConfigurationError(message)
    if (
        isinstance(keep_for, bool)
        or not isinstance(keep_for, int | float)
        or not 0 < keep_for < float("inf")
    ):
        message = "`keep_for` must be seconds, more than 0."
        raise ConfigurationError(message)
