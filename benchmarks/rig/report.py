"""What a question's answer is, and how it is shown: one table, JSON, the goals.

A sample is one round's figure. Shown are medians, the spread over the rounds (half the distance
from the smallest to the largest, in percent of the median) and the ratio to a reference row: the
median of the ratios within each round, since a machine is slower in one round than in another.
"""

import json
import os
import platform
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

Samples = dict[str, dict[str, list[float]]]  # row -> column -> one figure per round


@frozen
class Plan:
    """How much is measured: the short form takes under a minute and judges nothing."""

    quick: bool
    rounds: int
    out: Path


@frozen
class Goal:
    """A goal of the project: the `ratio` of two rows, at least or at most `bound`."""

    text: str
    row: str
    reference: str
    bound: float
    at_least: bool = False
    column: str | None = None  # any, if not given

    def verdicts(self, answer: "Answer") -> list[str]:
        """Return one line per column that has both rows, with the extremes of the rounds."""
        lines = []
        for column in [self.column] if self.column else answer.columns():
            rounds = answer.ratios(self.row, self.reference, column)
            if not rounds:
                continue
            ratio = statistics.median(rounds)
            met = ratio >= self.bound if self.at_least else ratio <= self.bound
            sign = ">=" if self.at_least else "<="
            word = "met" if met else "MISSED"
            among = f"; {min(rounds):.2f} to {max(rounds):.2f}" if len(rounds) > 1 else ""
            verdict = f"{ratio:.2f} ({sign} {self.bound:g}{among})"
            lines.append(f"{word:6} {column}: {self.text}: {verdict}")
        return lines


@define
class Answer:
    """The figures that answer one question."""

    question: str
    unit: str
    reference: str
    samples: Samples = field(factory=dict)
    goals: tuple[Goal, ...] = ()
    notes: list[str] = field(factory=list)

    def add(self, row: str, column: str, figure: float) -> None:
        """Keep one round's figure."""
        self.samples.setdefault(row, {}).setdefault(column, []).append(figure)

    def columns(self) -> list[str]:
        """Return the columns in the order of their first figures."""
        return list(dict.fromkeys(column for row in self.samples.values() for column in row))

    def median(self, row: str, column: str) -> float | None:
        """Return the median over the rounds, or `None` without figures."""
        figures = self.samples.get(row, {}).get(column)
        return statistics.median(figures) if figures else None

    def ratios(self, row: str, reference: str, column: str) -> list[float]:
        """Return the ratio of two rows in each round; empty without figures of both."""
        ours, theirs = (self.samples.get(each, {}).get(column, []) for each in (row, reference))
        return ratios(ours, theirs)

    def lines(self) -> list[str]:
        """Return the table: median, spread and ratio for each row and column."""
        columns = self.columns()
        rows = [["", *columns]]
        rows += [[row, *(self._cell(row, column) for column in columns)] for row in self.samples]
        widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
        shown = [
            "  ".join(
                cell.ljust(width) if index == 0 else cell.rjust(width)
                for index, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        return [f"{self.question} [{self.unit}; x: times {self.reference}]", *shown, *self.notes]

    def verdicts(self) -> list[str]:
        """Return one line for each goal and column that has figures."""
        return [line for goal in self.goals for line in goal.verdicts(self)]

    def _cell(self, row: str, column: str) -> str:
        middle = self.median(row, column)
        if middle is None:
            return "-"
        figures = self.samples[row][column]
        spread = (max(figures) - min(figures)) / 2 / middle * 100 if middle else 0
        rounds = self.ratios(row, self.reference, column)
        ratio = f" {statistics.median(rounds):.2f}x" if rounds else ""
        return f"{shown(middle)} ±{spread:.0f}%{ratio}"


def ratios(ours: list[float], theirs: list[float]) -> list[float]:
    """Return the ratio of two rows' figures in each round; empty without figures of both.

    Where a round of one has failed, it is the one ratio of the medians.
    """
    if not ours or not theirs or not all(theirs):
        return []
    if len(ours) != len(theirs):
        return [statistics.median(ours) / statistics.median(theirs)]
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]


def machine() -> dict[str, Any]:
    """Describe the machine, as far as figures depend on it."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
    }


def write_json(path: Path, answers: dict[str, Answer], details: dict[str, Any]) -> None:
    """Write all samples beside the machine that they were taken on."""
    content = {
        "machine": machine(),
        **details,
        "answers": {
            name: {
                "question": answer.question,
                "unit": answer.unit,
                "reference": answer.reference,
                "samples": answer.samples,
                "verdicts": answer.verdicts(),
            }
            for name, answer in answers.items()
        },
    }
    path.write_text(json.dumps(content, indent=1) + "\n")


def in_turns(rows: list[str], rounds: int, measure: Callable[[str], None]) -> None:
    """Measure each row once per round, forwards and backwards in turn."""
    for number in range(rounds):
        for row in rows if number % 2 == 0 else reversed(rows):
            measure(row)


def shown(figure: float) -> str:
    """Return a figure with three digits that count."""
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), ""
    )
