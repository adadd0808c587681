"""The page of the backups' benchmark: figures with their goals, what the time is made of, plots beside it."""

import json
import statistics
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from tests.bench.backup import traffic
from tests.bench.site_page import bars

MIB = 2**20
RESTORE_RATIO_MIN, INCREMENTAL_RATIO_MAX, TPS_RATIO_MIN = 0.70, 0.10, 0.85
# Where windows alone differ by as much as a backup may cost, a figure of those beside one tells nothing.
DRIFT_MAX = 1 - TPS_RATIO_MIN
TPS = "transactions a second beside a full backup / alone"


def rates(results: Mapping[str, Any]) -> dict[str, float]:
    """MiB of the database a second, of each way that copies all of it."""
    ways = results["ways"].items()
    return {name: way["bytes"] / MIB / way["seconds"] for name, way in ways if not name.startswith("incremental")}


def goals(results: Mapping[str, Any]) -> dict[str, tuple[float, str, float]]:
    """Figure, "min" or "max", and goal by name."""
    rate, ways = rates(results), results["ways"]
    full_s = ways["full backup"]["seconds"]
    return {
        "rate of the full restore / `cp -a`": (rate["full restore"] / rate["cp -a"], "min", RESTORE_RATIO_MIN),
        "time of an incremental backup, 1 % changed in one table / full": (
            ways["incremental backup"]["seconds"] / full_s,
            "max",
            INCREMENTAL_RATIO_MAX,
        ),
        "the same, 1 % of each table": (
            ways["incremental backup, each table"]["seconds"] / full_s,
            "max",
            INCREMENTAL_RATIO_MAX,
        ),
        TPS: (statistics.median(rounds(results)), "min", TPS_RATIO_MIN),
    }


def holds(value: float, kind: str, goal: float) -> bool:
    """Whether a figure is on the right side of its goal."""
    return value >= goal if kind == "min" else value <= goal


def rounds(results: Mapping[str, Any]) -> list[float]:
    """Transactions a second of each window beside a backup, of the mean of those alone before and after it."""
    return _of_neighbours(results, traffic.BESIDE, 1)


def drift(results: Mapping[str, Any]) -> float:
    """How far the windows alone lie from the mean of those alone before and after them: the median, as a share."""
    return statistics.median(abs(1 - one) for one in _of_neighbours(results, traffic.ALONE, 2))


def _of_neighbours(results: Mapping[str, Any], when: str, apart: int) -> list[float]:
    """Transactions a second of such windows, of the mean of the two that are so many windows apart from them."""
    windows = results["clients"]
    inner = [n for n in range(apart, len(windows) - apart) if windows[n]["when"] == when]
    return [2 * windows[n]["tps"] / (windows[n - apart]["tps"] + windows[n + apart]["tps"]) for n in inner]


def judged(results: Mapping[str, Any]) -> dict[str, Any]:
    """What the figures come to: a verdict by goal, on pgbench where the machine was steady enough for one."""
    verdicts = {name: "reached" if holds(*goal) else "missed" for name, goal in goals(results).items()}
    if drift(results) > DRIFT_MAX:
        verdicts[TPS] = "not steady"
    return {"rounds": rounds(results), "drift": drift(results), "verdicts": verdicts}


def held(results: Mapping[str, Any]) -> bool:
    """Whether every goal is reached."""
    return set(judged(results)["verdicts"].values()) == {"reached"}


def plots(results: Mapping[str, Any]) -> dict[str, str]:
    """The plots by name, as SVG."""
    pieces = {
        f"{name}: {phase}": seconds
        for name, way in results["ways"].items()
        for phase, seconds in way["phases"].items()
        if seconds >= 0.1
    }
    latencies = {
        f"{number}, {window['when']}: {name.removesuffix('_ms')}": value
        for number, window in enumerate(results["clients"], 1)
        for name, value in window.items()
        if name.endswith("_ms")
    }
    return {
        "backup-rates": bars(rates(results), "MiB/s"),
        "backup-phases": bars(pieces, "s"),
        "backup-clients": bars(latencies, "ms"),
    }


def busy_percent(results: Mapping[str, Any], way: Mapping[str, Any]) -> float:
    """Share of the machine's processors that both hosts took meanwhile."""
    return float(100 * sum(way["cpu_s"].values()) / way["seconds"] / results["cores"])


def page(results: Mapping[str, Any]) -> str:
    """The results as Markdown."""
    template = Environment(trim_blocks=True, undefined=StrictUndefined, autoescape=False).from_string(  # noqa: S701 — Markdown, and all that goes in is our own
        Path(__file__).with_name("backup.md.j2").read_text(encoding="utf-8")
    )
    return template.render(
        {**results, **judged(results)},
        goals=goals(results),
        rates=rates(results),
        busy_percent=partial(busy_percent, results),
        mib=MIB,
        drift_max=DRIFT_MAX,
    )


def write(results: Mapping[str, Any], folder: Path) -> None:
    """Write backup.json, backup.md and the plots."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = json.dumps({**results, **judged(results)}, indent=2)
    (folder / "backup.json").write_text(figures + "\n", encoding="utf-8")
    (folder / "backup.md").write_text(page(results), encoding="utf-8")
    for name, plot in plots(results).items():
        (folder / f"{name}.svg").write_text(plot, encoding="utf-8")
