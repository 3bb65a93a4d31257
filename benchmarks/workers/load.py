"""One measurement in a process of its own: `python -m benchmarks.workers.load JSON`.

A number of tasks federate in a closed loop for a while. Printed as JSON per concurrency: rate,
latencies, CPU per federation, failures.
"""

import json
import os
import sys
import time
from typing import Any

import anyio

from benchmarks.rig.peers import PEERS, Federate


def pin(core: int) -> None:
    """Keep this process on one core, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[core % len(cores)]})


async def load(federate: Federate, concurrency: int, seconds: float) -> dict[str, Any]:
    """Run the closed loop; latencies in milliseconds, CPU in microseconds per federation."""
    latencies: list[float] = []
    failures: dict[str, int] = {}
    clock = time.perf_counter

    async def caller() -> None:
        while clock() < deadline:
            begun = clock()
            try:
                await federate()
            except Exception as error:  # noqa: BLE001  # each failure counts, of whatever class
                failures[type(error).__name__] = failures.get(type(error).__name__, 0) + 1
            else:
                latencies.append(clock() - begun)

    started, cpu = clock(), time.process_time()
    deadline = started + seconds
    async with anyio.create_task_group() as group:
        for _ in range(concurrency):
            group.start_soon(caller)
    elapsed, cpu = clock() - started, time.process_time() - cpu
    latencies.sort()
    count = max(len(latencies), 1)
    return {
        "rate": len(latencies) / elapsed,
        "p50_ms": latencies[count // 2] * 1e3 if latencies else None,
        "p99_ms": latencies[int(count * 0.99)] * 1e3 if latencies else None,
        "cpu_us": cpu / count * 1e6,
        "failures": failures,
    }


async def measure(peer: str, url: str, levels: list[int], seconds: float) -> dict[str, Any]:
    """Return the results per concurrency, each after a burst that warms up its connections."""
    results = {}
    async with PEERS[peer](url) as federate:
        for level in levels:
            await load(federate, level, seconds / 4)
            results[str(level)] = await load(federate, level, seconds)
    return results


if __name__ == "__main__":
    order = json.loads(sys.argv[1])
    pin(order.pop("core", 1))
    backend = order.pop("backend", "asyncio")
    options = {"use_uvloop": True} if order["peer"].endswith("uvloop") else {}
    found = anyio.run(lambda: measure(**order), backend=backend, backend_options=options)
    print(json.dumps(found))
