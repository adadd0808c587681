"""What bringing the site up costs: cold, again, with one host and with three, and what the idle lab takes.

    python -m tests.bench.bench_site [--results FOLDER]       about 25 minutes

Works in a clone of its own with caches of its own, so that cold means cold and no lab of yours is touched; only the
Debian packages of the machine are there already. Ratios of one run on one machine are what counts. Limits: a cold
`make up` in 10 minutes without the engine's build, 10 more for the build, a converged second `site.yml` in 40 % of the
first, 2 GiB of memory for the whole idle lab. Exit status 1 when one is exceeded.
"""

import argparse
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab import sandbox
from lab.paths import CACHE, ROOT
from tests.bench import idle_memory, site_page

SETTLE_S = 60  # after the play: caches filled by it are written, autovacuum has had a turn
CACHES = ("FREELANCE_CACHE", "GOCACHE", "GOMODCACHE", "PIP_CACHE_DIR", "UV_CACHE_DIR")
# What activate.sh and a virtual environment export.
ACTIVATED = ("VIRTUAL_ENV", "PULUMI_", "ANSIBLE_", "CONTAINER_", "FREELANCE_")
# Every task with its time, not only the slowest twenty.
PROFILE = {"PROFILE_TASKS_TASK_OUTPUT_LIMIT": "all", "ANSIBLE_NOCOLOR": "1", "CI": "true"}


class Clone:
    """A clone of this repository with empty caches, as on a new machine."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "clone"
        caches = {name: str(folder / name.lower()) for name in CACHES}
        # Nothing of an activated shell: it would lend the clone its tools, and an engine that is to be built here.
        kept = {key: value for key, value in os.environ.items() if not key.startswith(ACTIVATED)}
        lent = (str(ROOT), str(CACHE))
        path = os.pathsep.join(entry for entry in kept["PATH"].split(os.pathsep) if not entry.startswith(lent))
        self._environment = {**kept, **PROFILE, **caches, "PATH": path, "GOFLAGS": "-modcacherw", "YES": "1"}
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(self.root)], check=True)

    def run(self, *argv: str, activated: bool = True) -> str:
        """Run a command as a user does; its output. SystemExit with the end of it when it fails."""
        words = ["bash", "-c", 'source activate.sh && exec "$@"', "bash", *argv] if activated else [*argv]
        print(f"{datetime.now(UTC):%H:%M:%S}  {' '.join(argv)}", flush=True)
        done = subprocess.run(
            words,
            cwd=self.root,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(argv)} failed:\n{done.stdout[-4000:]}")
        return done.stdout

    def up(self) -> tuple[float, dict[str, float]]:
        """Run `make up`: wall seconds, and seconds of each step."""
        began = time.monotonic()
        self.run("make", "up", activated=False)
        seconds = time.monotonic() - began
        times = json.loads((self.root / ".lab/times.json").read_text())
        return seconds, {step["name"]: step["seconds"] for step in times["steps"]}

    def site(self) -> tuple[float, dict[str, float]]:
        """One run of site.yml: wall seconds, seconds of each task."""
        began = time.monotonic()
        output = self.run("ansible-playbook", "ansible/playbooks/site.yml")
        return time.monotonic() - began, tasks(output)

    def first_tasks(self) -> dict[str, float]:
        """Seconds of each task of the site.yml that `make up` ran."""
        return tasks((self.root / ".lab/logs/up/site.log").read_text())


def tasks(output: str) -> dict[str, float]:
    """Seconds of each task as `profile_tasks` printed them."""
    found: defaultdict[str, float] = defaultdict(float)
    for name, seconds in re.findall(r"^(\S.*?) -+ (\d+\.\d+)s$", output, re.MULTILINE):
        found[name] += float(seconds)  # a task's name comes again in another play
    return dict(found)


@contextmanager
def clone() -> Iterator[Clone]:
    """A clone that is gone afterwards with its lab. SystemExit while our own lab runs: there is room for one."""
    if sandbox.healthy():
        raise SystemExit(f"the lab of {ROOT} runs and a machine has room for one: run `make down`, then `make bench`")
    # Beside the repository: volumes and images want the space and the filesystem of where labs are.
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=ROOT.parent, ignore_cleanup_errors=True) as folder:
        made = Clone(Path(folder))
        try:
            yield made
        finally:
            made.run("make", "destroy", activated=False)


def measure(made: Clone) -> dict[str, Any]:
    """Everything in one run: the engine's build, three hosts from nothing, one from nothing, one grown to three."""
    figures: dict[str, Any] = {}
    began = time.monotonic()
    made.run("lab/engine/build", activated=False)
    figures["engine_build_s"] = time.monotonic() - began
    figures["cold_up_s"], figures["cold_up_steps"] = made.up()
    figures["first_s"], figures["first_tasks"] = figures["cold_up_steps"]["site"], made.first_tasks()
    figures["second_s"], figures["second_tasks"] = made.site()
    time.sleep(SETTLE_S)
    figures["idle_mib"] = idle_memory.by_program()
    made.run("make", "destroy", activated=False)
    made.run("lab/run", "part", "stack")
    made.run("pulumi", "config", "set", "--stack", "lab", "database_hosts", "1")
    _, steps = made.up()
    figures["one_host_first_s"], figures["one_host_first_tasks"] = steps["site"], made.first_tasks()
    figures["one_host_second_s"], _ = made.site()
    made.run("pulumi", "config", "set", "--stack", "lab", "database_hosts", "3")
    _, steps = made.up()
    figures["growth_s"], figures["growth_tasks"] = steps["site"], made.first_tasks()
    return figures


def main() -> int:
    """Measure, keep the results, tell whether the limits hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=ROOT / "docs" / "results")
    given = parser.parse_args()
    about = {
        "command": "python -m tests.bench.bench_site",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "load_before": round(os.getloadavg()[0], 1),
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
    }
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # the clone's lab is removed all the same
    with clone() as made:
        figures = {**about, **measure(made)}
    site_page.write(figures, given.results)
    print((given.results / "site.md").read_text())
    return 0 if site_page.held(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
