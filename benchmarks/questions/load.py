"""What does a web backend ask of Cognito for 10,000 users, and whom does it serve in an outage?

The example backend (FastAPI, `tests/example_app`) in 1, 2 and 4 processes over one Redis, driven
as fast as it answers, against an embedded Cognito; all on this machine, so requests a second are
a lower bound. Each request carries one user's bearer token and goes to any worker by chance. The
answer names the identity that the backend saw and the owner of the AWS credentials that it holds:
both must be that user's, whom Cognito was asked for aside. A client that is refused asks
again at once, except while something is down. Then Redis (suspended), Cognito (503),
and both are away for a number of requests, some of users who were never there before.

The same requests go through the model of a fleet (`benchmarks.rig.fleet_model`), a second of it
for each batch: columns "model". It has no notion of how long a request takes.
"""

import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import anyio
import numpy as np
from attrs import define, field, frozen

from benchmarks.rig.fleet_model import Fleet, Simulation
from benchmarks.rig.processes import missing
from benchmarks.rig.report import Answer, Plan
from benchmarks.rig.site import Redis, Site, running_site

WORKERS = (1, 2, 4)
USERS, QUICK_USERS = 10_000, 120
NEWCOMERS = 0.02  # of the users come first in one of the outages
REQUESTS = 3  # for each user, before the outages
AT_ONCE = 16  # requests under way, of all workers
OUTAGES = ("Redis", "Cognito", "both")
PLENTY = 1e9  # faults, or calls a second: without end
BATCH = 100  # requests of a second of the model
CALLS = ("GetId", "GetCredentialsForIdentity")
TRIES = 2_000  # of one request after an outage, 20 ms apart


def run(plan: Plan) -> dict[str, Answer]:
    """Load each number of workers, and the model with the same requests."""
    answer = Answer("A backend of many users", "see each row", "")
    if missing("aiohttp", "fastapi", "redis", "uvicorn") or not shutil.which("redis-server"):
        answer.notes.append("Left out: it needs aiohttp, fastapi, redis, uvicorn, redis-server.")
        return {"load": answer}
    users = QUICK_USERS if plan.quick else USERS
    for workers in (2,) if plan.quick else WORKERS:
        scenario = Scenario.drawn(users)
        _add(answer, f"{workers} workers", anyio.run(_real, scenario, workers))
        _add(answer, f"{workers}, model", _modelled(scenario, workers))
    return {"load": answer}


@frozen
class Scenario:
    """Who asks, in order: users by number."""

    users: int
    before: list[int]
    during: dict[str, list[int]]
    newcomers: int  # in each outage

    @classmethod
    def drawn(cls, users: int) -> "Scenario":
        """Draw one, the same for every number of workers."""
        chance = random.Random(5)  # noqa: S311  # a scenario that can be repeated
        newcomers = int(users * NEWCOMERS / len(OUTAGES)) + 1
        known = users - newcomers * len(OUTAGES)
        before = list(range(known)) + chance.choices(range(known), k=(REQUESTS - 1) * known)
        chance.shuffle(before)
        during = {}
        for number, outage in enumerate(OUTAGES):
            first = known + number * newcomers
            during[outage] = chance.choices(range(known), k=known // 5)
            during[outage] += range(first, first + newcomers)
            chance.shuffle(during[outage])
        return cls(users, before, during, newcomers)


@define
class Figures:
    """What was counted."""

    requests: int = 0
    seconds: float = 0.0
    calls: Counter[str] = field(factory=Counter)
    refused: dict[str, float] = field(factory=dict)  # by outage, of its requests
    attempts: dict[str, float] = field(factory=dict)  # of `GetId` in it, for each newcomer
    herd: dict[str, float] = field(factory=dict)  # calls after it, for 1,000 requests
    whole: dict[str, float] = field(factory=dict)  # seconds after it
    wrong: int | None = None
    lost: int | None = None


def _add(answer: Answer, column: str, figures: Figures) -> None:
    calls = sum(figures.calls[name] for name in CALLS)
    hits = 1 - figures.calls["GetId"] / figures.requests
    if figures.seconds:
        answer.add("requests a second", column, figures.requests / figures.seconds)
    answer.add("calls for 1,000 requests", column, 1_000 * calls / figures.requests)
    answer.add("requests served without a call, %", column, 100 * hits)
    for outage, share in figures.refused.items():
        answer.add(f"refused, down: {outage}, %", column, 100 * share)
    for outage in OUTAGES:
        answer.add(
            f"GetId attempts for a newcomer, down: {outage}", column, figures.attempts[outage]
        )
    for outage in OUTAGES:
        answer.add(f"calls for 1,000 requests after: {outage}", column, figures.herd[outage])
    for outage, seconds in figures.whole.items():
        answer.add(f"seconds until it is whole after: {outage}", column, seconds)
    if figures.wrong is not None and figures.lost is not None:
        answer.add("answers of another user", column, figures.wrong)
        answer.add("users never served", column, figures.lost)


async def _real(scenario: Scenario, workers: int) -> Figures:
    from amplify_federation.testing import FakeCognito

    fake = FakeCognito()
    pool = fake.create_identity_pool()
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        fake.serve() as cognito_url,
        running_site(Path(folder), workers=workers, pool=pool, cognito_url=cognito_url) as (
            site,
            redis,
        ),
    ):
        load = Load(fake, pool, site, scenario)
        async with load:
            figures = await load.measured(redis)
        assert "Traceback" not in site.log(), site.log()[-4_000:]
    return figures


