"""The monthly plan of capacity, of the samples that maintenance_cron's freelance_capacity.py has taken on each host."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from platform_pages.drawing import BOTTOM, LEFT, TOP, WARNING, Canvas, moment, size

DAY_S = 86400
MONTH_S = 30 * DAY_S
DAYS_MIN = 3
# What was before says little of what comes.
FIT_S = 90 * DAY_S
# What is further away is nothing to plan by.
HORIZON_S = 5 * 365 * DAY_S
PLOT_HEIGHT = 120
BYTES, COUNT, MILLISECONDS = "bytes", "count", "ms"

Point = tuple[float, float]
Series = dict[str, Any]  # points: list of Point; limit: float or None; unit
Volumes = Mapping[str, Sequence[Mapping[str, Any]]]  # host -> what the contract says of its volumes


def shares(thresholds: Mapping[str, Any], volumes: Volumes) -> dict[str, float]:
    """Tell up to which share a volume may be used, by its series' name. One that is not named may be full."""
    of_purpose = {
        "wal": thresholds["wal_volume_used_percent_max"] / 100,
        "repository": 1 - thresholds["repository_free_percent_min"] / 100,
    }
    return {
        f"{host} disk {volume['mount']}": of_purpose[volume["purpose"]]
        for host, of_host in volumes.items()
        for volume in of_host
        if volume["purpose"] in of_purpose
    }


def free(taken: Mapping[str, Any], volumes: Volumes) -> float | None:
    """Return the bytes that are free where a sample's host keeps its data; None where that is not known."""
    mounts = [volume["mount"] for volume in volumes.get(taken["host"], []) if volume["purpose"] == "data"]
    used, total = taken["gauges"].get(f"disk {mounts[0]}", (None, None)) if mounts else (None, None)
    return None if used is None or total is None else max(0.0, total - used)


def series(samples: Iterable[Mapping[str, Any]], thresholds: Mapping[str, Any], volumes: Volumes) -> dict[str, Series]:
    """Put samples of all hosts in order of time, one series for each thing that grows."""
    usable = shares(thresholds, volumes)
    made: dict[str, Series] = {}

    def add(name: str, unit: str, at: float, value: float, limit: float | None = None) -> None:
        one = made.setdefault(name, {"points": [], "limit": None, "unit": unit})
        one["points"].append((at, float(value)))
        one["limit"] = limit

    for taken in sorted(samples, key=lambda each: float(each["at"])):
        at, host = float(taken["at"]), taken["host"]
        for name, (used, limit) in taken["gauges"].items():
            unit = BYTES if name == "memory" or name.startswith("disk ") else COUNT
            # Whoever leads: there is one of them.
            full = name if name == "connections" else f"{host} {name}"
            add(full, unit, at, used, limit * usable.get(full, 1))
        room = free(taken, volumes)
        for kind in ("databases", "tables"):
            for name, amount in (taken.get(kind) or {}).items():
                # As if it grew alone.
                add(f"{kind.removesuffix('s')} {name}", BYTES, at, amount, None if room is None else amount + room)
        if queries := taken.get("queries"):
            if queries["calls"]:
                add("queries, mean time", MILLISECONDS, at, queries["total_ms"] / queries["calls"])
            add("queries slower than 100 ms on average", COUNT, at, queries["slow"])
    return made


def trend(points: Sequence[Point], now: float) -> tuple[float, float] | None:
    """Fit the last 90 days by least squares: growth per second and value at 0; None with fewer than three days."""
    lately = [point for point in points if now - point[0] <= FIT_S]
    if len({int(at // DAY_S) for at, _ in lately}) < DAYS_MIN:
        return None
    line = statistics.linear_regression([at for at, _ in lately], [value for _, value in lately])
    return line.slope, line.intercept


def reached(value: float, limit: float | None, line: tuple[float, float] | None, now: float) -> str:
    """Return the day on which a limit is reached, if its value goes on to grow as it did."""
    if limit is None:
        return ""
    if value >= limit:
        return "reached"
    if line is None:
        return "no trend yet"
    # The line through the samples, not the last of them, is what goes on.
    growth, start = line
    if growth <= 0 or (at := (limit - start) / growth) - now > HORIZON_S:
        return "not within 5 years"
    return moment(max(at, now))[:10]


def written(value: float, unit: str) -> str:
    """Write a value for people."""
    return size(value) if unit == BYTES else f"{value:.1f} ms" if unit == MILLISECONDS else f"{value:.0f}"


def plot(name: str, one: Series) -> str:
    """Draw the samples and the limit of one series."""
    points, limit, unit = one["points"], one["limit"], one["unit"]
    canvas = Canvas(name, PLOT_HEIGHT, points[0][0], points[-1][0])
    top = max([value for _, value in points] + ([limit] if limit else [])) or 1

    def y(value: float) -> float:
        return TOP + PLOT_HEIGHT * (1 - value / top)

    canvas.text(4, TOP + 10, written(top, unit))
    canvas.text(4, TOP + PLOT_HEIGHT, "0")
    if limit:
        canvas.line((LEFT, y(limit)), (canvas.x(canvas.last), y(limit)), WARNING)
    drawn = [(canvas.x(at), y(value)) for at, value in points]
    canvas.path(drawn, "#1565c0")
    for (x, height), (at, value) in zip(drawn, points, strict=True):
        canvas.dot(x, height, "#1565c0", f"{moment(at)}: {written(value, unit)}", radius=BOTTOM / 10)
    return str(canvas)


def plan(
    looks: Sequence[Sequence[Mapping[str, Any]]], now: float, thresholds: Mapping[str, Any], volumes: Volumes
) -> dict[str, Any]:
    """Lay out the plan: rows of words, a plot for each row, and how much there is to go by."""
    samples = [taken for look in looks for taken in look]
    days = len({int(float(taken["at"]) // DAY_S) for taken in samples})
    rows, plots = [], []
    for name, one in sorted(series(samples, thresholds, volumes).items()):
        points, limit, unit = one["points"], one["limit"], one["unit"]
        line = trend(points, now)
        rows.append(
            [
                name,
                written(points[-1][1], unit),
                written(limit, unit) if limit is not None else "",
                f"{100 * points[-1][1] / limit:.0f} %" if limit else "",
                written(line[0] * MONTH_S, unit) if line else "no trend yet",
                reached(points[-1][1], limit, line, now),
            ]
        )
        plots.append({"name": name, "drawing": plot(name, one)})
    newest = [look[-1] for look in looks if look]
    problems = [f"{taken['host']}: {problem}" for taken in newest for problem in taken.get("problems", [])]
    notes = []
    if days < DAYS_MIN:
        notes.append(f"There is no trend yet: samples of {days} day(s), at least {DAYS_MIN} are needed.")
    if problems:
        notes.append(f"Not all answered: {'; '.join(problems)}.")
    elif not any(taken.get("databases") for taken in newest):
        notes.append("No host leads: nothing new is known of the databases.")
    return {"made": moment(now), "rows": rows, "plots": plots, "note": " ".join(notes), "problems": problems}
