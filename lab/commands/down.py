"""`make down`: shut the hosts down in order and end the lab's processes. All data, images and state stay."""

from concurrent.futures import ThreadPoolExecutor

from lab import lock, machine, podman, preflight, sandbox, stack, volumes
from lab.errors import LabError


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
    """Stop the hosts, database hosts first; what happened, in words.

    LabError where hosts would go on running: on the machine's own podman they do not end with the lab's processes.
    """
    if not sandbox.hosts_may_run():
        return "No host was running"
    try:
        # podman may be what died, and nobody else can shut hosts down in order.
        sandbox.up()
        names = [str(item["Names"][0]) for item in podman.hosts() if item["State"] in {"running", "paused"}]
        failed = [problem for wave in waves(names) for problem in _stop(wave)]
    except LabError as error:
        names, failed = [], [str(error)]
    if not failed:
        return f"{len(names)} hosts stopped"
    reasons = "\n  ".join(failed)
    if not machine.detect().sandbox:
        raise LabError(f"hosts could not be stopped and still run:\n  {reasons}\nMend that and run `make down` again")
    return (
        f"Not every host could be shut down in order, so the rest ended as by a power cut:\n  {reasons}\nAll are down"
    )


def waves(names: list[str]) -> list[list[str]]:
    """Who is stopped side by side: a leader ships its last WAL to the repository, so that host goes after it."""
    try:
        environment, declared = stack.contract()["environment"], stack.hosts()
    except LabError:
        return [names]
    serving = {f"{environment}-{name}" for name, host in declared.items() if host["serves"]}
    return [
        wave
        for wave in ([name for name in names if name not in serving], [name for name in names if name in serving])
        if wave
    ]


def _stop(names: list[str]) -> list[str]:
    with ThreadPoolExecutor(max_workers=len(names)) as pool:
        return [problem for problem in pool.map(_problem, names) if problem]


def _problem(name: str) -> str:
    try:
        podman.stop_host(name)
    except LabError as error:
        return str(error)
    return ""
