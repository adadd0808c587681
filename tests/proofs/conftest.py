"""Proofs on the running lab, in the order of their files. They break things on purpose: never aim them elsewhere."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.host import clients
from tests.host.environment import ROOT, Environment

SITE = "ansible/playbooks/site.yml"
PLAY_SECONDS_MAX = 1200
# What a run may not change unseen: every file that a role wrote, every role and grant, and the server process itself.
SNAPSHOT = r"""
{ grep -rlsI 'Ansible managed' /etc | sort | xargs -r sha256sum
  find /etc/ssl/platform -type f -exec sha256sum {} + | sort -k2
  systemctl list-unit-files --state=enabled --no-legend --plain | awk '{print $1, $2}'
  if [ -S /run/postgresql/.s.PGSQL.5432 ]; then
    runuser -u postgres -- psql -XAtc "select pg_postmaster_start_time()"
    runuser -u postgres -- psql -XAtc "select rolname, rolsuper, rolconfig from pg_roles order by 1"
  fi; } 2>/dev/null
"""


@dataclass(frozen=True)
class Run:
    """What a run of ansible-playbook has done. `changed` holds (host, task) pairs."""

    code: int
    output: str
    seconds: float
    changed: list[tuple[str, str]] = field(default_factory=list)


def play(*arguments: str) -> Run:
    """Run ansible-playbook as a user does, bounded in time."""
    started = time.monotonic()
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    done = subprocess.run(
        ["ansible-playbook", *arguments],
        capture_output=True,
        text=True,
        timeout=PLAY_SECONDS_MAX,
        cwd=ROOT,
        env=environment,
        check=False,
    )
    task, changed = "", []
    for line in done.stdout.splitlines():
        if found := re.match(r"(?:TASK|RUNNING HANDLER) \[(.+)\] \*", line):
            task = found[1]
        elif found := re.match(r"changed: \[([^\] ]+)", line):
            changed.append((found[1], task))
    return Run(done.returncode, done.stdout + done.stderr, time.monotonic() - started, changed)


@pytest.fixture(scope="session")
def lab() -> Environment:
    return Environment("lab")


@pytest.fixture(scope="session")
def on(lab: Environment) -> Callable[[str, str], str]:
    """Run a command on a host as root; it must succeed."""

    def run(host: str, command: str) -> str:
        done = lab.connection(host).run(command)
        assert done.rc == 0, f"{host}: {command}: {done.stderr}{done.stdout}"
        return str(done.stdout).strip()

    return run


@pytest.fixture(scope="session")
def everywhere(lab: Environment, on: Callable[[str, str], str]) -> Callable[[str], dict[str, str]]:
    """Run a command on all hosts side by side."""

    def run(command: str) -> dict[str, str]:
        names = lab.hosts("all")
        with ThreadPoolExecutor(len(names)) as pool:
            return dict(zip(names, pool.map(lambda name: on(name, command), names), strict=True))

    return run


@pytest.fixture
def snapshot(everywhere: Callable[[str], dict[str, str]]) -> Callable[[], dict[str, str]]:
    return lambda: everywhere(SNAPSHOT)


@pytest.fixture
def members(lab: Environment) -> Callable[[], dict[str, dict[str, Any]]]:
    """Ask Patroni for the members, by any host that answers."""

    def ask() -> dict[str, dict[str, Any]]:
        command = "runuser -u postgres -- timeout 15 patronictl -c /etc/patroni/config.yml list -f json"
        for host in lab.hosts("database"):
            done = lab.connection(host).run(f"timeout 20 {command}")
            if done.rc == 0 and done.stdout.strip():
                return {member["Member"]: member for member in json.loads(done.stdout)}
        return {}

    return ask


@pytest.fixture
def leader(members: Callable[[], dict[str, dict[str, Any]]]) -> str:
    return next(name for name, member in members().items() if member["Role"] == "Leader")


@pytest.fixture(scope="session")
def card(lab: Environment) -> dict[str, Any]:
    run = play("ansible/playbooks/show_card.yml")
    assert run.code == 0, run.output[-2000:]
    return clients.card(lab)


def wait_for(what: str, condition: Callable[[], bool], seconds_max: float) -> float:
    """Wait until a condition holds; returns the seconds. Fails with `what` when the time is over."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds_max, f"{what}: not within {seconds_max:.0f} s"
        time.sleep(1)
    return time.monotonic() - started


def healthy(members: dict[str, dict[str, Any]], count: int) -> bool:
    """Tell whether all members run and one of them acknowledges commits."""
    states = [member["State"] in {"running", "streaming"} for member in members.values()]
    roles = {member["Role"] for member in members.values()}
    return len(states) == count and all(states) and "Leader" in roles and (count == 1 or "Quorum Standby" in roles)


@pytest.fixture
def altered_inventory(tmp_path: Path, lab: Environment) -> Callable[[Callable[[dict[str, Any]], None]], Path]:
    """Make an inventory of the lab whose contract a function has altered."""

    def make(alter: Callable[[dict[str, Any]], None]) -> Path:
        inventory = tmp_path / "inventory"
        shutil.copytree(ROOT / "inventories" / lab.name, inventory)
        contract = json.loads((ROOT / ".lab/contract.json").read_text(encoding="utf-8"))
        alter(contract)
        saved = tmp_path / "contract.json"
        saved.write_text(json.dumps(contract), encoding="utf-8")
        source = inventory / "pulumi_stack.yml"
        text = re.sub(r"(?m)^state_file:.*\n", "", source.read_text(encoding="utf-8"))
        source.write_text(re.sub(r"(?m)^contract_file:.*$", f"contract_file: {saved}", text), encoding="utf-8")
        return inventory

    return make
