"""`make destroy`: remove the lab with everything on its volumes. Asks for its name; YES=1 answers."""

import os
import shutil
import sys

from lab import lock, machine, podman, preflight, sandbox, stack, volumes
from lab.errors import LabError
from lab.paths import CACHE, ROOT, STATE
from lab.shell import as_root, run

NAME = "lab"


def main(words: list[str]) -> int:
    """The command line: no arguments."""
    del words
    preflight.refuse_no_root()
    sandbox.refuse_other_owner()
    stack.refuse_other_stacks()
    with lock.held():
        _confirm()
        if not machine.detect().sandbox and sandbox.hosts_may_run():
            # Without a sandbox the hosts and their mounts are the machine's: podman has to undo them, dead or not.
            sandbox.up()
            names = [str(item["Names"][0]) for item in podman.hosts()]
            podman.podman("rm", "--force", "--ignore", "--time", "0", *names)
        sandbox.forget()
        for name in volumes.names():
            volumes.remove(name)
        run(as_root(["rm", "--recursive", "--force", "--one-file-system", STATE]))
        shutil.rmtree(STATE, ignore_errors=True)
    print(
        f"The lab is gone. {CACHE} keeps what is built once (image, engine, packages): remove it by hand if you like."
    )
    return 0


def _confirm() -> None:
    if os.environ.get("YES") == "1":
        return
    found = ", ".join(volumes.names()) or "none"
    print(f"This removes every host of the lab of {ROOT} and all its data. Volumes: {found}")
    if not sys.stdin.isatty():
        raise LabError("nobody is there to confirm it: run it in a terminal, or with YES=1")
    if input(f"Type {NAME} to go on: ").strip() != NAME:
        raise LabError("not confirmed, nothing was removed")
