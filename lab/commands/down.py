"""`make down`: shut the hosts down in order and end the lab's processes. All data, images and state stay."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from lab import lock, machine, podman, preflight, sandbox, stack, volumes
from lab.errors import LabError

Result = TypeVar("Result")


def main(words: list[str]) -> int:
    """The command line: no arguments. Needs root, as the processes do."""
    del words
    preflight.refuse_no_root()
    sandbox.refuse_other_owner()
    with lock.held():
        told = shut_down()
        sandbox.down()
        for name in volumes.names():
            volumes.detach(name)
    print(f"{told}; all data is kept. `make up` starts them again.")
    return 0


def shut_down() -> str:
    """Stop the hosts side by side, those that others need last; what happened, in words.

    LabError where hosts would go on running: on the machine's own podman they do not end with the lab's processes.
    """
    if not sandbox.hosts_may_run():
        return "No host was running"
    try:
        # podman may be what died, and nobody else can shut hosts down in order.
        sandbox.up()
        names = [str(item["Names"][0]) for item in podman.hosts() if item["State"] in {"running", "paused"}]
        failed = _stop_all(names)
    except LabError as error:
        names, failed = [], [str(error)]
    if not failed:
        return f"{len(names)} hosts stopped"
    reasons = "\n  ".join(failed)
    if not machine.detect().sandbox:
        raise LabError(f"hosts could not be stopped and still run:\n  {reasons}\nMend that and run `make down` again")
    return f"Not all hosts could be shut down in order; those ended as by a power cut:\n  {reasons}\nAll are down"


def _stop_all(names: list[str]) -> list[str]:
    databases, services = _declared()
    # Patroni hands back its lock and its standby's place through etcd, and waits half a minute for one that is gone:
    # all of them end while every etcd still runs.
    _side_by_side(lambda name: podman.stop_unit(name, "patroni.service"), [name for name in names if name in databases])
    # A leader ships its last WAL to the repository, so that one's host goes after it.
    first, last = [name for name in names if name not in services], [name for name in names if name in services]
    return [problem for wave in (first, last) for problem in _side_by_side(_problem, wave) if problem]


def _declared() -> tuple[set[str], set[str]]:
    """podman's names of the database hosts and of the hosts that serve them."""
    try:
        environment, declared = stack.contract()["environment"], stack.hosts()
    except LabError:  # a lab that was broken off before anything ran in it
        return set(), set()
    services = {f"{environment}-{name}" for name, host in declared.items() if host["serves"]}
    return {f"{environment}-{name}" for name in declared} - services, services


def _side_by_side(work: Callable[[str], Result], names: list[str]) -> list[Result]:
    with ThreadPoolExecutor(max_workers=max(len(names), 1)) as pool:
        return list(pool.map(work, names))


def _problem(name: str) -> str:
    try:
        podman.stop_host(name)
    except LabError as error:
        return str(error)
    return ""
