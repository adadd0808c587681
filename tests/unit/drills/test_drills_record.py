"""Drills go on where they were, and their page tells what was measured."""

import json
from pathlib import Path

from tests.drills import page, record
from tests.drills.record import FAILED, NOT_RUN, PASSED, Drill, Record

GOOD = Drill(
    "test_a_thing_is_broken[by hand]",
    PASSED,
    61.4,
    "2026-11-29T10:00+00:00",
    [("catching up", 3.5, "s")],
    commit="0a1b2c3",
)
BAD = Drill("test_another", FAILED, 5, "2026-11-29T10:00+00:00", [("waiting", 7, "segments")], reason="a | b")


def test_an_unfinished_run_goes_on_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    first = Record(path)
    first.add(BAD)
    first.add(GOOD)
    again = Record(path)
    assert again.drills == {BAD.name: BAD, GOOD.name: GOOD}
    assert again.passed() == {GOOD.name}
    assert again.finished([GOOD.name])
    assert not again.finished([GOOD.name, BAD.name])


def test_a_repeated_drill_takes_the_place_of_its_failure(tmp_path: Path) -> None:
    kept = Record(tmp_path / "run.json")
    kept.add(BAD)
    kept.add(Drill(BAD.name, PASSED, 4, BAD.date))
    assert Record(kept.path).passed() == {BAD.name}


def test_a_new_run_has_nothing_of_the_old_one(tmp_path: Path) -> None:
    kept = Record(tmp_path / "run.json")
    kept.add(GOOD)
    kept.forget()
    assert Record(kept.path).drills == {}


def test_a_drill_that_nobody_has_run_is_told_of(tmp_path: Path) -> None:
    kept = Record(tmp_path / "run.json")
    kept.add(GOOD)
    shown = kept.of([GOOD.name, BAD.name])
    assert [drill.outcome for drill in shown] == [PASSED, NOT_RUN]
    assert "not run      0 s  Another" in record.table(shown)
    page.write("backup", shown, {"command": "", "machine": "", "date": ""}, tmp_path)
    text = (tmp_path / "drills-backup.md").read_text("utf-8")
    assert "1 of 2 drills passed" in text
    assert "| Another | **not run** |  |   |  |" in text


def test_the_table_prints_each_figure_with_its_unit() -> None:
    text = record.table([GOOD, BAD])
    assert "A thing is broken (by hand)" in text
    assert "3.5 s  catching up" in text
    assert "7 segments  waiting" in text
    assert "a | b" in text


def test_only_times_of_drills_that_passed_are_plotted_each_under_its_drill() -> None:
    svg = page.plot([GOOD, BAD])
    assert svg.index("A thing is broken (by hand)") < svg.index("catching up") < svg.index("3.5 s")
    assert "Another" not in svg
    assert page.plot([]).startswith("<svg")


def test_the_page_tells_outcomes_and_figures(tmp_path: Path) -> None:
    about = {"command": "make drills GROUP=backup", "machine": "2 cores", "date": "2026-11-29T11:00+00:00"}
    page.write("backup", [GOOD, BAD], about, tmp_path)
    text = (tmp_path / "drills-backup.md").read_text("utf-8")
    assert "1 of 2 drills passed" in text
    assert "| A thing is broken (by hand) | passed | 61 s | 2026-11-29T10:00 0a1b2c3 | catching up: 3.5 s |" in text
    assert r"**failed**: a \| b" in text
    assert "![seconds](drills-backup.svg)" in text
    assert (tmp_path / "drills-backup.svg").read_text("utf-8").startswith("<svg")
    kept = json.loads((tmp_path / "drills-backup.json").read_text("utf-8"))
    assert [drill["outcome"] for drill in kept["drills"]] == ["passed", "failed"]
