"""What bringing the site up costs: cold, again, with one host and with three, and what the idle lab takes.

    python -m tests.bench.bench_site [--results FOLDER]       about 25 minutes, DESTROYS and remakes the lab

Figures of one run on one machine; ratios are what counts. Limits: `make up` without the engine's build 10 minutes,
a converged second `site.yml` 40 % of the first, 2 GiB of memory for the idle lab. Exit status 1 when one is exceeded.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab.paths import LOGS, ROOT, STATE

UP_SECONDS_MAX, SECOND_RUN_RATIO_MAX, IDLE_MIB_MAX = 600.0, 0.40, 2048.0
SETTLE_S = 60  # after the play: caches filled by it are written, autovacuum has had a turn
SLOWEST = 15
# Every task with its time, not only the slowest twenty.
PROFILE = {"PROFILE_TASKS_TASK_OUTPUT_LIMIT": "all", "ANSIBLE_NOCOLOR": "1"}


def activated(*argv: str, environment: dict[str, str] | None = None) -> str:
    """Run a command as a user does after `source activate.sh`; its output. CalledProcessError when it fails."""
    done = subprocess.run(
        ["bash", "-c", 'source activate.sh && exec "$@"', "bash", *argv],
        cwd=ROOT,
        env={**os.environ, **PROFILE, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)} failed:\n{(done.stdout + done.stderr)[-4000:]}")
    return done.stdout


def fresh_up() -> dict[str, float]:
    """Seconds of each step of `make up` from nothing; the engine, the image and the packages are cached."""
    activated("lab/run", "destroy", environment={"YES": "1"})
    activated("lab/run", "up", "--no-verification")
    times = json.loads((STATE / "times.json").read_text())
    return {step["name"]: step["seconds"] for step in times["steps"]}


def tasks(output: str) -> dict[str, float]:
    """Seconds of each task as `profile_tasks` printed them."""
    rows = re.findall(r"^(\S.*?) -+ (\d+\.\d+)s$", output, re.MULTILINE)
    return {name: float(seconds) for name, seconds in rows}


def site() -> tuple[float, dict[str, float]]:
    """One run of site.yml: wall seconds, seconds of each task."""
    began = time.monotonic()
    output = activated("ansible-playbook", "ansible/playbooks/site.yml")
    return time.monotonic() - began, tasks(output)


def idle_mib() -> dict[str, float]:
    """Memory of each host in MiB without page cache, one minute after the last play."""
    time.sleep(SETTLE_S)
    rows = json.loads(activated("podman", "--remote", "stats", "--no-stream", "--format", "json"))
    units = {"kB": 1 / 1000, "MB": 1.0, "GB": 1000.0}
    found = {}
    for row in rows:
        number, unit = re.match(r"([\d.]+)\s*(\w+)", row["mem_usage"]).groups()  # type: ignore[union-attr]  # podman's own format
        found[row["name"]] = float(number) * units[unit] * 1e6 / 2**20
    return found


def measure() -> dict[str, Any]:
    """Everything, in one run."""
    figures: dict[str, Any] = {"up_steps": fresh_up()}
    first_log = (LOGS / "up" / "site.log").read_text()
    figures["first_tasks"] = tasks(first_log)
    figures["first_s"] = figures["up_steps"]["site"]
    figures["second_s"], figures["second_tasks"] = site()
    figures["idle_mib"] = idle_mib()
    activated("lab/run", "destroy", environment={"YES": "1"})
    activated("lab/run", "part", "stack")
    activated("pulumi", "config", "set", "--stack", "lab", "database_hosts", "1")
    try:
        activated("lab/run", "up", "--no-verification")
        figures["one_host_first_s"] = json.loads((STATE / "times.json").read_text())["steps"][-2]["seconds"]
        figures["one_host_second_s"], _ = site()
    finally:
        activated("pulumi", "config", "rm", "--stack", "lab", "database_hosts")
    activated("lab/run", "destroy", environment={"YES": "1"})
    return figures


def verdicts(figures: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Figure and limit by name."""
    return {
        "cold `make up` without engine build and verification, seconds": (
            sum(seconds for name, seconds in figures["up_steps"].items() if name != "Pulumi engine"),
            UP_SECONDS_MAX,
        ),
        "second site.yml / first": (figures["second_s"] / figures["first_s"], SECOND_RUN_RATIO_MAX),
        "idle lab, MiB": (sum(figures["idle_mib"].values()), IDLE_MIB_MAX),
    }


def bars(rows: dict[str, float], unit: str) -> str:
    """An SVG of horizontal bars, longest first."""
    ordered = sorted(rows.items(), key=lambda row: -row[1])[:SLOWEST]
    largest = ordered[0][1] or 1.0
    lines = [
        f'<text x="0" y="{20 * at + 15}">{name.replace("&", "&amp;")[:62]}</text>'
        f'<rect x="440" y="{20 * at + 4}" width="{300 * value / largest:.0f}" height="13" fill="#0284c7"/>'
        f'<text x="{446 + 300 * value / largest:.0f}" y="{20 * at + 15}">{value:.1f} {unit}</text>'
        for at, (name, value) in enumerate(ordered)
    ]
    size = f'viewBox="0 0 840 {20 * len(ordered) + 8}"'
    style = 'font-family="system-ui, sans-serif" font-size="12"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{"".join(lines)}</svg>\n'


def page(about: dict[str, Any], figures: dict[str, Any]) -> str:
    """The results as a Markdown page; plots lie beside it."""
    rows = "\n".join(
        f"| {name} | {value:.2f} | {limit:.2f} | {'held' if value <= limit else '**exceeded**'} |"
        for name, (value, limit) in verdicts(figures).items()
    )
    growth = figures["first_s"] / figures["one_host_first_s"]
    return f"""# What bringing the site up costs

`{about["command"]}` on {about["machine"]}, {about["date"]}.

| figure | measured | limit | |
|---|---|---|---|
{rows}

`site.yml` from nothing: {figures["one_host_first_s"]:.0f} s with one database host,
{figures["first_s"]:.0f} s with three (× {growth:.2f});
again: {figures["one_host_second_s"]:.0f} s and {figures["second_s"]:.0f} s.

Steps of `make up`:

![steps](site-steps.svg)

The slowest tasks of the first run, then of the second:

![first](site-first.svg)

![second](site-second.svg)
"""


def main() -> int:
    """Measure, keep the results, tell whether the limits hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=ROOT / "docs" / "results")
    given = parser.parse_args()
    about = {
        "command": "python -m tests.bench.bench_site",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
    }
    figures = measure()
    given.results.mkdir(parents=True, exist_ok=True)
    (given.results / "site.json").write_text(json.dumps({**about, **figures}, indent=2) + "\n")
    (given.results / "site.md").write_text(page(about, figures))
    (given.results / "site-steps.svg").write_text(bars(figures["up_steps"], "s"))
    (given.results / "site-first.svg").write_text(bars(figures["first_tasks"], "s"))
    (given.results / "site-second.svg").write_text(bars(figures["second_tasks"], "s"))
    print((given.results / "site.md").read_text())
    return 0 if all(value <= limit for value, limit in verdicts(figures).values()) else 1


if __name__ == "__main__":
    sys.exit(main())
