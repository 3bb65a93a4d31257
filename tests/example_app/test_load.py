"""Load: 100 players send 20 requests each, while tokens and credentials are renewed, a worker is
killed and Redis is restarted. Nobody ever gets another's credentials, and nothing is a 500.
"""

from collections import Counter

import anyio
import httpx
import pytest

from amplify_federation import AuthProvider, FederatedUsers, MemoryStore
from amplify_federation.testing import FakeCognito
from amplify_federation.testing._service import credentials
from tests.example_app.site import Site
from tests.stores.redis_server import RedisServer, needs_redis

PLAYERS, REQUESTS = 100, 20
AT_ONCE = 24  # players who play at the same time
LIFETIME = (
    24.0  # seconds of credentials: over after 14, so that sessions are renewed on a busy machine
)
TRIES = 400  # of one request, through restarts
GOOGLE = AuthProvider.GOOGLE


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Load:
    """What the players did and saw."""

    def __init__(self, fake: FakeCognito, url: str) -> None:
        self._fake = fake
        self._client = httpx.AsyncClient(base_url=url, timeout=30)
        self.statuses: Counter[object] = Counter()
        self.wrong: list[object] = []
        self.keys: dict[str, set[str]] = {}
        self.done = 0
        self.reached = {share: anyio.Event() for share in (1, 2)}

    async def aclose(self) -> None:
        await self._client.aclose()

    async def play(self, player: str, identity: str, places: anyio.CapacityLimiter) -> None:
        async with places:
            for number in range(REQUESTS):
                if number % (REQUESTS // 2) == 0:  # the token is over: the player signs in again
                    token = self._fake.issue_token(GOOGLE, player, claims={"n": number})
                answer = await self._ask(token, number)
                row = answer.json()
                self.keys.setdefault(player, set()).add(row["key"])
                if (row["player"], row["owner"]) != (identity, identity):
                    self.wrong.append((player, row))
                self.done += 1
                for share, event in self.reached.items():
                    if self.done >= PLAYERS * REQUESTS * share // 3:
                        event.set()

    async def _ask(self, token: str, number: int) -> httpx.Response:
        for _ in range(TRIES):
            try:
                answer = await self._client.post(
                    f"/scores/{number}", headers={"Authorization": f"Bearer {token}"}
                )
            except httpx.TransportError:  # the worker was killed
                self.statuses["cut"] += 1
            else:
                self.statuses[answer.status_code] += 1
                if answer.status_code != 503:
                    assert answer.status_code == 200, answer.text
                    return answer
            await anyio.sleep(0.05)  # a client that comes back
        pytest.fail("a player was never served")


async def identities(fake, pool, players) -> dict[str, str]:
    """Return who each player is, by a way of its own."""
    known = {}
    async with httpx.AsyncClient(transport=fake.transport) as client:
        users = FederatedUsers(pool, store=MemoryStore(), http_client=client)
        for player in players:
            session = await users.session_for(fake.issue_token(GOOGLE, player), GOOGLE)
            known[player] = session.identity_id
    assert len(set(known.values())) == len(players)
    return known


@needs_redis
async def test_a_site_under_load_serves_each_player_their_own_credentials(tmp_path, monkeypatch):
    monkeypatch.setattr(credentials, "LIFETIME", LIFETIME)
    fake = FakeCognito()
    pool = fake.create_identity_pool()
    players = [f"player-{number}" for number in range(PLAYERS)]
    known = await identities(fake, pool, players)
    redis = RedisServer(tmp_path)
    async with fake.serve() as cognito_url:
        site = Site(tmp_path, pool=pool, redis_url=redis.url, cognito_url=cognito_url)
        try:
            await site.ready()
            load = Load(fake, site.url)
            places = anyio.CapacityLimiter(AT_ONCE)
            async with anyio.create_task_group() as tasks:
                for player in players:
                    tasks.start_soon(load.play, player, known[player], places)
                await load.reached[1].wait()
                await site.kill_a_worker()
                await load.reached[2].wait()
                await anyio.to_thread.run_sync(redis.restart)
            await load.aclose()
        finally:
            site.stop()
            redis.stop()
    assert load.wrong == []
    assert load.statuses[200] == PLAYERS * REQUESTS
    assert set(load.statuses) <= {200, 503, "cut"}, site.log()[-4000:]
    assert all(len(keys) >= 2 for keys in load.keys.values())  # tokens were renewed
    assert "Traceback" not in site.log()
    print("load:", dict(load.statuses), "calls:", Counter(call.operation for call in fake.calls))
