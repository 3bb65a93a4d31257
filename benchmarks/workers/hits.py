"""The hits that `users` counts: `python -m benchmarks.workers.hits JSON`."""

import base64
import hashlib
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable

import anyio

from benchmarks.rig.server import POOL_ID

ROWS = ("amplify_federation, any user", "amplify_federation, nine of ten by 1 % of the users")
FLOOR = "a digest of the token and a dictionary (floor)"
TIMES = 5  # of which the best counts
_SIGNATURE = "s" * 342
_FILLING = "x" * 400  # a token as long as Google's

_FEW = 0.1  # of the hits go to the other users
_chance = random.Random(0)  # noqa: S311  # the same users each time

Hit = Callable[[str], Awaitable[object]]


def token_of(number: int, *, exp: int) -> str:
    """Return a user's token, made anew as each request brings its own."""
    claims = {"iss": "https://accounts.google.com", "sub": str(number), "exp": exp, "x": _FILLING}
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJSUzI1NiJ9.{payload}.{_SIGNATURE}"


def _any(users: int) -> int:
    return _chance.randrange(users)


def _mostly_a_few(users: int) -> int:
    return _any(users) if _chance.random() < _FEW else _any(users // 100 or 1)


async def _best(hit: Hit, tokens: list[str]) -> float:
    times = []
    for _ in range(TIMES):
        begun = time.process_time()
        for token in tokens:
            await hit(token)
        times.append(time.process_time() - begun)
    return min(times) / len(tokens) * 1e6


async def measure(url: str, steps: list[int], hits: int) -> dict[str, dict[int, float]]:
    """Return microseconds per hit, by row and number of users."""
    from amplify_federation import AuthProvider, FederatedUsers, IdentityPool, MemoryStore

    exp = int(time.time()) + 3_600
    figures: dict[str, dict[int, float]] = {row: {} for row in (*ROWS, FLOOR)}
    known: dict[bytes, int] = {}
    pool = IdentityPool(POOL_ID, endpoint_url=url)
    async with FederatedUsers(pool, store=MemoryStore(), max_users=max(steps)) as users:

        async def hit(token: str) -> None:
            await users.session_for(token, AuthProvider.GOOGLE)

        async def floor(token: str) -> None:
            assert known[hashlib.sha256(token.encode()).digest()]

        for step in steps:
            for number in range(len(known), step):
                token = token_of(number, exp=exp)
                session = await users.session_for(token, AuthProvider.GOOGLE)
                assert session.credentials.secret_access_key
                known[hashlib.sha256(token.encode()).digest()] = number + 1
            for row, pick, call in (
                (ROWS[0], _any, hit),
                (ROWS[1], _mostly_a_few, hit),
                (FLOOR, _any, floor),
            ):
                tokens = [token_of(pick(step), exp=exp) for _ in range(hits)]
                figures[row][step] = await _best(call, tokens)
    return figures


if __name__ == "__main__":
    print(json.dumps(anyio.run(lambda: measure(**json.loads(sys.argv[1])))))
