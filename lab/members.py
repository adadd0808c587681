"""What runs on the hosts: Patroni's members and the services, asked over SSH. No answer is waited for long."""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from lab.commands.connect import command
from lab.errors import LabError
from lab.shell import run

# patronictl by itself asks an etcd without quorum for half a minute.
PATRONI_TIMEOUT_S = 10
SERVICES_TIMEOUT_S = 10
# For the connection and a busy machine, on top of what the command itself may take.
SSH_TIMEOUT_S = 10
MEMBERS = f"cd / && sudo timeout {PATRONI_TIMEOUT_S} patronictl -c /etc/patroni/config.yml list -f json"
# What a host's units are called here, in the order of the table.
UNITS = {
    "patroni": "patroni.service",
    "pgbouncer": "pgbouncer.service",
    "haproxy": "haproxy.service",
    "etcd": "etcd.service",
    "repository": "pgbackrest.service",
    "cache": "valkey-server.service",
}

Host = Mapping[str, Any]
Ask = Callable[[Host, str, float], str | None]


@dataclass(frozen=True, kw_only=True)
class Live:
    """A host's services and, of a database host, what Patroni says; `answers`: whether it took a connection."""

    answers: bool
    services: dict[str, str] = field(default_factory=dict)
    role: str = ""
    state: str = ""
    lag: str = ""
    timeline: str = ""


def ask(host: Host, text: str, timeout: float) -> str | None:
    """What a shell command prints on a host, None when the host does not answer in time."""
    try:
        done = run(command(dict(host), text), check=False, timeout=timeout)
    except LabError:
        return None
    return None if done.returncode == 255 else done.stdout  # noqa: PLR2004  ssh's own failures (ssh(1))


def look(hosts: Mapping[str, Host], asking: Ask = ask) -> dict[str, Live]:
    """All hosts, side by side; Patroni's view from the first one that gives it."""
    with ThreadPoolExecutor(max_workers=max(len(hosts), 1)) as pool:
        found = dict(zip(hosts, pool.map(lambda host: _services(host, asking), hosts.values()), strict=True))
    members: dict[str, dict[str, Any]] = {}
    for name, host in hosts.items():
        if not members and not host["serves"] and found[name] is not None:
            members = _members(asking(host, MEMBERS, PATRONI_TIMEOUT_S + SSH_TIMEOUT_S))
    return {name: _live(found[name], members.get(name), database=not host["serves"]) for name, host in hosts.items()}


def expected(host: Host) -> list[str]:
    """Names of the services that a host of this kind has."""
    if host["serves"]:
        return [name for name in UNITS if name in host["serves"]]
    return ["patroni", "pgbouncer", "haproxy", *(["etcd"] if host["etcd_member"] else [])]


def _services(host: Host, asking: Ask) -> dict[str, str] | None:
    names = expected(host)
    units = " ".join(UNITS[name] for name in names)
    said = asking(host, f"timeout {SERVICES_TIMEOUT_S} systemctl is-active {units}", SERVICES_TIMEOUT_S + SSH_TIMEOUT_S)
    if said is None:
        return None
    states = said.split()
    return dict(zip(names, [*states, *["unknown"] * (len(names) - len(states))], strict=False))


def _members(said: str | None) -> dict[str, dict[str, Any]]:
    try:
        return {str(member["Member"]): member for member in json.loads(said or "[]")}
    except (ValueError, TypeError, KeyError):
        return {}  # patronictl was ended by its timeout, or etcd has no quorum


def _live(services: dict[str, str] | None, member: dict[str, Any] | None, *, database: bool) -> Live:
    if services is None:
        return Live(answers=False)
    if member is None:
        return Live(answers=True, services=services, role="unknown" if database else "")
    # Patroni 4.1 tells the lag of each step by itself.
    lag = member.get("Lag in MB", member.get("Replay Lag", ""))
    return Live(
        answers=True,
        services=services,
        role=str(member["Role"]).lower(),
        state=str(member["State"]),
        lag=f"{lag} MB" if isinstance(lag, int) else str(lag),
        timeline=str(member.get("TL", "")),
    )
