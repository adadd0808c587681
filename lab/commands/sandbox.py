"""`lab/run sandbox up|down`: make the lab's podman answer, or end it. Hosts and data stay."""

import argparse

from lab import machine, preflight, sandbox


def main(words: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="lab/run sandbox", description=__doc__)
    parser.add_argument("action", choices=["up", "down"])
    given = parser.parse_args(words)
    if given.action == "up":
        preflight.refuse_no_root()
        preflight.refuse_busy_machine()
        print(machine.detect().reason)
        print("started" if sandbox.up() else "already up")
    else:
        sandbox.down()
    return 0
