"""The page of bench_site: figures with their limits, what the time is made of, plots beside it."""

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

COLD_UP_SECONDS_MAX, ENGINE_SECONDS_MAX, SECOND_RUN_RATIO_MAX, IDLE_MIB_MAX = 600.0, 600.0, 0.40, 2048.0
SLOWEST = 15
PLOTS = {
    "site-steps": ("cold_up_steps", "s"),
    "site-first": ("first_tasks", "s"),
    "site-second": ("second_tasks", "s"),
    "site-idle": ("idle_mib", "MiB"),
}


def limits(figures: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Figure and limit by name."""
    return {
        "cold `make up`, verification included, engine there, seconds": (figures["cold_up_s"], COLD_UP_SECONDS_MAX),
        "engine build from nothing, seconds": (figures["engine_build_s"], ENGINE_SECONDS_MAX),
        "converged second `site.yml` / first": (figures["second_s"] / figures["first_s"], SECOND_RUN_RATIO_MAX),
        "whole idle lab, MiB": (sum(figures["idle_mib"].values()), IDLE_MIB_MAX),
    }


def held(figures: Mapping[str, Any]) -> bool:
    """Whether no limit is exceeded."""
    return all(value <= limit for value, limit in limits(figures).values())


def write(figures: Mapping[str, Any], folder: Path) -> None:
    """Write site.json, site.md and the plots."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "site.json").write_text(json.dumps(figures, indent=2) + "\n")
    (folder / "site.md").write_text(page(figures))
    for name, (key, unit) in PLOTS.items():
        (folder / f"{name}.svg").write_text(bars(figures[key], unit))


def page(figures: Mapping[str, Any]) -> str:
    """The results as Markdown."""
    one, three = figures["one_host_first_tasks"], figures["first_tasks"]
    grown = {name: three[name] - one[name] for name in three if name in one}
    template = Environment(trim_blocks=True, undefined=StrictUndefined, autoescape=False).from_string(  # noqa: S701 — Markdown, and all that goes in is our own
        Path(__file__).with_name("site.md.j2").read_text()
    )
    return template.render(
        **figures,
        limits=limits(figures),
        slowest=slowest,
        common_s=sum(grown.values()),
        grown=slowest(grown)[:5],
        only_three={name: seconds for name, seconds in three.items() if name not in one},
    )


def slowest(rows: Mapping[str, float]) -> list[tuple[str, float]]:
    """The largest rows, largest first."""
    return sorted(rows.items(), key=lambda row: -row[1])[:SLOWEST]


def bars(rows: Mapping[str, float], unit: str) -> str:
    """An SVG of horizontal bars, longest first."""
    ordered = slowest(rows)
    largest = ordered[0][1] or 1.0
    lines = [
        f'<text x="0" y="{20 * at + 15}">{escape(name)[:62]}</text>'
        f'<rect x="440" y="{20 * at + 4}" width="{300 * value / largest:.0f}" height="13" fill="#0284c7"/>'
        f'<text x="{446 + 300 * value / largest:.0f}" y="{20 * at + 15}">{value:.1f} {unit}</text>'
        for at, (name, value) in enumerate(ordered)
    ]
    size = f'viewBox="0 0 840 {20 * len(ordered) + 8}"'
    style = 'font-family="system-ui, sans-serif" font-size="12"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{"".join(lines)}</svg>\n'
