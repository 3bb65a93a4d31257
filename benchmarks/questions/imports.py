"""What does `import amplify_federation` cost a process, beside its peers and what it stands on?

The package loads what is named; so does anyio. A second row names what every program needs.
"""

from benchmarks.rig.processes import missing, time_processes
from benchmarks.rig.report import Answer, Goal, Plan

US, NAMED = "amplify_federation", "from amplify_federation import FederatedAuth"
_CODES = {
    "python, nothing imported": ("", ()),
    "anyio, attrs": ("import anyio, attrs", ("anyio", "attrs")),
    US: ("import amplify_federation", ("amplify_federation",)),
    NAMED: (NAMED, ("amplify_federation",)),
    "httpx": ("import httpx", ("httpx",)),
    "boto3": ("import boto3", ("boto3",)),
    "aiobotocore": ("import aiobotocore.session", ("aiobotocore",)),
}
OWN = 20  # ms that our own code may add


def run(plan: Plan) -> dict[str, Answer]:
    """Time whole processes."""
    answer = Answer(
        "Import, as a whole process",
        "ms",
        "httpx",
        goals=(
            Goal("import against httpx", US, "httpx", 0.85),
            Goal("import of FederatedAuth against httpx", NAMED, "httpx", 0.85),
        ),
    )
    codes = {row: code for row, (code, needs) in _CODES.items() if not missing(*needs)}
    time_processes(answer, plan, codes)
    for column in () if plan.quick else answer.columns():
        for row in (US, NAMED):
            ours, below = answer.median(row, column), answer.median("anyio, attrs", column)
            if ours is not None and below is not None:
                word = "met" if ours - below <= OWN else "MISSED"
                cost = f"{row}, beside anyio and attrs: {ours - below:.1f} (<= {OWN})"
                answer.notes.append(f"{word:6} {column}: {cost}")
    return {"imports": answer}
