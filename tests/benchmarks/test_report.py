"""How a benchmark's figures are shown and judged."""

import json

import pytest

from benchmarks.rig.report import Answer, Goal, in_turns, write_json


@pytest.fixture
def answer():
    answer = Answer("Q", "ms", "theirs", goals=(Goal("ours", "ours", "theirs", 0.5),))
    for figure in (10.0, 30.0, 20.0):
        answer.add("ours", "1", figure)
        answer.add("theirs", "1", figure * 2.5)
    answer.add("theirs", "10", 7.0)
    return answer


def test_the_table_has_medians_spreads_and_ratios(answer):
    title, head, ours, theirs = answer.lines()
    assert title == "Q [ms; x: times theirs]"
    assert head.split() == ["1", "10"]
    assert ours.split() == ["ours", "20", "±50%", "0.40x", "-"]
    assert theirs.split() == ["theirs", "50", "±50%", "1.00x", "7", "±0%", "1.00x"]


def test_a_goal_is_judged_where_both_rows_have_figures(answer):
    assert answer.goals[0].verdicts(answer) == ["met    1: ours: 0.40 (<= 0.5; 0.40 to 0.40)"]
    strict = Goal("ours", "ours", "theirs", 0.3)
    assert strict.verdicts(answer) == ["MISSED 1: ours: 0.40 (<= 0.3; 0.40 to 0.40)"]
    more = Goal("ours", "ours", "theirs", 0.3, at_least=True)
    assert more.verdicts(answer) == ["met    1: ours: 0.40 (>= 0.3; 0.40 to 0.40)"]
    elsewhere = Goal("ours", "ours", "theirs", 0.3, column="10")
    assert elsewhere.verdicts(answer) == []


def test_a_goal_is_judged_by_the_ratio_within_each_round():
    answer = Answer("Q", "ms", "theirs", goals=(Goal("ours", "ours", "theirs", 1.0),))
    for ours, theirs in ((10.0, 11.0), (100.0, 120.0), (20.0, 15.0)):  # medians: 20 and 15
        answer.add("ours", "1", ours)
        answer.add("theirs", "1", theirs)
    assert answer.verdicts() == ["met    1: ours: 0.91 (<= 1; 0.83 to 1.33)"]
    assert answer.lines()[2].endswith(" 0.91x")
    answer.add("ours", "1", 30.0)  # theirs failed in this round: the medians are 25 and 15
    assert answer.verdicts() == ["MISSED 1: ours: 1.67 (<= 1)"]


def test_rows_are_measured_forwards_and_backwards_in_turn():
    seen = []
    in_turns(["a", "b", "c"], 3, seen.append)
    assert "".join(seen) == "abccbaabc"


def test_all_samples_are_written_beside_the_machine(answer, tmp_path):
    write_json(tmp_path / "r.json", {"q": answer}, {"rounds": 3})
    content = json.loads((tmp_path / "r.json").read_text())
    assert content["answers"]["q"]["samples"]["ours"]["1"] == [10.0, 30.0, 20.0]
    assert content["machine"]["python"]
    assert content["rounds"] == 3
