"""The callers of `renewal`: `python -m benchmarks.workers.renewing JSON`."""

import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import anyio

from benchmarks.rig.peers import TOKEN
from benchmarks.rig.server import LIFETIME, POOL_ID

Call = Callable[[], Awaitable[object]]
CALLERS = 100
SECONDS = 0.6
RENEWAL = 0.2  # seconds that the server takes


class _Ahead:
    """A clock that can be set ahead, so that credentials come due."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def time(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@asynccontextmanager
async def sdk(url: str) -> AsyncIterator[tuple[Call, Callable[[], None]]]:
    """A federated session; the renewal is one call to the server."""
    from amplify_federation import (
        AuthProvider,
        AuthSettings,
        FederatedAuth,
        IdentityPool,
        MemoryStore,
    )

    clock = _Ahead()
    pool = IdentityPool(POOL_ID, endpoint_url=url)
    settings = AuthSettings(clock=clock)
    async with FederatedAuth(pool, store=MemoryStore(), settings=settings) as auth:
        await auth.federate_to_identity_pool(TOKEN, AuthProvider.GOOGLE)

        def come_due() -> None:
            clock.ahead = LIFETIME - 200.0

        yield auth.fetch_auth_session, come_due


@asynccontextmanager
async def aiobotocore(url: str) -> AsyncIterator[tuple[Call, Callable[[], None]]]:
    """Refreshable credentials; the renewal sleeps as long as the server does."""
    del url
    from aiobotocore.credentials import AioRefreshableCredentials

    life = timedelta(hours=1)

    async def refresh() -> dict[str, str]:
        await anyio.sleep(RENEWAL)
        expiry = (now() + life).isoformat()
        return {"access_key": "a", "secret_key": "b", "token": "c", "expiry_time": expiry}

    ahead = timedelta()

    def now() -> datetime:
        return datetime.now(UTC) + ahead

    credentials = AioRefreshableCredentials.create_from_metadata(
        await refresh(), refresh_using=refresh, method="benchmark"
    )
    credentials._time_fetcher = now  # noqa: SLF001  # botocore's own tests set it so

    def come_due() -> None:
        nonlocal ahead
        ahead = life - timedelta(minutes=12)

    yield credentials.get_frozen_credentials, come_due


ROWS = {"amplify_federation": sdk, "aiobotocore": aiobotocore}


async def measure(row: str, url: str) -> dict[str, float]:
    """Return median, 99.9th percentile and maximum of the waits, in milliseconds."""
    waits: list[float] = []
    clock = time.perf_counter
    async with ROWS[row](url) as (call, come_due):

        async def caller() -> None:
            while clock() < deadline:
                begun = clock()
                await call()
                waits.append(clock() - begun)
                await anyio.sleep(0.005)

        await call()
        deadline = clock() + SECONDS
        async with anyio.create_task_group() as group:
            for _ in range(CALLERS):
                group.start_soon(caller)
            await anyio.sleep(SECONDS / 4)
            come_due()
    waits.sort()
    late = [wait for wait in waits if wait > RENEWAL / 2]
    return {
        "p50": waits[len(waits) // 2] * 1e3,
        "p99.9": waits[int(len(waits) * 0.999)] * 1e3,
        "max": waits[-1] * 1e3,
        "callers held up": len(late),
    }


if __name__ == "__main__":
    print(json.dumps(anyio.run(lambda: measure(**json.loads(sys.argv[1])))))
