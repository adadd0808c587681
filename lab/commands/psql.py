"""`make psql`: psql as the system user postgres on the host that leads now; further words are psql's."""

import os
import shlex
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lab import stack
from lab.commands.connect import command
from lab.errors import LabError
from lab.shell import run

DATABASE = "freelance_platform"
QUESTION = "sudo -u postgres psql -XAtc 'select pg_is_in_recovery()'"


def main(words: list[str]) -> int:
    """The command line."""
    hosts = [host for host in stack.hosts().values() if not host["serves"] and host["state"] == "active"]
    with ThreadPoolExecutor(max_workers=len(hosts)) as pool:
        answers = list(pool.map(_recovery, hosts))
    leaders = [host for host, answer in zip(hosts, answers, strict=True) if answer == "f"]
    if not leaders:
        said = ", ".join(f"{host['name']}: {answer}" for host, answer in zip(hosts, answers, strict=True))
        raise LabError(f"no database host leads ({said}): see `make status`, and `sudo patronictl list` on a host")
    sudo = ["sudo", "-u", "postgres", "psql", *(words or ["-d", DATABASE])]
    argv = command(leaders[0], shlex.join(["cd", "/tmp"]) + " && " + shlex.join(sudo), terminal=not words)  # noqa: S108 (nothing is written there; postgres may enter it)
    os.execvp(argv[0], argv)  # noqa: S606  as in connect


def _recovery(host: dict[str, Any]) -> str:
    done = run(command(host, f"cd / && {QUESTION}"), check=False, timeout=15)
    return done.stdout.strip() or done.stderr.strip() or "no answer"
