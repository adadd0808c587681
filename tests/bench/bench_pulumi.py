"""Time and memory of the Pulumi program, as ratios measured in one run.

    python tests/bench/bench_pulumi.py [--runs 5] [--engine] [--json FILE]        with FILE, its page is beside it

Each figure is the median of runs in fresh interpreters that find their modules compiled, as any run but the first does.
Limits: a mocked run of the AWS stack under 3 s and 150 MB. Measure on an idle machine (the load is printed).
`--engine` adds previews through the real engine with the recording provider. Exit status 1 when a limit is exceeded.
"""

import argparse
import importlib
import json
import os
import platform
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
SECONDS_MAX, MEGABYTES_MAX = 3.0, 150.0
PRELUDE = f"import sys; sys.path[:0] = ['{ROOT}/tests/unit/pulumi', '{ROOT}/pulumi']; "
# What any program with these resources pays before its first line: the SDK and the provider's modules.
FLOOR = (
    "import pulumi, pulumi_aws as aws; aws.ec2.Vpc, aws.ebs.Volume, aws.s3.Bucket, aws.kms.Key, aws.iam.Role, aws.vpc"
)
MOCKED = "from pulumi_recorder import record; record('production', max_connections=2000, database_hosts={hosts})"
FLOOR_CASE, LIMITED_CASE = "SDK and provider imported (floor)", "mocked run, 3 database hosts"
CASES = {
    FLOOR_CASE: FLOOR,
    LIMITED_CASE: MOCKED.format(hosts=3),
    "mocked run, 9 database hosts": MOCKED.format(hosts=9),
    "mocked run, second in the same process": MOCKED.format(hosts=3) + "; again(lambda: record('production'))",
}
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
    """Return seconds of a first preview, `up` and an empty preview through the real engine."""
    sys.path.insert(0, str(ROOT / "tests/engine"))
    workspace = importlib.import_module("engine_workspace")  # the tests' own; only with --engine

    def timed(run: Callable[[], object]) -> Figures:
        began = time.perf_counter()
        before = sum(os.times()[2:4])
        run()
        return {"seconds": time.perf_counter() - began, "cpu_seconds": sum(os.times()[2:4]) - before}

    with tempfile.TemporaryDirectory() as home:
        engine = workspace.make_engine(Path(home))
        engine.run("stack", "init", settings={})
        return {
            "engine: first preview": timed(lambda: engine.run("preview", settings={})),
            "engine: up": timed(engine.up),
            "engine: preview without changes": timed(lambda: engine.run("preview", "--expect-no-changes", settings={})),
            "engine: preview that is refused": timed(
                lambda: engine.run("preview", settings={"database_hosts": 2}, check=False)
            ),
        }


def compared(figures: Mapping[str, Figures]) -> dict[str, Any]:
    """Return the figures, each with its ratio to the floor, the limits by what they limit, and whether all hold."""
    floor = figures[FLOOR_CASE]["cpu_seconds"]
    rows = {name: {**row, "cpu_to_floor": row["cpu_seconds"] / floor} for name, row in figures.items()}
    limits = {"seconds": SECONDS_MAX, "megabytes": MEGABYTES_MAX}
    held = all(rows[LIMITED_CASE][unit] < limit for unit, limit in limits.items())
    return {"figures": rows, "limits": {LIMITED_CASE: limits}, "held": held}


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
    parser.add_argument("--engine", action="store_true", help="measure the real engine too (about 40 s)")
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
