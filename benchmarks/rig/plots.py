"""The concurrency curve and the bars as SVG; skipped with a word if matplotlib is missing."""

from pathlib import Path
from typing import Any

from benchmarks.rig.report import Answer


def draw(answers: dict[str, Answer], out: Path) -> list[Path]:
    """Draw what was measured; return the files."""
    try:
        import matplotlib as mpl
    except ImportError:
        print("No plots: matplotlib is missing (pip install 'amplify-federation[bench]').")
        return []
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "amplify_federation"  # the same figures give the same file
    import matplotlib.pyplot as plt

    files = []
    for name, answer in answers.items():
        if name == "throughput":
            figure = _curve(plt, answer)
        elif name in {"imports", "cold_start", "restart"}:
            figure = _bars(plt, answer)
        else:
            continue
        files.append(out / f"{name}.svg")
        figure.savefig(files[-1], bbox_inches="tight", metadata={"Date": None})
        plt.close(figure)
    return files


def _curve(plt: Any, answer: Answer) -> Any:  # noqa: ANN401  # matplotlib is untyped here
    figure, axes = plt.subplots(figsize=(8, 4.5))
    columns = answer.columns()
    for row in answer.samples:
        points = [(int(column), answer.median(row, column)) for column in columns]
        known = [(level, rate) for level, rate in points if rate is not None]
        ours = row == "amplify_federation"
        axes.plot(*zip(*known, strict=True), marker="o", label=row, linewidth=3 if ours else 1.2)
    axes.set(xscale="log", yscale="log", xlabel="concurrent federations", ylabel=answer.unit)
    axes.set_title(answer.question)
    axes.grid(visible=True, which="both", alpha=0.25)
    axes.legend(fontsize="small", bbox_to_anchor=(1.01, 1), loc="upper left")
    return figure


def _bars(plt: Any, answer: Answer) -> Any:  # noqa: ANN401  # matplotlib is untyped here
    column = answer.columns()[0]
    rows = sorted(answer.samples, key=lambda row: -(answer.median(row, column) or 0))
    figure, axes = plt.subplots(figsize=(8, 0.6 + 0.45 * len(rows)))
    values = [answer.median(row, column) or 0 for row in rows]
    colours = ["C1" if row.startswith("amplify_federation") else "C0" for row in rows]
    axes.bar_label(axes.barh(rows, values, color=colours), fmt="%.0f", padding=3)
    axes.set(xlabel=answer.unit, title=answer.question)
    axes.margins(x=0.12)
    return figure
