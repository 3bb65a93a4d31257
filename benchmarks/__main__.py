"""`python -m benchmarks [QUESTION ...] [--quick]`: measure, print, write JSON, draw.

Without a question all are asked. `--quick` is a smoke test: under a minute, nothing is judged.
`--publish` writes the figures into `benchmarks/README.md` and the README, and the pictures there.
"""

import argparse
import importlib
from pathlib import Path

from benchmarks.rig.plots import draw
from benchmarks.rig.report import Answer, Plan, machine, write_json
from benchmarks.rig.tables import DOCUMENT, FIGURES, README, publish

QUESTIONS = (
    "throughput",
    "renewal",
    "hot_path",
    "signatures",
    "imports",
    "cold_start",
    "restart",
    "serverless",
    "memory",
    "users",
    "fleet",
    "load",
    "file_store",
)


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("question", nargs="*", help=f"one of {', '.join(QUESTIONS)}; or all")
    parser.add_argument("--quick", action="store_true", help="a smoke test of under a minute")
    parser.add_argument("--rounds", type=int, default=0, help="alternating rounds; 5 by default")
    parser.add_argument("--publish", action="store_true", help="write the documents anew")
    parser.add_argument("--out", type=Path, default=Path("benchmarks", "results"))
    chosen = parser.parse_args(arguments)
    strange = set(chosen.question) - set(QUESTIONS)
    if strange:
        parser.error(f"no such question: {', '.join(sorted(strange))}")
    plan = Plan(chosen.quick, chosen.rounds or (1 if chosen.quick else 5), chosen.out)
    plan.out.mkdir(parents=True, exist_ok=True)
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    answers: dict[str, Answer] = {}
    for question in chosen.question or QUESTIONS:
        module = importlib.import_module(f"benchmarks.questions.{question}")
        for name, answer in module.run(plan).items():
            answers[name] = answer
            _show(answer, plan)
    details = {"quick": plan.quick, "rounds": plan.rounds}
    write_json(plan.out / "results.json", answers, details)
    for file in (plan.out / "results.json", *draw(answers, plan.out)):
        print(file)
    if chosen.publish:
        publish(plan.out / "results.json", FIGURES, DOCUMENT, README)


def _show(answer: Answer, plan: Plan) -> None:
    print("", *answer.lines(), sep="\n")
    if not plan.quick and answer.goals:
        print(*answer.verdicts(), sep="\n")


if __name__ == "__main__":
    main()
