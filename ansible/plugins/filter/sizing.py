#!/usr/bin/env python3
"""Sizing: what a host declares -> PostgreSQL parameters, kernel settings and huge pages, each with its reason.

One pure function, `size()`, used by the play (filter `sizing`), by the host verification (which renders the play's
variables) and by `make sizing` (command line). It imports nothing but the standard library and the pieces in
`support/database_sizing`.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

# Ansible loads a filter by its path, and takes each file beside it for a filter too.
sys.path.append(str(Path(__file__).resolve().parents[1] / "support"))

from database_sizing import settings
from database_sizing.connections import (
    DIRECT_CONNECTIONS,
    RESERVED_CONNECTIONS,
    Pools,
    connections,
)
from database_sizing.memory import divided
from database_sizing.model import (
    GIB,
    HUGE_PAGE_MIB,
    PROFILES,
    Profile,
    Sizing,
    SizingError,
    nominal_mib,
)

__all__ = ["DIRECT_CONNECTIONS", "HUGE_PAGE_MIB", "PROFILES", "SizingError", "size", "size_cluster"]


def _check(profile: str, memory_mib: int, counts: Mapping[str, int]) -> Profile:
    if profile not in PROFILES:
        raise SizingError(f"profile={profile}: no such profile; take one of {', '.join(sorted(PROFILES))}")
    for name, value in counts.items():
        if value < 1:
            raise SizingError(f"{name}={value}: at least 1; raise it")
    chosen = PROFILES[profile]
    if memory_mib < chosen.memory_mib_min:
        raise SizingError(
            f"memory_mib={memory_mib}: profile {profile} needs at least {chosen.memory_mib_min} MiB; "
            "take a larger host or, for a trial, profile tiny"
        )
    return chosen


def size(  # noqa: PLR0913 - what a host and its clients declare, by name
    *,
    memory_mib: int,
    cores: int,
    data_gib: int = 100,
    wal_gib: int = 20,
    profile: str = "oltp",
    hosts: int = 3,
    pooler_processes: int = 1,
    pooler_databases: int = 2,
    pooler_db_connections: int = 50,
    direct_connections: int = DIRECT_CONNECTIONS,
    reserved_connections: int = RESERVED_CONNECTIONS,
    max_connections: int | None = None,
) -> Sizing:
    """Size one database host.

    `memory_mib` and `cores` are the declared ones, `data_gib` and `wal_gib` the volumes, `hosts` the database hosts
    (each runs a pooler with `pooler_processes`, and `pooler_databases` aliases limited to `pooler_db_connections`).
    Beside them `direct_connections` are counted, and `reserved_connections` for superusers and monitoring.
    Without `max_connections` it is derived, with room for a step of hosts.
    Raises SizingError when the host is too small or the pools too large.
    """
    counts = {"cores": cores, "data_gib": data_gib, "wal_gib": wal_gib, "hosts": hosts}
    counts |= {"pooler_processes": pooler_processes, "pooler_databases": pooler_databases}
    counts |= {"pooler_db_connections": pooler_db_connections, "direct_connections": direct_connections}
    counts |= {"reserved_connections": reserved_connections}
    chosen = _check(profile, memory_mib, counts)
    memory = nominal_mib(memory_mib)
    pools = Pools(
        hosts=hosts,
        processes=pooler_processes,
        databases=pooler_databases,
        per_database=pooler_db_connections,
        direct=direct_connections,
        reserved=reserved_connections,
    )
    needed, maximum = connections(pools, max_connections)
    given = divided(chosen, memory, maximum, pooler_db_connections)
    values = [
        *settings.of_memory(chosen, memory, given, maximum),
        *settings.of_connections(pools, needed, maximum),
        *settings.of_cores(chosen, cores),
        *settings.of_wal(given, wal_gib, pools.rounded_hosts()),
        *settings.of_queries(data_gib),
        *(settings.of_kernel(given) if chosen.tunes_kernel else ()),
    ]
    return Sizing(tuple(values), given.worst_case)


def size_cluster(hosts: Iterable[Mapping[str, Any]], **options: Any) -> dict[str, Any]:
    """Size a cluster by its smallest host: hosts as in the contract (`memory_mib`, `cores`, `volumes`).

    `options` are further arguments of `size()`. Parameters are the cluster's, so a replica can always take over.
    """
    found = list(hosts)
    if not found:
        raise SizingError("hosts=[]: at least 1 database host; declare one")

    def smallest_gib(purpose: str) -> int:
        return min(int(v["size_gib"]) for host in found for v in host["volumes"] if v["purpose"] == purpose)

    facts: dict[str, Any] = {
        "memory_mib": min(int(host["memory_mib"]) for host in found),
        "cores": min(int(host["cores"]) for host in found),
        "data_gib": smallest_gib("data"),
        "wal_gib": smallest_gib("wal"),
        "hosts": len(found),
    }
    return size(**(facts | options)).to_dict()


class FilterModule:
    """Ansible's way in: `{{ hosts | sizing(profile='oltp') }}`."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name the filters."""
        return {"sizing": size_cluster}


def table(sizing: Sizing) -> str:
    """Lay the values out for a terminal: value, reason, source."""
    rows = [("setting", "value", "why", "source")]
    rows += [(v.name, str(v.value), v.reason, v.source) for v in sizing.values]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[3]]) for row in rows]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:], f"\nworst case: {sizing.worst_case_mib} MiB"])


def main(arguments: list[str] | None = None) -> int:
    """Print the sizing of one host; 2 when it is refused."""
    parser = argparse.ArgumentParser(description="PostgreSQL parameters for a host, each with its reason.")
    parser.add_argument("--memory-gib", type=float, default=32)
    parser.add_argument("--cores", type=int, default=8)
    parser.add_argument("--profile", default="oltp", help=" | ".join(sorted(PROFILES)))
    parser.add_argument("--data-gib", type=int, default=100)
    parser.add_argument("--wal-gib", type=int, default=20)
    parser.add_argument("--hosts", type=int, default=3)
    parser.add_argument("--pooler-db-connections", type=int, default=50)
    parser.add_argument("--direct-connections", type=int, default=DIRECT_CONNECTIONS)
    parser.add_argument("--reserved-connections", type=int, default=RESERVED_CONNECTIONS)
    parser.add_argument("--max-connections", type=int)
    parser.add_argument("--json", action="store_true", help="machine-readable")
    options = vars(parser.parse_args(arguments))
    as_json = options.pop("json")
    try:
        sizing = size(memory_mib=int(options.pop("memory_gib") * GIB), **options)
    except SizingError as refusal:
        sys.stderr.write(f"refused: {refusal}\n")
        return 2
    sys.stdout.write(json.dumps(sizing.to_dict(), indent=2) + "\n" if as_json else table(sizing) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
