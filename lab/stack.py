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
CONTRACT = STATE / "contract.json"


def prepare() -> None:
    """Key, passphrase, state folder and the selected stack: what bare `pulumi` commands need."""
    keys.ensure_key()
    for folder in ("state", "pulumi-home"):
        (STATE / folder).mkdir(parents=True, exist_ok=True)
    PASSPHRASE_FILE.write_text(PASSPHRASE)
    have = json.loads(run(["pulumi", "stack", "ls", "--json"], cwd=ROOT).stdout)
    names = [str(stack["name"]) for stack in have]
    if STACK not in names:
        run(["pulumi", "stack", "init", STACK], cwd=ROOT)
    elif not any(stack["name"] == STACK and stack["current"] for stack in have):
        run(["pulumi", "stack", "select", STACK], cwd=ROOT)


def bring_up() -> None:
    """`pulumi up`, also after a run that was killed; save the contract."""
    clear_stale_lock()
    state = json.loads(run(["pulumi", "stack", "export", "--stack", STACK], cwd=ROOT).stdout)
    if (state.get("deployment") or {}).get("pending_operations"):
        # A run was killed while it made something. Making is safe to repeat, so it is simply done again.
        _pulumi("refresh", "--yes", "--skip-preview", "--clear-pending-creates", "--stack", STACK)
    _pulumi("up", "--yes", "--skip-preview", "--stack", STACK)
    contract = run(["pulumi", "stack", "output", "contract", "--json", "--stack", STACK], cwd=ROOT).stdout
    partial = CONTRACT.with_suffix(".new")
    partial.write_text(contract)
    partial.rename(CONTRACT)


def clear_stale_lock() -> bool:
    """Take away the lock of a pulumi process that is gone. LabError while the process that holds it lives."""
    locks = sorted((STATE / "state" / ".pulumi" / "locks").rglob(f"{PROJECT}/{STACK}/*.json"))
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


def _pulumi(*words: str) -> None:
    done = subprocess.run(["pulumi", "--non-interactive", *words], cwd=ROOT, check=False)
    if done.returncode:
        raise LabError(f"`pulumi {' '.join(words)}` failed with exit status {done.returncode}: its words are above")
