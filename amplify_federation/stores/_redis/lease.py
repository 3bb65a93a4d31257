"""A lease in Redis: one holder of a key in the fleet, for as long as the holder lives.

The key holds a token that only its holder knows, so nobody ends a lease that passed on to another.
It expires by itself 5 s after its holder was killed; a living holder extends it. Where it is lost
all the same, two may renew: the compare-and-set of the record keeps that harmless.
"""

import random
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final

import anyio

from amplify_federation._async.background import Background
from amplify_federation.errors import StoreError, StoreLockedError
from amplify_federation.stores._redis.link import Link

LEASE: Final = 5.0  # seconds; a fleet waits that long for a worker that was killed
_EXTEND_EVERY: Final = LEASE / 3
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.1  # seconds between tries to get a held lease
_RELEASE: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
_EXTEND: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
"""


@asynccontextmanager
async def hold(link: Link, key: str, *, timeout: float) -> AsyncGenerator[None]:  # noqa: ASYNC109  # of the protocol
    """Hold the lease of a key; raises `StoreLockedError` if it is not free in `timeout` seconds."""
    token = secrets.token_hex(16)
    beat = Background()
    try:
        await _acquire(link, key, token, timeout)
        beat.start(partial(_keep_extending, link, key, token))
        yield
    finally:
        with anyio.CancelScope(shield=True):
            await beat.end()
            # If Redis is away the lease expires; the work that it guarded is done either way.
            with suppress(StoreError):
                await link.run("EVAL", _RELEASE, 1, key, token)


async def _acquire(link: Link, key: str, token: str, timeout: float) -> None:  # noqa: ASYNC109  # as above
    end, pause = anyio.current_time() + timeout, _FIRST_PAUSE
    milliseconds = int(LEASE * 1000)
    while not await link.run("SET", key, token, "NX", "PX", milliseconds):
        left = end - anyio.current_time()
        if left <= 0:
            message = f"Another process held the lease of this session for {timeout:g} s."
            raise StoreLockedError(message)
        # Jitter, so that those who wait do not all come back at once.
        await anyio.sleep(min(left, pause * random.uniform(0.5, 1.0)))  # noqa: S311  # no secret
        pause = min(2 * pause, _LONGEST_PAUSE)


async def _keep_extending(link: Link, key: str, token: str) -> None:
    while True:
        await anyio.sleep(_EXTEND_EVERY)
        with suppress(StoreError):
            await link.run("EVAL", _EXTEND, 1, key, token, int(LEASE * 1000))
