"""The page of a group of drills: each with its outcome and figures, what was measured in seconds as a plot."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from tests.bench.site_page import bars
from tests.drills.record import Drill, in_seconds, results


def write(group: str, drills: Sequence[Drill], about: Mapping[str, Any], folder: Path) -> None:
    """Write drills-GROUP.json, .md and .svg."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = results(drills, about)
    (folder / f"drills-{group}.json").write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    seconds = in_seconds(drills)
    if seconds:
        (folder / f"drills-{group}.svg").write_text(bars(seconds, "s"), "utf-8")
    text = page(group, figures, plotted=bool(seconds))
    (folder / f"drills-{group}.md").write_text(text, "utf-8")


def page(group: str, figures: Mapping[str, Any], *, plotted: bool) -> str:
    """The results as Markdown."""
    template = Environment(trim_blocks=True, undefined=StrictUndefined, autoescape=False).from_string(  # noqa: S701 — Markdown, and all that goes in is our own
        Path(__file__).with_name("page.md.j2").read_text("utf-8")
    )
    return template.render(**figures, group=group, plotted=plotted)
