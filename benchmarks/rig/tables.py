"""The figures of `figures.json` as the tables of `benchmarks/README.md`, and of the README's.

A table shows ratios to the answer's reference, and last the reference's own figures; without a
reference it shows the figures. Nothing in the tables is written by hand.
"""

import json
import re
import shutil
import statistics
from pathlib import Path
from typing import Any

from benchmarks.rig.report import ratios, shown

Members = dict[str, Any]
FIGURES = Path("benchmarks", "figures.json")
DOCUMENT = Path("benchmarks", "README.md")
README = Path("README.md")
_SECTION = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- end of figures -->)", re.DOTALL)
_ROW = re.compile(r"^\| (?P<name>[^|]+) \|(?: +[^|]* \|)+$", re.MULTILINE)


def publish(results: Path, figures: Path, document: Path, readme: Path) -> None:
    """Keep the answers of some results, and write all that are kept into the documents."""
    new = json.loads(results.read_text(encoding="utf-8"))
    if new["quick"]:
        message = "A smoke test judges nothing: publish figures of a run without --quick."
        raise ValueError(message)
    kept = json.loads(figures.read_text(encoding="utf-8")) if figures.exists() else {}
    measured = {"machine": new["machine"], "rounds": new["rounds"]}
    for name, answer in new["answers"].items():
        kept[name] = {**measured, **answer}
    figures.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    for picture in results.parent.glob("*.svg"):
        shutil.copy(picture, document.parent / picture.name)
    text = document.read_text(encoding="utf-8")
    document.write_text(_SECTION.sub(lambda _: markdown(kept), text), encoding="utf-8")
    text = readme.read_text(encoding="utf-8")
    readme.write_text(with_rows_of(text, kept), encoding="utf-8")


def markdown(kept: Members) -> str:
    """Return the tables of all answers."""
    return "\n" + "\n".join("\n".join(_section(name, kept[name])) + "\n" for name in kept)


def with_rows_of(readme: str, kept: Members) -> str:
    """Return the README with its rows about speed as they were measured."""
    before, head, rest = readme.partition("## Speed\n")
    speed, end, after = rest.partition("\n## ")
    rows = {row.split(" |")[0]: row for row in _table(kept["throughput"])}

    def measured(found: re.Match[str]) -> str:
        return rows.get(found[0].split(" |")[0], found[0])

    return before + head + _ROW.sub(measured, speed) + end + after


def _section(name: str, answer: Members) -> list[str]:
    machine = answer["machine"]
    reference = answer["reference"]
    unit = f"in {answer['unit']}" if answer["unit"] != "see each row" else "units in the rows"
    relative = f", relative to {reference}" if reference in answer["samples"] else ""
    lines = [f"### {name}", "", f"{answer['question']}, {unit}{relative}.", *_table(answer), ""]
    lines += [f"    {line}" for line in answer.get("verdicts", ())]
    place = f"{machine['cores']} cores of {machine['processor']}, Python {machine['python']}"
    rounds = f"{answer['rounds']} round{'s' if answer['rounds'] != 1 else ''}"
    return [*lines, "", f"Medians of {rounds}; {place}."]


def _table(answer: Members) -> list[str]:
    samples, reference = answer["samples"], answer["reference"]
    columns = list(dict.fromkeys(column for row in samples.values() for column in row))
    bar = f"|{'---|' * (len(columns) + 1)}"
    lines = ["", f"| | {' | '.join(columns)} |", bar]
    theirs = samples.get(reference)
    for row, cells in samples.items():
        texts = [_cell(cells.get(column), theirs and theirs.get(column)) for column in columns]
        lines.append(f"| {row} | {' | '.join(texts)} |")
    if theirs:
        texts = [_cell(theirs.get(column), None) for column in columns]
        lines.append(f"| {reference}, {answer['unit']} | {' | '.join(texts)} |")
    return lines


def _cell(figures: list[float] | None, theirs: list[float] | None) -> str:
    if not figures:
        return ""
    rounds = ratios(figures, theirs or [])
    return f"{statistics.median(rounds):.2f}" if rounds else shown(statistics.median(figures))
