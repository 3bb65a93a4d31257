"""The documents show the figures that were kept, and those alone."""

import json
from pathlib import Path

import pytest

from benchmarks.rig.tables import DOCUMENT, FIGURES, README, markdown, publish, with_rows_of

ROOT = Path(__file__).parents[2]
MACHINE = {"cores": 2, "processor": "a processor", "python": "3.11.7"}


def answered(samples, *, quick=False):
    answer = {
        "question": "Throughput",
        "unit": "federations/s",
        "reference": "theirs",
        "samples": samples,
        "verdicts": ["met    1: ours: 3.00 (>= 2)"],
    }
    return {"machine": MACHINE, "quick": quick, "rounds": 3, "answers": {"throughput": answer}}


def test_the_documents_show_what_was_measured():
    kept = json.loads((ROOT / FIGURES).read_text(encoding="utf-8"))
    assert markdown(kept) in (ROOT / DOCUMENT).read_text(encoding="utf-8")
    readme = (ROOT / README).read_text(encoding="utf-8")
    assert with_rows_of(readme, kept) == readme


def test_publishing_replaces_the_answer_and_leaves_the_others(tmp_path):
    results, figures, document, readme = (tmp_path / name for name in ("r.json", "f", "d", "m"))
    figures.write_text(json.dumps({"other": {"machine": MACHINE, "rounds": 1, **_other()}}))
    document.write_text("before\n<!-- figures -->\nold\n<!-- end of figures -->\nafter\n")
    readme.write_text("## Speed\n\n| ours | 9.00 |  |\n| else | 1 |\n\n## Next\n\n| ours | 9 |\n")
    ours, theirs = {"1": [30.0, 10.0, 20.0]}, {"1": [5.0], "10": [0.5]}
    results.write_text(json.dumps(answered({"ours": ours, "theirs": theirs})))
    publish(results, figures, document, readme)
    text = document.read_text()
    assert text.startswith("before\n<!-- figures -->\n")
    assert text.endswith("<!-- end of figures -->\nafter\n")
    assert "| ours | 4.00 |  |" in text
    assert "| theirs | 1.00 | 1.00 |" in text
    assert "| theirs, federations/s | 5 | 0.5 |" in text
    assert "    met    1: ours: 3.00 (>= 2)" in text
    assert "Medians of 3 rounds; 2 cores of a processor, Python 3.11.7." in text
    assert "| a row | 120 |" in text  # of the answer that was kept
    assert "old" not in text
    assert "| ours | 4.00 |  |\n| else | 1 |\n\n## Next\n\n| ours | 9 |" in readme.read_text()


def test_a_smoke_test_is_not_published(tmp_path):
    results = tmp_path / "r.json"
    results.write_text(json.dumps(answered({}, quick=True)))
    with pytest.raises(ValueError, match="without --quick"):
        publish(results, tmp_path / "f", tmp_path / "d", tmp_path / "m")


def _other():
    samples = {"a row": {"a column": [120.0]}}
    return {"question": "Other", "unit": "ms", "reference": "", "samples": samples}
