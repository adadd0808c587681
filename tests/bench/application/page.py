"""The page of the application's benchmark: each subject's figures with their limits, plots beside it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from tests.bench.site_page import bars

# Of a subject, the figures whose names end so, which is their unit; those of the other end are the plot's lines.
PLOTS = {
    "application-keys": ("keys", "_rows_per_s", "rows/s"),
    "application-keys-wal": ("keys", "_wal_mib", "MiB"),
    "application-pages": ("pages", "_ms", "ms"),
    "application-partitions": ("partitions", "_s", "s"),
    "application-searching": ("searching", "_ms", "ms"),
    "application-routing": ("routing", "_statements", "statements"),
    "application-routing-visits": ("routing", "_ms", "ms"),
    "application-safeguards": ("safeguards", "_ratio", "times"),
}


def holds(value: float, limit: tuple[str, float]) -> bool:
    """Whether a figure is on the right side of its limit, ("min" or "max", limit)."""
    kind, bound = limit
    return value >= bound if kind == "min" else value <= bound


def held(results: Mapping[str, Any]) -> bool:
    """Whether every subject has its figures, and each with a limit holds it."""
    return all(
        not part["failed"] and all(holds(part["figures"][name], limit) for name, limit in part["limits"].items())
        for part in results["subjects"].values()
    )


def plots(results: Mapping[str, Any]) -> dict[str, str]:
    """The plots by name, as SVG; none of figures that are not there."""
    found = {}
    for name, (subject, ending, unit) in PLOTS.items():
        figures = results["subjects"].get(subject, {"figures": {}})["figures"]
        rows = {
            key.removesuffix(ending).replace("_", " "): value for key, value in figures.items() if key.endswith(ending)
        }
        if rows:
            found[name] = bars(rows, unit)
    return found


def number(value: float) -> str:
    """A figure in whole numbers, a small one to three digits."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def page(results: Mapping[str, Any]) -> str:
    """The results as Markdown."""
    template = Environment(trim_blocks=True, undefined=StrictUndefined, autoescape=False).from_string(  # noqa: S701 — Markdown, and all that goes in is our own
        Path(__file__).with_name("application.md.j2").read_text(encoding="utf-8")
    )
    shown: dict[str, list[str]] = {}
    for name in plots(results):
        shown.setdefault(PLOTS[name][0], []).append(name)
    return template.render(**results, plots=shown, number=number, holds=holds)


def write(results: Mapping[str, Any], folder: Path) -> None:
    """Write application.json, application.md and the plots, in the place of those of a run before."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("application-*.svg"):
        old.unlink()
    (folder / "application.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    (folder / "application.md").write_text(page(results), encoding="utf-8")
    for name, plot in plots(results).items():
        (folder / f"{name}.svg").write_text(plot, encoding="utf-8")
