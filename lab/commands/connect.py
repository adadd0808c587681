"""`make ssh HOST=db1`: a shell on a host, or `lab/run ssh db1 COMMAND …`."""

import os
from typing import Any

from lab import stack
from lab.errors import LabError
from lab.paths import ROOT


def command(host: dict[str, Any], *words: str, terminal: bool = False) -> list[str]:
    """The ssh command for a host of the contract."""
    connect = host["connect"]
    options = [
        f"IdentityFile={ROOT / connect['private_key_file']}",
        f"UserKnownHostsFile={ROOT / connect['known_hosts_file']}",
        "IdentitiesOnly=yes",
        "ConnectTimeout=5",
        "LogLevel=ERROR",
    ]
    arguments = [word for option in options for word in ("-o", option)]
    flag = ["-t"] if terminal else []
    return ["ssh", *flag, *arguments, "-p", str(connect["port"]), f"{connect['user']}@{connect['host']}", *words]


def main(words: list[str]) -> int:
    """The command line: a host's name, then what to run there."""
    hosts = stack.hosts()
    if not words or words[0] not in hosts:
        raise LabError(f"host {words[0] if words else '(none)'!r} is not declared: take one of {', '.join(hosts)}")
    argv = command(hosts[words[0]], *words[1:])
    os.execvp(argv[0], argv)  # noqa: S606  a shell between the terminal and ssh would only be in the way
