"""What the benches make of what they measured: nothing is lost, each figure stands beside its limit."""

import json
from typing import Any

import pytest

from lab.paths import ROOT
from tests.bench import bench_pulumi, bench_site, site_page

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


@pytest.mark.parametrize(("seconds", "held"), [(2.9, True), (3.0, False)])
def test_the_pulumi_page_has_ratios_and_limits(seconds: float, held: bool) -> None:
    row = {"seconds": 0.5, "cpu_seconds": 0.5, "megabytes": 90.0}
    slow = {"seconds": seconds, "cpu_seconds": 1.0, "megabytes": 110.0}
    compared = bench_pulumi.compared({bench_pulumi.FLOOR_CASE: row, bench_pulumi.LIMITED_CASE: slow})
    page = bench_pulumi.page({**compared, "command": "x", "machine": "x", "load": 1, "date": "x"})
    assert compared["held"] is held
    assert f"| {bench_pulumi.LIMITED_CASE} | {seconds:.2f} | 1.00 | 2.00 | 110 |" in page
    verdict = "held" if held else "**exceeded**"
    assert f"| {bench_pulumi.LIMITED_CASE}, seconds | {seconds:.2f} | 3.00 | {verdict} |" in page


def test_the_pages_that_are_kept_are_those_of_the_figures_beside_them() -> None:
    results = ROOT / "docs/results"
    kept = json.loads((results / "pulumi.json").read_text(encoding="utf-8"))
    assert (results / "pulumi.md").read_text(encoding="utf-8") == bench_pulumi.page(kept)
    kept = json.loads((results / "site.json").read_text(encoding="utf-8"))
    assert (results / "site.md").read_text(encoding="utf-8") == site_page.page(kept)
    for plot, (figures, unit) in site_page.PLOTS.items():
        assert (results / f"{plot}.svg").read_text(encoding="utf-8") == site_page.bars(kept[figures], unit)
