"""RedisStore: sealed sessions in Redis or Valkey, shared by the machines of a fleet.

This file owns how the parts are put together, and for how long records are kept.
"""

from types import TracebackType
from typing import Final, Self

from amplify_federation._crypto.keys.source import KeySource, as_key_source, veiled_key
from amplify_federation.errors import (
    ConfigurationError,
)
from amplify_federation.stores._redis.link import Link
from amplify_federation.stores._redis.naming import DigestNames, PlainNames
from amplify_federation.stores._redis.records import Records
from amplify_federation.stores.sealed import Sealed

KEEP_FOR: Final = 30 * 86_400.0  # seconds after the last write; each renewal is one


class RedisStore(Sealed):
    """Keeps sessions in Redis (or Valkey), sealed, under names that tell nothing. asyncio alone.

    Each command has a deadline of 300 ms and is never sent twice; a Redis that does not serve in
    time is `StoreUnavailableError`, and the next command tries anew. Use it as an async context
    manager, or call `aclose()` in the end. Constructing does no I/O.

    Args:
        url: `redis://[user:password@]host:port/db`, `rediss://...` (TLS), `unix://path`,
            `redis+cluster://host:port`, `redis+sentinel://host:port,host:port/service/db`.
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
        given = veiled_key(key)
        del key  # no frame of a traceback may hold it
        _check(namespace, keep_for)
        self._link = Link(url)
        keys = as_key_source(given)
        vault = Sealed(Records(self._link, PlainNames(namespace), keep_for=None), key=keys)
        self._names = DigestNames(namespace, vault)
        self._records = Records(self._link, self._names, keep_for=keep_for)
        super().__init__(self._records, key=keys)

    def __repr__(self) -> str:
        return f"<RedisStore {self._link.place}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def keeping(self, seconds: float) -> Sealed:
        """Return a store of the same records, whose writes are kept for `seconds` from each."""
        return Sealed(self._records.keeping(seconds), key=self._keys)

    async def rotate(self) -> int:
        """Seal every session anew with the first key of a `KeyRing`; return how many.

        Each is kept for `keep_for` seconds from then.

        Raises:
            SessionKeyError: no key given opens some of the sessions. The others are done.
            StoreConflictError: others wrote a session all the time.
        """
        await self._names.reseal()
        return await self.reseal_each(self._records.all())

    async def aclose(self) -> None:
        """Close the connections."""
        await self._link.aclose()


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
