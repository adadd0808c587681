"""What a backup may take of processors, held to in the benchmark's hosts, which share this machine's kernel."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.errors import LabError
from lab.shell import as_root, run

AUTOGROUP = "kernel.sched_autogroup_enabled"
CONTROLLER = Path("/sys/fs/cgroup/cpu")
GROUP = CONTROLLER / "freelance-bench"
PERIOD_US = 100_000  # systemd's CPUQuotaPeriodSec


def backup_processes() -> int:
    """Of one backup: by the rule of ansible/playbooks/group_vars/all.yml."""
    return max(1, (os.cpu_count() or 1) // 4)


def backup_cpu_percent() -> int:
    """What backups may take of the database host's processors, in percent of one: likewise."""
    return 100 * (os.cpu_count() or 1) // 8


@contextmanager
def weighed() -> Iterator[None]:
    """Have the kernel share processors out by program: the repository's host is to take none from the other's clients.

    By session, as is its default, what runs there would get as much as PostgreSQL, whatever its policy.
    """
    asked = run(["sysctl", "--values", AUTOGROUP], check=False).stdout.strip() == "1"
    if asked:
        run(as_root(["sysctl", "--quiet", f"{AUTOGROUP}=0"]))
    try:
        yield
    finally:
        if asked:
            run(as_root(["sysctl", "--quiet", f"{AUTOGROUP}=1"]))


@contextmanager
def limited(server: str) -> Iterator[None]:
    """Hold a server, named by its words, to its unit's CPUWeight and CPUQuota, as the kernel of a host of its own does.

    LabError where this machine has no such controller (that of version 1): where its containers have one of version 2,
    the unit is held to them without this.
    """
    found = run(["pgrep", "--full", "--exact", server]).stdout.split()
    quota_us = PERIOD_US * backup_cpu_percent() // 100
    values = {"cpu.idle": 1, "cpu.cfs_period_us": PERIOD_US, "cpu.cfs_quota_us": quota_us}
    if not (CONTROLLER / "cgroup.procs").exists():
        raise LabError(f"{CONTROLLER}: no controller of processors of version 1: the benchmark can't limit backups")
    run(as_root(["mkdir", "--parents", GROUP]))
    try:
        for name, value in values.items():
            _write(GROUP / name, value)
        for process in found:
            _write(GROUP / "cgroup.procs", process)
        yield
    finally:
        for process in run(["cat", GROUP / "cgroup.procs"], check=False).stdout.split():
            _write(CONTROLLER / "cgroup.procs", process, check=False)  # it may have ended by now
        run(as_root(["rmdir", GROUP]))


def _write(file: Path, value: object, *, check: bool = True) -> None:
    run(as_root(["tee", file]), stdin=str(value), check=check)
