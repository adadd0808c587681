"""Time and memory of the Pulumi program, as ratios measured in one run.

    python tests/bench/bench_pulumi.py [--runs 5] [--engine] [--json FILE]

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
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECONDS_MAX, MEGABYTES_MAX = 3.0, 150.0
PRELUDE = f"import sys; sys.path[:0] = ['{ROOT}/tests/unit/pulumi', '{ROOT}/pulumi']; "
# What any program with these resources pays before its first line: the SDK and the provider's modules.
FLOOR = (
    "import pulumi, pulumi_aws as aws; aws.ec2.Vpc, aws.ebs.Volume, aws.s3.Bucket, aws.kms.Key, aws.iam.Role, aws.vpc"
)
MOCKED = "from pulumi_recorder import record; record('production', max_connections=2000, database_hosts={hosts})"
CASES = {
    "SDK and provider imported (floor)": FLOOR,
    "mocked run, 3 database hosts": MOCKED.format(hosts=3),
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


def main() -> int:
    """Measure, print a table, and tell whether the limits hold."""
    parser = argparse.ArgumentParser(description="Time and memory of the Pulumi program")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--engine", action="store_true", help="measure the real engine too (about 40 s)")
    parser.add_argument("--json", type=Path, help="write the figures to a file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as compiled:
        figures = {name: mocked(code, given.runs, compiled) for name, code in CASES.items()}
    if given.engine:
        figures |= engine_figures()
    floor = figures["SDK and provider imported (floor)"]["cpu_seconds"]
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    about = {
        "command": " ".join(["python", *sys.argv]),
        "machine": machine,
        "load": round(os.getloadavg()[0], 1),
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
    }
    show = sys.stdout.write
    show("".join(f"{key}: {value}\n" for key, value in about.items()))
    show(f"{'':42}{'wall s':>8}{'CPU s':>8}{'CPU / floor':>13}{'MB':>7}\n")
    for name, row in figures.items():
        memory = f"{row['megabytes']:7.0f}" if "megabytes" in row else ""
        show(f"{name:42}{row['seconds']:8.2f}{row['cpu_seconds']:8.2f}{row['cpu_seconds'] / floor:13.2f}{memory}\n")
    limited = figures["mocked run, 3 database hosts"]
    held = limited["seconds"] < SECONDS_MAX and limited["megabytes"] < MEGABYTES_MAX
    verdict = "held" if held else "EXCEEDED"
    show(f"limits: {SECONDS_MAX} s and {MEGABYTES_MAX:.0f} MB for the mocked run: {verdict}\n")
    if given.json:
        given.json.write_text(
            json.dumps({**about, "figures": figures, "held": held}, indent=2) + "\n", encoding="utf-8"
        )
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
