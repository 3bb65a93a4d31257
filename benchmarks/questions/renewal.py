"""What do a hundred callers wait while their credentials are renewed?

Callers ask again and again; meanwhile the credentials come due, and a renewal takes 200 ms. Early
enough before the expiration nobody should wait; the one that renews is told apart by the maximum.
"""

from benchmarks.rig.processes import missing, worker
from benchmarks.rig.report import Answer, Plan, in_turns
from benchmarks.rig.server import running_server

ROWS = {"amplify_federation": "amplify_federation", "aiobotocore": "aiobotocore"}


def run(plan: Plan) -> dict[str, Answer]:
    """Measure the waits of all callers over one renewal."""
    answer = Answer("Waits of 100 callers over one early renewal", "ms", "aiobotocore")
    rows = [row for row, module in ROWS.items() if not missing(module)]
    with running_server(embedded=True, delay=0.2) as (url, _):

        def measure(row: str) -> None:
            for column, figure in (
                worker("benchmarks.workers.renewing", {"row": row, "url": url}) or {}
            ).items():
                answer.add(row, column, figure)

        in_turns(rows, plan.rounds, measure)
    return {"renewal": answer}
