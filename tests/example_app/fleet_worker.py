"""One process of a fleet: asks for sessions as it is told, a JSON line at a time."""

import json
import os
import sys
import time

import anyio

from amplify_federation import AuthProvider, AuthSettings, FederatedUsers
from amplify_federation.stores import _redis_client
from amplify_federation.stores.redis import RedisStore

AT_ONCE = 25  # requests of one process at the same time
_redis_client.DEADLINE = (
    30.0  # several processes on a busy machine: what is tested is counting, not time
)


class Clock:
    """The machine's clock, moved forward as the test says."""

    def __init__(self) -> None:
        self.passed = 0.0

    def time(self) -> float:
        return time.time() + self.passed

    def monotonic(self) -> float:
        return time.monotonic() + self.passed


async def main() -> None:
    clock = Clock()
    async with (
        RedisStore(os.environ["FLEET_REDIS"], key=bytes(32)) as store,
        FederatedUsers(
            os.environ["FLEET_POOL"], store=store, settings=AuthSettings(clock=clock, timeout=120.0)
        ) as users,
    ):
        tokens: list[str] = []
        while line := await anyio.to_thread.run_sync(sys.stdin.readline):
            order = json.loads(line)
            clock.passed += order["advance"]
            tokens = order.get("tokens", tokens)
            print(json.dumps(await serve(users, tokens)), flush=True)


async def serve(users: FederatedUsers, tokens: list[str]) -> list[list[str]]:
    """Return whose credentials each token gave, and which."""
    places = anyio.CapacityLimiter(AT_ONCE)
    given: dict[int, list[str]] = {}

    async def ask(number: int, token: str) -> None:
        async with places:
            session = await users.session_for(token, AuthProvider.GOOGLE)
            given[number] = [session.identity_id, session.credentials.session_token]

    async with anyio.create_task_group() as tasks:
        for number, token in enumerate(tokens):
            tasks.start_soon(ask, number, token)
    return [given[number] for number in range(len(tokens))]


if __name__ == "__main__":
    anyio.run(main)
