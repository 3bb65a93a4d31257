"""What does it cost to ask for credentials that are fresh, as every request of a backend does?

Time per call in microseconds, and instructions per call (by `perf stat`, else by callgrind), which
are the same each time they are counted.
"""

import json
import sys

from benchmarks.rig.processes import instructions, missing, worker
from benchmarks.rig.report import Answer, Goal, Plan, in_turns
from benchmarks.rig.server import running_server
from benchmarks.workers.fresh import CALLS

US, AIOBOTOCORE = "amplify_federation", "aiobotocore"
FEW, MANY = 200, 2_200  # calls; their difference leaves the start of the process out
_WORKER = "benchmarks.workers.fresh"


def run(plan: Plan) -> dict[str, Answer]:
    """Time the calls in processes of their own, then count their instructions."""
    time = Answer(
        "A fresh fetch of credentials",
        "microseconds",
        AIOBOTOCORE,
        goals=(Goal("fresh fetch against aiobotocore", US, AIOBOTOCORE, 0.1),),
    )
    count = Answer("A fresh fetch of credentials", "instructions", AIOBOTOCORE)
    rows = [row for row in CALLS if row != AIOBOTOCORE or not missing("aiobotocore")]
    with running_server() as (url, _):

        def measure(row: str) -> None:
            calls = 2_000 if plan.quick else 20_000
            found = worker(_WORKER, {"row": row, "url": url, "calls": calls})
            if found is not None:
                time.add(row, "us", found)

        in_turns(rows, plan.rounds, measure)
        if not plan.quick:
            _count_all(count, rows, url)
    return (
        {"hot_path": time, "hot_path_instructions": count} if count.samples else {"hot_path": time}
    )


def _count_all(answer: Answer, rows: list[str], url: str) -> None:
    for row in rows:
        order = {"row": row, "url": url, "times": 1}
        counts = [
            instructions([sys.executable, "-m", _WORKER, json.dumps({**order, "calls": calls})])
            for calls in (FEW, MANY)
        ]
        if None not in counts:
            few, many = counts
            answer.add(row, "count", (many - few) / (MANY - FEW))  # type: ignore[operator]  # no None
