"""Drawings as SVG inside a page: no scripts, nothing from elsewhere. Text is escaped by the XML library."""

import datetime
import xml.etree.ElementTree as ET
from collections.abc import Sequence

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 900, 110, 20, 10, 30
TICKS = 5
UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
STEP = 1024
INK, GRID, WARNING = "#222", "#ccc", "#b00020"


def epoch(written: float | str) -> float:
    """Return a time that a program wrote as a number or by ISO 8601."""
    return datetime.datetime.fromisoformat(written).timestamp() if isinstance(written, str) else float(written)


def moment(epoch: float) -> str:
    """Write a time for people; always UTC, as hosts of several zones meet on a page."""
    return datetime.datetime.fromtimestamp(epoch, datetime.UTC).strftime("%Y-%m-%d %H:%M")


def size(amount: float) -> str:
    """Write bytes for people."""
    for unit in UNITS[:-1]:
        if abs(amount) < STEP:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= STEP
    return f"{amount:.1f} {UNITS[-1]}"


def lasted(seconds: float) -> str:
    """Write how long something lasted, or how old it is."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


class Canvas:
    """A drawing whose x axis is time: `height` pixels, from `first` to `last` (epoch), described by `title`."""

    def __init__(self, title: str, height: int, first: float, last: float) -> None:
        self.first, self.last = first, max(last, first + 60)
        box = {"viewBox": f"0 0 {WIDTH} {height + TOP + BOTTOM}", "role": "img", "class": "plot"}
        self.root = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", **box})
        ET.SubElement(self.root, "title").text = title
        self.bottom = height + TOP
        for step in range(TICKS):
            at = self.first + (self.last - self.first) * step / (TICKS - 1)
            self.line((self.x(at), TOP), (self.x(at), self.bottom), GRID)
            anchor = {0: "start", TICKS - 1: "end"}.get(step, "middle")
            self.text(self.x(at), self.bottom + 18, moment(at), anchor)

    def x(self, epoch: float) -> float:
        """Return where a time lies."""
        return LEFT + (WIDTH - LEFT - RIGHT) * (epoch - self.first) / (self.last - self.first)

    def line(self, start: tuple[float, float], end: tuple[float, float], colour: str) -> None:
        """Draw a line between two points."""
        ends = {"x1": f"{start[0]:.1f}", "y1": f"{start[1]:.1f}", "x2": f"{end[0]:.1f}", "y2": f"{end[1]:.1f}"}
        ET.SubElement(self.root, "line", {**ends, "stroke": colour})

    def text(self, x: float, y: float, words: str, anchor: str = "start") -> None:
        """Write words."""
        place = {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor, "font-size": "11", "fill": INK}
        ET.SubElement(self.root, "text", place).text = words

    def dot(self, x: float, y: float, colour: str, words: str, radius: float = 5) -> None:
        """Draw a dot that says something when pointed at."""
        place = {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": f"{radius:g}", "fill": colour}
        ET.SubElement(ET.SubElement(self.root, "circle", place), "title").text = words

    def path(self, points: Sequence[tuple[float, float]], colour: str) -> None:
        """Join points."""
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        look = {"points": joined, "fill": "none", "stroke": colour, "stroke-width": "2"}
        ET.SubElement(self.root, "polyline", look)

    def __str__(self) -> str:
        return ET.tostring(self.root, encoding="unicode")
