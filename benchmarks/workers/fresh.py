"""The calls that `hot_path` compares: `python -m benchmarks.workers.fresh JSON`.

Each gives credentials that are fresh, again and again, in one process; what is printed is the best
of a few times, in microseconds per call.
"""

import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import anyio

from benchmarks.rig.peers import TOKEN
from benchmarks.rig.server import POOL_ID

Call = Callable[[], Awaitable[object]]


@asynccontextmanager
async def sdk(url: str) -> AsyncIterator[Call]:
    """`fetch_auth_session` of a federated session."""
    from amplify_federation import AuthProvider, FederatedAuth, IdentityPool, MemoryStore

    pool = IdentityPool(POOL_ID, endpoint_url=url)
    async with FederatedAuth(pool, store=MemoryStore()) as auth:
        await auth.federate_to_identity_pool(TOKEN, AuthProvider.GOOGLE)
        assert (await auth.fetch_auth_session()).credentials.secret_access_key
        yield auth.fetch_auth_session


@asynccontextmanager
async def aiobotocore(url: str) -> AsyncIterator[Call]:
    """`get_frozen_credentials` of refreshable credentials."""
    del url
    from aiobotocore.credentials import AioRefreshableCredentials

    async def refresh() -> dict[str, str]:
        expiry = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        return {"access_key": "a", "secret_key": "b", "token": "c", "expiry_time": expiry}

    yield AioRefreshableCredentials.create_from_metadata(
        await refresh(), refresh_using=refresh, method="benchmark"
    ).get_frozen_credentials


@asynccontextmanager
async def floor(url: str) -> AsyncIterator[Call]:
    """A coroutine that compares a clock."""
    del url
    until = time.time() + 3_600

    async def compare() -> bool:
        return time.time() < until

    yield compare


CALLS = {
    "amplify_federation": sdk,
    "aiobotocore": aiobotocore,
    "a coroutine that compares a clock (floor)": floor,
}


async def measure(row: str, url: str, calls: int, times: int = 5) -> float:
    """Return the best of so many times per call, in microseconds."""
    async with CALLS[row](url) as call:
        best = float("inf")
        for _ in range(times):
            begun = time.perf_counter()
            for _ in range(calls):
                await call()
            best = min(best, time.perf_counter() - begun)
    return best / calls * 1e6


if __name__ == "__main__":
    print(json.dumps(anyio.run(lambda: measure(**json.loads(sys.argv[1])))))
