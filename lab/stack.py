"""The lab's Pulumi stack: its state is made on first use, and a run that was killed does not stand in the way."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from lab import keys
from lab.errors import LabError
from lab.paths import ROOT, STATE
from lab.shell import run

PROJECT, STACK = "freelance-platform", "lab"
# Pulumi.lab.yaml holds the salt that goes with it. The lab's state holds references to secrets, never one.
PASSPHRASE = "freelance-platform-lab"  # noqa: S105  not a secret, see above
PASSPHRASE_FILE = STATE / "passphrase"
BACKEND = STATE / "state"
PULUMI_HOME = STATE / "pulumi-home"
CONTRACT = STATE / "contract.json"


def prepare() -> None:
    """Key, passphrase, state folder and the selected stack: what bare `pulumi` commands need."""
    keys.ensure_key()
    for folder in (BACKEND, PULUMI_HOME):
        folder.mkdir(parents=True, exist_ok=True)
    PASSPHRASE_FILE.write_text(PASSPHRASE)
    have = json.loads(_ask("stack", "ls", "--json"))
    names = [str(stack["name"]) for stack in have]
    if STACK not in names:
        _ask("stack", "init", STACK)
    elif not any(stack["name"] == STACK and stack["current"] for stack in have):
        _ask("stack", "select", STACK)


def bring_up() -> None:
    """`pulumi up`, also after a run that was killed; save the contract."""
    clear_stale_lock()
    state = json.loads(_ask("stack", "export", "--stack", STACK))
    if (state.get("deployment") or {}).get("pending_operations"):
        # A run was killed while it made something. Making is safe to repeat, so it is simply done again.
        _pulumi("refresh", "--yes", "--skip-preview", "--clear-pending-creates", "--stack", STACK)
    _pulumi("up", "--yes", "--skip-preview", "--stack", STACK)
    contract = _ask("stack", "output", "contract", "--json", "--stack", STACK)
    partial = CONTRACT.with_suffix(".new")
    partial.write_text(contract)
    partial.rename(CONTRACT)


def clear_stale_lock() -> bool:
    """Take away the lock of a pulumi process that is gone. LabError while the process that holds it lives."""
    locks = sorted((BACKEND / ".pulumi" / "locks").rglob(f"{PROJECT}/{STACK}/*.json"))
    for path in locks:
        holder = _holder(path)
        if holder is not None:
            raise LabError(
                f"pulumi (process {holder}) is at work on stack {STACK}: wait until it ends, or end it with "
                f"`kill -INT {holder}`, then `make up`"
            )
    if locks:
        _pulumi("cancel", "--yes", "--stack", STACK)
    return bool(locks)


def refuse_other_stacks() -> None:
    """LabError while another stack keeps its state in the lab's backend: it would be removed with the lab."""
    folder = BACKEND / ".pulumi" / "stacks"
    files = [*folder.rglob("*.json"), *folder.rglob("*.json.gz")]
    names = {str(path.relative_to(folder)).removesuffix(".gz").removesuffix(".json") for path in files}
    # Pulumi's first layout had no folders for projects.
    others = sorted(names - {f"{PROJECT}/{STACK}", STACK})
    if others:
        name = others[0].rpartition("/")[2]
        raise LabError(
            f"the lab's Pulumi backend {BACKEND} holds the state of {', '.join(others)} too, which would be lost. Move "
            f"it: `pulumi stack export --stack {name} --file {name}.json` and `pulumi stack rm --force "
            f"--preserve-config {name}` (no resource goes), then with PULUMI_BACKEND_URL set to a backend of its own "
            f"`pulumi stack init {name}` and `pulumi stack import --stack {name} --file {name}.json`"
        )


def contract() -> dict[str, Any]:
    """The saved contract. LabError when there is none."""
    if not CONTRACT.exists():
        raise LabError(f"{CONTRACT} does not exist: the lab was not brought up yet, run `make up`")
    saved: dict[str, Any] = json.loads(CONTRACT.read_text())
    return saved


def hosts() -> dict[str, dict[str, Any]]:
    """Hosts of the contract by name."""
    saved = contract()
    return {
        host["name"]: host
        for host in [*(host for cluster in saved["clusters"].values() for host in cluster["hosts"]), *saved["services"]]
    }


def _holder(lock: Path) -> int | None:
    """The living pulumi process that holds a lock."""
    try:
        pid = int(json.loads(lock.read_text())["pid"])
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError, KeyError, ValueError):
        return None
    return pid if name == "pulumi" and pid != os.getpid() else None


def environment() -> dict[str, str]:
    """What pulumi is started with: the lab's own backend and key, whatever this shell has set for another stack."""
    own = {
        "PULUMI_BACKEND_URL": f"file://{BACKEND}",
        "PULUMI_HOME": str(PULUMI_HOME),
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(PASSPHRASE_FILE),
    }
    # These come before the file, or choose another stack than the lab's.
    foreign = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_STACK")
    return {key: value for key, value in os.environ.items() if key not in foreign} | own


def _ask(*words: str) -> str:
    return run(["pulumi", *words], cwd=ROOT, env=environment()).stdout


def _pulumi(*words: str) -> None:
    done = subprocess.run(["pulumi", "--non-interactive", *words], cwd=ROOT, env=environment(), check=False)
    if done.returncode:
        raise LabError(f"`pulumi {' '.join(words)}` failed with exit status {done.returncode}: its words are above")
