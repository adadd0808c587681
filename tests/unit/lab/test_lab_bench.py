"""What the benches make of what they measured: nothing is lost, each figure stands beside its limit."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from lab.paths import ROOT
from tests.bench import bench_pulumi, bench_site, site_page
from tests.bench.application import page as application_page
from tests.bench.backup import page as backup_page
from tests.drills import page as drills_page
from tests.drills.record import Drill

PRINTED = """
Saturday 28 November 2026  02:11:02 +0000 (0:00:00.500)       0:00:07.000 *****
===============================================================================
tls_certificate : Configure | Make keys and signing requests ------------ 2.50s
cache : Install | Install Valkey ---------------------------------------- 1.00s
tls_certificate : Configure | Make keys and signing requests ------------ 1.25s
"""


def test_a_task_of_several_plays_is_counted_in_each() -> None:
    found = bench_site.tasks(PRINTED)
    assert found == {
        "tls_certificate : Configure | Make keys and signing requests": 3.75,
        "cache : Install | Install Valkey": 1.0,
    }


def test_the_page_says_what_a_run_took_beside_its_tasks() -> None:
    figures: dict[str, Any] = json.loads((ROOT / "docs/results/site.json").read_text(encoding="utf-8"))
    figures |= {"second_tasks": {"a": 2.0, "b": 1.5}, "second_s": 10.0}
    assert "their sum | 6.5 |" in site_page.page(figures)


@pytest.mark.parametrize(
    ("case", "changed", "row"),
    [
        ("", {}, ""),
        ("LIMITED_CASE", {"seconds": 3.0}, "mocked run, 3 database hosts, seconds | 3.00 | 3.00"),
        ("LIMITED_CASE", {"megabytes": 150.0}, "mocked run, 3 database hosts, megabytes | 150.00 | 150.00"),
        ("GROWN_CASE", {"cpu_seconds": 5.5}, "CPU above the floor, 30 hosts to 3 | 10.00 | 10.00"),
        ("UP_CASE", {"seconds": 30.0}, "engine: up, seconds for each resource | 0.30 | 0.30"),
        ("EMPTY_CASE", {"seconds": 31.0}, "engine: preview without changes, seconds for each resource | 0.31 | 0.30"),
    ],
)
def test_the_pulumi_page_has_ratios_and_limits(case: str, changed: dict[str, float], row: str) -> None:
    engine = {"seconds": 10.0, "cpu_seconds": 12.0, "resources": 100}
    figures: dict[str, dict[str, float]] = {
        bench_pulumi.FLOOR_CASE: {"seconds": 0.5, "cpu_seconds": 0.5, "megabytes": 90.0},
        bench_pulumi.LIMITED_CASE: {"seconds": 1.0, "cpu_seconds": 1.0, "megabytes": 110.0},
        bench_pulumi.GROWN_CASE: {"seconds": 2.0, "cpu_seconds": 2.0, "megabytes": 120.0},
        bench_pulumi.UP_CASE: dict(engine),
        bench_pulumi.EMPTY_CASE: dict(engine),
    }
    if case:
        figures[getattr(bench_pulumi, case)] |= changed
    compared = bench_pulumi.compared(figures)
    page = bench_pulumi.page({**compared, "command": "x", "machine": "x", "load": 1, "date": "x"})
    assert compared["held"] is not bool(case)
    assert "| 2.00 | 2.00 | 4.00 | 120 |  |  |" in page or case == "GROWN_CASE"
    assert f"| {row} | **exceeded** |" in page if case else "**exceeded**" not in page


def subject(**changed: Any) -> dict[str, Any]:
    part = {"title": "Keys", "about": "", "limits": {}, "figures": {}, "failed": "", "date": "x", "seconds": 1.0}
    return part | {"postgresql": {"server_version": "17", "shared_buffers": "128MB"}} | changed


def results(**subjects: dict[str, Any]) -> dict[str, Any]:
    return {"command": "x", "machine": "x", "load_before": 1, "date": "x", "trial": False, "subjects": subjects}


@pytest.mark.parametrize(
    ("limit", "value", "held", "row"),
    [
        (["max", 50.0], 50.0, True, "| median_ms | 50 | ≤ 50 | held |"),
        (["max", 50.0], 50.1, False, "| median_ms | 50.1 | ≤ 50 | **exceeded** |"),
        (["min", 2.0], 2.0, True, "| median_ms | 2 | ≥ 2 | held |"),
        (["min", 2.0], 1.96, False, "| median_ms | 1.96 | ≥ 2 | **exceeded** |"),
    ],
)
def test_a_figure_of_the_application_stands_beside_its_limit(
    limit: list[Any], value: float, held: bool, row: str
) -> None:
    found = results(keys=subject(figures={"median_ms": value, "rows": 1_234_567}, limits={"median_ms": limit}))
    page = application_page.page(found)
    assert application_page.held(found) is held
    assert row in page
    assert "| rows | 1,234,567 |  |  |" in page
    assert "`shared_buffers` 128MB" in page


def test_a_subject_that_failed_leaves_the_others_their_figures_and_is_told() -> None:
    fine = subject(figures={"v4_rows_per_s": 100.0, "v7_rows_per_s": 250.0})
    found = results(keys=fine, pages=subject(title="Pages", limits={"ratio": ["min", 1.0]}, failed="Error: no room"))
    assert "**Failed:** Error: no room" in application_page.page(found)
    assert "| v7_rows_per_s | 250 |" in application_page.page(found)
    assert not application_page.held(found)
    assert application_page.plots(found).keys() == {"application-keys"}


def test_the_pages_that_are_kept_are_those_of_the_figures_beside_them() -> None:
    folder = ROOT / "docs/results"
    kept = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in folder.glob("*.json")}
    assert kept.keys() >= {"pulumi", "site", "application"}
    pages: dict[str, Callable[[Any], str]] = {
        "pulumi": bench_pulumi.page,
        "site": site_page.page,
        "application": application_page.page,
    }
    pages |= {"backup": backup_page.page, "drills-backup": partial(drills_page.page, "backup")}
    assert {name: (folder / f"{name}.md").read_text(encoding="utf-8") for name in kept} == {
        name: pages[name](figures) for name, figures in kept.items()
    }
    plots = {plot: site_page.bars(kept["site"][figures], unit) for plot, (figures, unit) in site_page.PLOTS.items()}
    assert not kept["application"]["trial"]
    plots |= application_page.plots(kept["application"])
    plots |= backup_page.plots(kept["backup"]) if "backup" in kept else {}
    if "drills-backup" in kept:
        drills = [{name: drill[name] for name in drill if name != "title"} for drill in kept["drills-backup"]["drills"]]
        plots["drills-backup"] = drills_page.plot([Drill(**drill) for drill in drills])
    assert {file.stem: file.read_text(encoding="utf-8") for file in folder.glob("*.svg")} == plots
