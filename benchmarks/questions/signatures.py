"""What does following a live session add to each signature of boto3 and aiobotocore?

Microseconds per `get_frozen_credentials()`, which every signer calls once for every request. For
scale: the same call of the refreshable credentials that come with botocore and aiobotocore, far
from their end, and one whole signature (SigV4 over a small request).
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import anyio.to_thread

from amplify_federation import AuthProvider, FederatedAuth, IdentityPool, MemoryStore
from amplify_federation.integrations.boto import aiobotocore_session, botocore_credentials
from amplify_federation.testing import FakeCognito
from benchmarks.rig.processes import missing
from benchmarks.rig.report import Answer, Goal, Plan, in_turns

OURS, THEIRS = "boto3 following", "botocore's refreshable"
OUR_TASKS, THEIR_TASKS = "aiobotocore following", "aiobotocore's refreshable"
SIGNATURE = "a whole SigV4 signature"
_KEYS = ("ASIAEXAMPLEEXAMPLE00", "s" * 40, "t" * 1_400)
Measure = Callable[[int], Awaitable[float]]


def run(plan: Plan) -> dict[str, Answer]:
    """Time the calls in one process, in turns."""
    answer = Answer(
        "The credentials of one signature",
        "microseconds",
        THEIRS,
        goals=(Goal("following costs no more than refreshing", OURS, THEIRS, 1.0),),
    )
    if missing("botocore", "aiobotocore"):
        return {}
    anyio.run(_measure_all, plan, answer)
    return {"signatures": answer}


async def _measure_all(plan: Plan, answer: Answer) -> None:
    calls = 2_000 if plan.quick else 50_000
    async with _measures() as measures:
        order: list[str] = []
        in_turns(list(measures), plan.rounds, order.append)
        for row in order:
            answer.add(row, "us", await measures[row](calls))


@asynccontextmanager
async def _measures() -> AsyncIterator[dict[str, Measure]]:
    fake = FakeCognito()
    pool_id = fake.create_identity_pool()
    async with fake.serve() as url:
        pool = IdentityPool(pool_id, endpoint_url=url)
        async with FederatedAuth(pool, store=MemoryStore()) as auth:
            token = fake.issue_token(AuthProvider.GOOGLE, "alice")
            await auth.federate_to_identity_pool(token, AuthProvider.GOOGLE)
            theirs, their_tasks = _refreshable()
            tasks = await aiobotocore_session(auth).get_credentials()
            yield {
                OURS: _in_thread(botocore_credentials(auth).get_frozen_credentials),
                THEIRS: _in_thread(theirs.get_frozen_credentials),
                OUR_TASKS: _in_task(tasks.get_frozen_credentials),
                THEIR_TASKS: _in_task(their_tasks.get_frozen_credentials),
                SIGNATURE: _in_thread(_signature(theirs.get_frozen_credentials())),
            }


def _refreshable() -> tuple[Any, Any]:
    from aiobotocore.credentials import AioRefreshableCredentials
    from botocore.credentials import RefreshableCredentials

    expiry = datetime.now(UTC) + timedelta(hours=1)
    return tuple(  # type: ignore[return-value]  # two
        kind(*_KEYS, expiry, dict, "benchmark")
        for kind in (RefreshableCredentials, AioRefreshableCredentials)
    )


def _signature(frozen: object) -> Callable[[], object]:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    def sign() -> object:
        request = AWSRequest("POST", "https://dynamodb.us-west-2.amazonaws.com/", data=b"{}")
        return SigV4Auth(frozen, "dynamodb", "us-west-2").add_auth(request)

    return sign


def _in_thread(call: Callable[[], object]) -> Measure:
    def timed(calls: int) -> float:
        begun = time.perf_counter()
        for _ in range(calls):
            call()
        return (time.perf_counter() - begun) / calls * 1e6

    async def measure(calls: int) -> float:
        return await anyio.to_thread.run_sync(timed, calls)

    return measure


def _in_task(call: Callable[[], Awaitable[object]]) -> Measure:
    async def measure(calls: int) -> float:
        begun = time.perf_counter()
        for _ in range(calls):
            await call()
        return (time.perf_counter() - begun) / calls * 1e6

    return measure
