"""The sessions that `memory` weighs: `python -m benchmarks.workers.weigh JSON`."""

import gc
import json
import os
import sys
import tempfile
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from benchmarks.rig.peers import TOKEN
from benchmarks.rig.server import POOL_ID, answers

if TYPE_CHECKING:
    from amplify_federation import Record

Add = Callable[[int], Awaitable[object]]
WARM_UP = 50  # sessions, so that caches and connections are not weighed


@asynccontextmanager
async def auths(url: str) -> AsyncIterator[Add]:
    """One `FederatedAuth` per user, all kept."""
    from amplify_federation import AuthProvider, FederatedAuth, IdentityPool, MemoryStore

    pool, store, kept = IdentityPool(POOL_ID, endpoint_url=url), MemoryStore(), []

    async def add(number: int) -> None:
        auth = FederatedAuth(pool, store=store, session_name=f"user-{number}")
        await auth.federate_to_identity_pool(f"{number}.{TOKEN}", AuthProvider.GOOGLE)
        kept.append(auth)

    yield add
    for auth in kept:
        await auth.aclose()


class _Elsewhere:
    """A store whose records are in a file, so that what is weighed are the sessions."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # it lives as long as the process
        self._places: dict[str, int] = {}

    async def read(self, name: str) -> "Record | None":
        from amplify_federation import Record

        place = self._places.get(name)
        if place is None:
            return None
        self._file.seek(place)
        return Record(str(place), self._file.read(int(self._file.readline())))

    async def compare_and_set(self, name: str, data: bytes, *, expected: str | None) -> str:
        del expected
        self._places[name] = self._file.seek(0, os.SEEK_END)
        self._file.write(b"%d\n" % len(data) + data)
        return str(self._places[name])

    async def delete(self, name: str, *, expected: str | None) -> None:
        del expected
        self._places.pop(name, None)

    @asynccontextmanager
    async def lock(self, name: str, *, timeout: float) -> AsyncIterator[None]:  # noqa: ASYNC109  # the protocol's
        del name, timeout
        yield


@asynccontextmanager
async def users(url: str, *, in_memory: bool = True) -> AsyncIterator[Add]:
    """Bearer tokens of as many users in one `FederatedUsers`."""
    from amplify_federation import AuthProvider, FederatedUsers, IdentityPool, MemoryStore

    pool = IdentityPool(POOL_ID, endpoint_url=url)
    store = MemoryStore() if in_memory else _Elsewhere()
    async with FederatedUsers(pool, store=store, max_users=1_000_000) as many:

        async def add(number: int) -> None:
            session = await many.session_for(f"{number}.{TOKEN}", AuthProvider.GOOGLE)
            assert session.credentials.secret_access_key

        yield add


@asynccontextmanager
async def strings(url: str) -> AsyncIterator[Add]:
    """What Cognito answers with, as Python strings, and nothing else."""
    del url
    kept = []
    body = answers()["GetCredentialsForIdentity"]

    async def add(number: int) -> None:
        del number
        answer = json.loads(body)
        kept.append((answer["IdentityId"], *answer["Credentials"].values()))

    yield add


ROWS = {
    "FederatedAuth": auths,
    "FederatedUsers.session_for": users,
    "the same, stored elsewhere": partial(users, in_memory=False),
    "the strings alone (floor)": strings,
}


def _resident() -> float | None:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4.0  # pages of 4 KiB
    except OSError:
        return None


async def measure(row: str, url: str, sessions: int) -> dict[str, float]:
    """Return KiB per session: allocated, and by which the process grew."""
    async with ROWS[row](url) as add:
        for number in range(WARM_UP):
            await add(number)
        gc.collect()
        before = _resident()
        for number in range(WARM_UP, WARM_UP + sessions):
            await add(number)
        gc.collect()
        after = _resident()
        tracemalloc.start()
        begun = WARM_UP + sessions
        for number in range(begun, begun + sessions):
            await add(number)
        gc.collect()
        figures = {"allocated": tracemalloc.get_traced_memory()[0] / sessions / 1024}
        tracemalloc.stop()
    if before is not None and after is not None:
        figures["resident"] = (after - before) / sessions
    return figures


if __name__ == "__main__":
    print(json.dumps(anyio.run(lambda: measure(**json.loads(sys.argv[1])))))
