"""How many federations a second, at which latency and CPU, does one process do under load?

Closed loop: N callers federate again and again (GetId + GetCredentialsForIdentity) against a
loopback server that is no bottleneck, each peer in a process of its own, pinned to a core.
"""

from benchmarks.rig.peers import MODULES, PEERS
from benchmarks.rig.processes import missing, worker
from benchmarks.rig.report import Answer, Goal, Plan, in_turns
from benchmarks.rig.server import running_server

US, AIOBOTOCORE, AIOHTTP = "amplify_federation", "aiobotocore", "aiohttp, raw"
LEVELS = (1, 10, 100, 500, 1_000)
MANY = 5_000  # concurrent federations that must not fail
_SLOW_AT_MANY = {"httpx, tuned": 1_000, "boto3 in threads": 100}  # beyond, they only time out


def run(plan: Plan) -> dict[str, Answer]:
    """Measure rates, 99th percentiles and CPU; return one table for each."""
    levels = LEVELS[:3] if plan.quick else LEVELS
    seconds = 0.3 if plan.quick else 1.5
    tables = {
        "throughput": Answer(
            "Throughput by concurrency", "federations/s", AIOBOTOCORE, goals=_RATE_GOALS
        ),
        "latency": Answer("p99 latency by concurrency", "ms", AIOHTTP, goals=(_P99,)),
        "cpu": Answer("CPU per federation by concurrency", "microseconds", AIOHTTP),
    }
    with running_server() as (url, server):

        def measure(peer: str) -> None:
            most = _SLOW_AT_MANY.get(peer, MANY)
            asked = [level for level in levels if level <= most]
            order = {"peer": peer, "url": url, "levels": asked, "seconds": seconds}
            for level, found in (worker("benchmarks.workers.load", order) or {}).items():
                tables["throughput"].add(peer, level, found["rate"])
                if found["p99_ms"] is not None:
                    tables["latency"].add(peer, level, found["p99_ms"])
                tables["cpu"].add(peer, level, found["cpu_us"])
                if found["failures"]:
                    tables["throughput"].notes.append(f"{peer} at {level}: {found['failures']}")

        peers = [peer for peer in PEERS if not missing(*MODULES[peer])]
        in_turns(peers, plan.rounds, measure)
        tables["throughput"].notes.append(f"server: {server}")
        tables["throughput"].notes += _many(url, seconds, plan)
    tables["cpu"].notes += _flatness(tables["cpu"])
    return tables


_BUSY = tuple(str(level) for level in LEVELS[1:])  # alone, a caller mostly waits for the server
_RATE_GOALS = (
    Goal("throughput against aiobotocore", US, AIOBOTOCORE, 2.2, at_least=True, column="1"),
    *(
        Goal("throughput against aiobotocore", US, AIOBOTOCORE, 3.0, at_least=True, column=level)
        for level in _BUSY
    ),
    Goal(
        "stock httpx against aiobotocore",
        "amplify_federation over httpx's own transport",
        AIOBOTOCORE,
        0.5,
        at_least=True,
    ),
    *(
        Goal("throughput against raw aiohttp", US, AIOHTTP, 0.8, at_least=True, column=level)
        for level in _BUSY
    ),
)
_P99 = Goal("p99 against raw aiohttp", US, AIOHTTP, 1.0)


def _many(url: str, seconds: float, plan: Plan) -> list[str]:
    if plan.quick:
        return []
    order = {"peer": US, "url": url, "levels": [MANY], "seconds": seconds}
    found = worker("benchmarks.workers.load", order)
    if found is None:
        return [f"MISSED {MANY} concurrent federations: the process failed"]
    failures = found[str(MANY)]["failures"]
    word = "MISSED" if failures else "met"
    rate = found[str(MANY)]["rate"]
    return [f"{word:6} {MANY} concurrent federations: {failures or 'none failed'}, {rate:.0f}/s"]


def _flatness(cpu: Answer) -> list[str]:
    few, many = cpu.median(US, "10"), cpu.median(US, "1000")
    if not few or not many:
        return []
    word = "met" if many / few <= 1.3 else "MISSED"
    return [f"{word:6} CPU per federation at 1,000 against 10: {many / few:.2f} (<= 1.3)"]
