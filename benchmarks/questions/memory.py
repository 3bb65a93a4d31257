"""What does a cached session weigh?

Bytes that Python allocated for each of many federated sessions in one process, their strings
included (1.7 KiB of them), by tracemalloc; and what the process grew by, as the system counts.
`FederatedAuth` has a memory store, which holds a copy of the session. So have the cached users, who
share it; in a further row their records are outside of the process.
"""

from benchmarks.rig.processes import worker
from benchmarks.rig.report import Answer, Plan, in_turns
from benchmarks.rig.server import running_server

FLOOR = "the strings alone (floor)"
CACHED = ("FederatedUsers.session_for", "the same, stored elsewhere")
ROWS = ("FederatedAuth", *CACHED, FLOOR)
BOUND = 2.5  # KiB per cached user


def run(plan: Plan) -> dict[str, Answer]:
    """Weigh sessions in processes of their own."""
    answer = Answer("Memory of a session", "KiB per session", FLOOR)
    sessions = 200 if plan.quick else 5_000
    with running_server() as (url, _):

        def measure(row: str) -> None:
            order = {"row": row, "url": url, "sessions": sessions}
            for column, figure in (worker("benchmarks.workers.weigh", order) or {}).items():
                answer.add(row, column, figure)

        in_turns(list(ROWS), 1 if plan.quick else min(plan.rounds, 2), measure)
    for row in () if plan.quick else CACHED:
        weight = answer.median(row, "allocated")
        if weight is not None:
            word = "met" if weight <= BOUND else "MISSED"
            answer.notes.append(f"{word:6} {row}: {weight:.2f} KiB (<= {BOUND})")
    return {"memory": answer}
