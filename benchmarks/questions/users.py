"""What does a hit among many cached users cost, and does it grow with their number?

CPU time per `FederatedUsers.session_for` of a known bearer token, over a memory store, with 1,000,
10,000 and 100,000 users in one process who were federated one by one: any user as likely as the
other, and most requests from a few. The floor is a SHA-256 of the token and a dictionary.
"""

from benchmarks.rig.processes import worker
from benchmarks.rig.report import Answer, Plan
from benchmarks.rig.server import running_server
from benchmarks.workers.hits import FLOOR, ROWS

USERS = (1_000, 10_000, 100_000)
FLAT = 1.5  # times: 100,000 users leave the processor's caches, which the floor shows, too


def run(plan: Plan) -> dict[str, Answer]:
    """Fill one process with users, and stop to measure on the way."""
    answer = Answer("A hit among many cached users", "microseconds of CPU", FLOOR)
    steps = (20, 100) if plan.quick else USERS
    hits = 50 if plan.quick else 20_000
    with running_server() as (url, _):
        # Once, whatever the rounds: it takes three minutes, and counts the best of five anyway.
        order = {"url": url, "steps": steps, "hits": hits}
        for row, figures in (worker("benchmarks.workers.hits", order) or {}).items():
            for users, figure in figures.items():
                answer.add(row, f"{int(users):,} users", figure)
    for row in () if plan.quick else ROWS:
        few, many = (answer.median(row, f"{users:,} users") for users in (USERS[0], USERS[-1]))
        if few and many:
            word = "met" if many <= FLAT * few else "MISSED"
            answer.notes.append(f"{word:6} {row}: {many / few:.2f} times as much (<= {FLAT})")
    return {"users": answer}
