"""Proofs on the running lab, in the order of their files. They break things on purpose: never aim them elsewhere."""

import json
import re
import shlex
import shutil
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from tests.host import clients, redaction
from tests.host.environment import ROOT, Environment
from tests.proofs.tools import MEMBERS, Members, Snapshot, leader_of, play, script, scripts

LOOK_FILES = Path(__file__).with_name("look_files.sh").read_text(encoding="utf-8")
LOOK = LOOK_FILES + Path(__file__).with_name("look.sh").read_text(encoding="utf-8")
LOOK_SERVICES = Path(__file__).with_name("look_services.sh").read_text(encoding="utf-8")
NEW_LAB = "test_0_new_lab.py"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The check of a new lab runs only when it is asked for by its name: the others need hosts that are in use."""
    if not any(NEW_LAB in argument for argument in config.args):
        left_out = [item for item in items if item.path.name == NEW_LAB]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let no secret into the output: scripts hold some."""
    made = yield
    redaction.redact(made)
    return made


@pytest.fixture(scope="session")
def lab() -> Environment:
    return Environment("lab")


@pytest.fixture(scope="session")
def on(lab: Environment) -> Callable[[str, str], str]:
    """Run a command on a host as root; it must succeed."""
    return lambda host, command: script(lab, host, command)


@pytest.fixture(scope="session")
def everywhere(lab: Environment) -> Callable[[str], dict[str, str]]:
    """Run a command on all hosts side by side."""
    return lambda command: scripts(lab, dict.fromkeys(lab.hosts("all"), command))


@pytest.fixture(scope="session")
def snapshot(lab: Environment, everywhere: Callable[[str], dict[str, str]]) -> Snapshot:
    """What a run may not change unseen, by host, line by line: see look_files.sh, look.sh and look_services.sh."""
    given = {
        "ETCD_PASSWORD": lab.secret("etcd_root_password"),
        "CACHE_USER": str(lab.declared(lab.hosts("cache")[0])["cache_operator_user"]),
        "CACHE_PASSWORD": lab.secret("cache_operator_password"),
    }
    secrets = "\n".join(f"{name}={shlex.quote(value)}" for name, value in given.items())
    return lambda: everywhere(f"{LOOK}\n{secrets}\n{LOOK_SERVICES}")


@pytest.fixture(scope="session")
def file_snapshot(everywhere: Callable[[str], dict[str, str]]) -> Snapshot:
    """The files alone: a new host has nothing else to look at."""
    return lambda: everywhere(LOOK_FILES)


@pytest.fixture
def unchanged(snapshot: Snapshot) -> Callable[[], None]:
    """The hosts as they are now, and a call that asserts that they still are."""
    before = snapshot()

    def check() -> None:
        assert snapshot() == before

    return check


@pytest.fixture(scope="session")
def members(lab: Environment) -> Members:
    """Ask Patroni for the members, by any host that answers."""

    def ask() -> dict[str, dict[str, Any]]:
        for host in lab.hosts("database"):
            try:
                done = lab.connection(host).run(f"timeout 20 {MEMBERS}")
            except RuntimeError:
                continue  # ssh can't reach it: it was killed, or it is still starting
            if done.rc == 0 and done.stdout.strip():
                return {member["Member"]: member for member in json.loads(done.stdout)}
        return {}

    return ask


@pytest.fixture
def leader(members: Members) -> str:
    return leader_of(members())


@pytest.fixture(scope="session")
def card(lab: Environment) -> dict[str, Any]:
    run = play("ansible/playbooks/show_card.yml")
    assert run.code == 0, run.output[-2000:]
    return clients.card(lab)


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
