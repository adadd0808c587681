"""Memory of the whole lab: hosts, podman, apt cache and what else `make up` left running."""

from collections import Counter
from pathlib import Path

from lab import processes
from lab.paths import RUN


def by_program() -> dict[str, float]:
    """MiB of each program, largest first: proportional set size, so that shared pages count once (proc(5)).

    SystemExit where hosts are no children of the lab: without the sandbox they belong to the machine's own podman.
    """
    found: Counter[str] = Counter()
    for pid in _descendants(_recorded()):
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended meanwhile
        kib = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        found[processes.command_name(pid)] += kib
    if not {"postgres", "etcd"} <= found.keys():
        raise SystemExit(f"the hosts' programs are not among {', '.join(found) or 'none'}: is there a sandbox?")
    return {name: round(kib / 1024, 1) for name, kib in found.most_common()}


def _recorded() -> set[int]:
    """The processes that the lab wrote down; in a sandbox every host descends from them."""
    return {pid for file in RUN.glob("*.pid") if (pid := processes.running(file.stem)) is not None}


def _descendants(roots: set[int]) -> set[int]:
    found, queue = set(roots), list(roots)
    while queue:
        children = set(processes.children(queue.pop())) - found
        found |= children
        queue += children
    return found