class Load:
    """The clients, and what they were answered."""

    def __init__(self, fake: Any, pool: str, site: Site, scenario: Scenario) -> None:  # noqa: ANN401  # a FakeCognito, loaded late
        from amplify_federation import AuthProvider

        self._fake, self._pool, self._site, self._scenario = fake, pool, site, scenario
        self._key = AuthProvider.GOOGLE.login_key
        self._tokens = [
            fake.issue_token(AuthProvider.GOOGLE, f"user-{number}")
            for number in range(scenario.users)
        ]
        self._chance = random.Random(6)  # noqa: S311  # which worker
        self._seen: dict[int, set[str]] = {}

    async def __aenter__(self) -> None:
        import aiohttp

        self._client = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def measured(self, redis: Redis) -> Figures:
        """Run the whole scenario."""
        figures = Figures(requests=len(self._scenario.before))
        begun = time.perf_counter()
        # A machine too busy to answer within the store's 300 ms refuses some, who come back.
        refused = await self._ask(self._scenario.before, patient=True)
        figures.refused["nothing"] = refused / len(self._scenario.before)
        figures.seconds = time.perf_counter() - begun
        figures.calls = self._counted()
        for outage, asking in self._scenario.during.items():
            if outage != "Cognito":
                redis.suspend()
            if outage != "Redis":
                self._fake.fail_next("InternalErrorException", status=503, times=int(PLENTY))
            figures.refused[outage] = await self._ask(asking) / len(asking)
            figures.attempts[outage] = self._counted()["GetId"] / self._scenario.newcomers
            self._fake.clear_faults()
            redis.resume()
            begun = time.perf_counter()
            await self._ask(asking, patient=True)
            figures.whole[outage] = self._last_refusal - begun if self._last_refusal else 0.0
            figures.herd[outage] = 1_000 * sum(self._counted().values()) / len(asking)
        figures.lost = self._scenario.users - len(self._seen)
        figures.wrong = await self._wrong()
        assert not figures.wrong
        assert not figures.lost
        return figures

    def _counted(self) -> Counter[str]:
        calls = Counter(call.operation for call in self._fake.calls)
        self._fake.calls.clear()
        return calls

    async def _ask(self, asking: Iterable[int], *, patient: bool = False) -> int:
        """Send these users' requests; return how many were refused. A patient client asks again."""
        refused, self._last_refusal, waiting = 0, 0.0, iter(asking)

        async def client() -> None:
            nonlocal refused
            for user in waiting:
                for _ in range(TRIES if patient else 1):
                    if await self._served(user):
                        break
                    refused += 1
                    self._last_refusal = time.perf_counter()
                    await anyio.sleep(0.02 if patient else 0)

        async with anyio.create_task_group() as tasks:
            for _ in range(AT_ONCE):
                tasks.start_soon(client)
        return refused

    async def _served(self, user: int) -> bool:
        headers = {"Authorization": f"Bearer {self._tokens[user]}"}
        url = f"{self._site.url(self._chance)}/scores"
        async with self._client.get(url, headers=headers) as response:
            if response.status == 503:
                return False
            assert response.status == 200, await response.text()
            row = await response.json()
        self._seen.setdefault(user, set()).update((row["player"], row["owner"]))
        return True

    async def _wrong(self) -> int:
        """Return how many users saw another identity than Cognito gives for their token."""
        import httpx

        wrong = 0
        async with httpx.AsyncClient(transport=self._fake.transport) as client:
            for user, seen in self._seen.items():
                answer = await client.post(
                    "https://cognito-identity.us-west-2.amazonaws.com/",
                    json={
                        "IdentityPoolId": self._pool,
                        "Logins": {self._key: self._tokens[user]},
                    },
                    headers={
                        "Content-Type": "application/x-amz-json-1.1",
                        "X-Amz-Target": "AWSCognitoIdentityService.GetId",
                    },
                )
                wrong += seen != {answer.json()["IdentityId"]}
        return wrong


def _modelled(scenario: Scenario, workers: int) -> Figures:
    fleet = Fleet(
        users=scenario.users,
        active=scenario.users,
        machines=workers,
        get_id=PLENTY,
        get_credentials=PLENTY,
    )
    simulation = Simulation(fleet)
    figures = Figures(requests=len(scenario.before))
    refused, figures.calls = _live(simulation, scenario.before)
    figures.refused["nothing"] = refused / len(scenario.before)
    for outage, asking in scenario.during.items():
        simulation.redis, simulation.cognito = outage == "Cognito", outage == "Redis"
        refused, calls = _live(simulation, asking)
        figures.refused[outage] = refused / len(asking)
        figures.attempts[outage] = calls["GetId"] / scenario.newcomers
        simulation.redis = simulation.cognito = True
        _, calls = _live(simulation, asking)
        figures.herd[outage] = 1_000 * sum(calls[name] for name in CALLS) / len(asking)
    return figures


def _live(simulation: Simulation, asking: list[int]) -> tuple[int, Counter[str]]:
    """Live through these requests and the retries they lead to; return refusals and calls."""
    refused, calls = 0, Counter[str]()
    batches = [asking[first : first + BATCH] for first in range(0, len(asking), BATCH)]
    for batch in (*batches, *([] for _ in range(10))):
        second = simulation.step(np.array(batch, dtype=np.int64))
        refused += second.refused
        calls += second.calls
    return refused, calls
