"""The page of a group of drills: each with its outcome and figures, what was measured in seconds as a plot."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from tests.drills.record import PASSED, Drill, results

ROW, LABEL, BAR = 20, 330, 380  # pixels: height of a row, where bars begin, how long the longest is


def write(group: str, drills: Sequence[Drill], about: Mapping[str, Any], folder: Path) -> None:
    """Write drills-GROUP.json, .md and .svg."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = results(drills, about)
    (folder / f"drills-{group}.json").write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    (folder / f"drills-{group}.svg").write_text(plot(drills), "utf-8")
    (folder / f"drills-{group}.md").write_text(page(group, figures), "utf-8")


def plot(drills: Sequence[Drill]) -> str:
    """An SVG with a bar for each time that was measured, under the drill that it belongs to."""
    timed = [(drill, [(what, value) for what, value, unit in drill.figures if unit == "s"]) for drill in drills]
    shown = [(drill, times) for drill, times in timed if times and drill.outcome == PASSED]
    longest = max((value for _, times in shown for _, value in times), default=0) or 1
    lines, at = [], 0
    for drill, times in shown:
        at += ROW
        lines.append(f'<text x="0" y="{at - 5}" font-weight="bold">{escape(drill.title)}</text>')
        for what, value in times:
            width = BAR * value / longest
            lines += [
                f'<text x="12" y="{at + 15}">{escape(what)}</text>',
                f'<rect x="{LABEL}" y="{at + 4}" width="{width:.0f}" height="13" fill="#0284c7"/>',
                f'<text x="{LABEL + 6 + width:.0f}" y="{at + 15}">{value:g} s</text>',
            ]
            at += ROW
        at += ROW // 2
    size = f'viewBox="0 0 {LABEL + BAR + 70} {at + 8}"'
    style = 'font-family="system-ui, sans-serif" font-size="12"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{"".join(lines)}</svg>\n'


def page(group: str, figures: Mapping[str, Any]) -> str:
    """The results as Markdown."""
    template = Environment(trim_blocks=True, undefined=StrictUndefined, autoescape=False).from_string(  # noqa: S701 — Markdown, and all that goes in is our own
        Path(__file__).with_name("page.md.j2").read_text("utf-8")
    )
    return template.render(**figures, group=group) + "\n"
