"""Time and memory of the Pulumi program, as ratios measured in one run.

    python tests/bench/bench_pulumi.py [--runs 5] [--no-engine] [--json FILE]     with FILE, its page is beside it

Each figure is the median of runs in fresh interpreters that find their modules compiled, as any run but the first does;
the real engine, with the recording provider in the place of AWS, runs once. Measure on an idle machine (the load is
printed). Exit status 1 when a limit is exceeded.
"""

import argparse
import importlib
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

ROOT = Path(__file__).parents[2]
PRELUDE = f"import sys; sys.path[:0] = ['{ROOT}/tests/unit/pulumi', '{ROOT}/pulumi']; "
# What any program with these resources pays before its first line: the SDK and the provider's modules.
DECLARED = (ROOT / "tests/golden/production/resources.yaml").read_text(encoding="utf-8")
USED = sorted({f"aws.{module}.{name}" for module, name in re.findall(r"^aws:(\w+)/\w+:(\w+) ", DECLARED, re.MULTILINE)})
FLOOR = f"import pulumi, pulumi_aws as aws; {', '.join(USED)}"
# Thirty database hosts are more than settings, addresses and contract let in: the limit is lifted to see the growth.
MOCKED = (
    "from infra import limits; limits.DATABASE_HOSTS_MAX = {most}; from pulumi_recorder import record; "
    "record('production', max_connections=4000, database_hosts={hosts})"
)
FLOOR_CASE, FEW, MANY = "SDK and provider imported (floor)", 3, 30
CASES = {
    FLOOR_CASE: FLOOR,
    **{f"mocked run, {hosts} database hosts": MOCKED.format(hosts=hosts, most=MANY) for hosts in (FEW, 10, MANY)},
    "mocked run, second in the same process": MOCKED.format(hosts=FEW, most=MANY)
    + "; again(lambda: record('production'))",
}
LIMITED_CASE, GROWN_CASE = f"mocked run, {FEW} database hosts", f"mocked run, {MANY} database hosts"
UP_CASE, EMPTY_CASE = "engine: up", "engine: preview without changes"
SECONDS_MAX, MEGABYTES_MAX, SECONDS_PER_RESOURCE_MAX = 3.0, 150.0, 0.3
GROWTH_MAX = MANY / FEW  # at most linear
MEASURE = """
import json, resource, time
def again(run):
    global began, cpu
    began, cpu = time.perf_counter(), time.process_time()
    run()
began, cpu = time.perf_counter(), time.process_time()
{code}
print(json.dumps([time.perf_counter() - began, time.process_time() - cpu,
                  resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""
Figures = dict[str, float]


def mocked(code: str, runs: int, compiled: str) -> Figures:
    """Run code in fresh interpreters; return median wall and CPU seconds, the largest MB.

    `compiled` is a folder for compiled modules: a first run that is not counted fills it.
    """
    program = PRELUDE + MEASURE.format(code=code)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    found = []
    for _ in range(runs + 1):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={**environment, "PYTHONPYCACHEPREFIX": compiled},
        )
        found.append(json.loads(done.stdout.splitlines()[-1]))
    wall, cpu, memory = zip(*found[1:], strict=True)
    return {"seconds": statistics.median(wall), "cpu_seconds": statistics.median(cpu), "megabytes": max(memory)}


def engine_figures() -> dict[str, Figures]:
    """Return seconds of a first preview, `up` and what follows through the real engine, and the number of resources."""
    sys.path.insert(0, str(ROOT / "tests/engine"))
    workspace = importlib.import_module("engine_workspace")  # the tests' own; only with an engine

    def timed(run: Callable[[], object], **figures: float) -> Figures:
        began = time.perf_counter()
        before = sum(os.times()[2:4])
        run()
        return {"seconds": time.perf_counter() - began, "cpu_seconds": sum(os.times()[2:4]) - before, **figures}

    with tempfile.TemporaryDirectory() as home:
        engine = workspace.make_stack(Path(home), "production")
        first = timed(lambda: engine.run("preview"))
        up = timed(lambda: engine.run("up", "--yes", "--skip-preview"))
        resources = {"resources": len(engine.state())}
        return {
            "engine: first preview": first | resources,
            UP_CASE: up | resources,
            EMPTY_CASE: timed(lambda: engine.run("preview", "--expect-no-changes"), **resources),
            "engine: refresh": timed(lambda: engine.run("refresh", "--yes", "--skip-preview"), **resources),
            "engine: preview that is refused": timed(
                lambda: engine.run("preview", settings={"database_hosts": 2}, check=False)
            ),
        }


def compared(figures: Mapping[str, Figures]) -> dict[str, Any]:
    """Return the figures, each with its ratio to the floor, what is limited, and whether all limits hold."""
    floor = figures[FLOOR_CASE]["cpu_seconds"]
    rows = {name: {**row, "cpu_to_floor": row["cpu_seconds"] / floor} for name, row in figures.items()}
    # What grows is the program's own part.
    growth = (rows[GROWN_CASE]["cpu_seconds"] - floor) / (rows[LIMITED_CASE]["cpu_seconds"] - floor)
    limited = [
        (f"{LIMITED_CASE}, seconds", rows[LIMITED_CASE]["seconds"], SECONDS_MAX),
        (f"{LIMITED_CASE}, megabytes", rows[LIMITED_CASE]["megabytes"], MEGABYTES_MAX),
        (f"CPU above the floor, {MANY} hosts to {FEW}", growth, GROWTH_MAX),
        *(
            (f"{name}, seconds for each resource", rows[name]["seconds"] / rows[name]["resources"], most)
            for name, most in ((UP_CASE, SECONDS_PER_RESOURCE_MAX), (EMPTY_CASE, SECONDS_PER_RESOURCE_MAX))
            if name in rows
        ),
    ]
    limits = [
        {"what": what, "measured": measured, "limit": most, "held": measured < most} for what, measured, most in limited
    ]
    return {"figures": rows, "limits": limits, "held": all(limit["held"] for limit in limits)}


def page(results: Mapping[str, Any]) -> str:
    """Return the results as Markdown."""
    template = Environment(trim_blocks=True, undefined=StrictUndefined, autoescape=False).from_string(  # noqa: S701 — Markdown, and all that goes in is our own
        Path(__file__).with_name("pulumi.md.j2").read_text(encoding="utf-8")
    )
    return template.render(**results)


def main() -> int:
    """Measure, print the page, and tell whether the limits hold."""
    parser = argparse.ArgumentParser(description="Time and memory of the Pulumi program")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument(
        "--engine", action=argparse.BooleanOptionalAction, default=True, help="the real engine too (a minute)"
    )
    parser.add_argument("--json", type=Path, help="write the figures to a file, and the page beside it")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as compiled:
        figures = {name: mocked(code, given.runs, compiled) for name, code in CASES.items()}
    if given.engine:
        figures |= engine_figures()
    results = {
        "command": " ".join(["python", *sys.argv]),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "load": round(os.getloadavg()[0], 1),
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        **compared(figures),
    }
    print(page(results))
    if given.json:
        given.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
        given.json.with_suffix(".md").write_text(page(results), encoding="utf-8")
    return 0 if results["held"] else 1


if __name__ == "__main__":
    sys.exit(main())
