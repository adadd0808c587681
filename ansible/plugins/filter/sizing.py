#!/usr/bin/env python3
"""Sizing: what a host declares -> PostgreSQL parameters, kernel settings and huge pages, each with its reason.

One pure function, `size()`, used by the play (filter `sizing`), by the host verification (import by path) and by
`make sizing` (command line). It imports nothing but the standard library.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

GIB: Final = 1024  # MiB
HUGE_PAGE_MIB: Final = 2
BACKEND_MIB: Final = 2  # Private memory of one idle server process with warm catalogue caches.
MEMORY_SHARE: Final = 90  # Per cent of the memory that PostgreSQL may take at worst; the rest is the system's.
WORK_MEM_MIN_KIB: Final = 512  # Below it each small sort would go to disk.
POOLERS_STEP: Final = 4  # Connections are sized for 4, 8, 12 … poolers: growing from 1 to 4 hosts restarts nothing.
SUPERUSER_RESERVED: Final = 5
ROLE_RESERVED: Final = 5
DIRECT_CONNECTIONS: Final = 40  # Migrations, monitoring, backup, rewind and staff beside the poolers.

GUIDE = "database guide, vertical scaling"
PGTUNE = "pgtune"
PIGSTY = "Pigsty, oltp profile"
TIMESCALE = "timescaledb-tune"
MANUAL = "PostgreSQL manual"
PLATFORM = "platform"


class SizingError(ValueError):
    """The host cannot carry what is asked of it: the text names the value, the limit and the remedy."""


class Profile(NamedTuple):
    """How one kind of load divides a host: memory_mib_min is the least that it runs on, divisors are of memory."""

    memory_mib_min: int
    buffers_divisor: int
    maintenance_divisor: int
    work_mem_divisor: int
    workers_per_gather_max: int
    autovacuum_workers: int
    tunes_kernel: bool


PROFILES: Final[Mapping[str, Profile]] = {
    "oltp": Profile(4096, 4, 16, 3, 2, 3, tunes_kernel=True),
    "mixed": Profile(4096, 4, 16, 2, 4, 3, tunes_kernel=True),
    "tiny": Profile(1024, 8, 32, 3, 1, 2, tunes_kernel=False),
}


@dataclass(frozen=True)
class Value:
    """One result: where it goes (`parameter`, `sysctl`, `huge_pages`), what, why, after whom."""

    kind: str
    name: str
    value: str | int | float
    reason: str
    source: str


@dataclass(frozen=True)
class Sizing:
    """All results of one host size; `worst_case_mib` is the memory that PostgreSQL can take at worst."""

    values: tuple[Value, ...]
    worst_case_mib: int

    def of(self, kind: str) -> dict[str, str | int | float]:
        """Give the name -> value pairs of one kind."""
        return {item.name: item.value for item in self.values if item.kind == kind}

    def to_dict(self) -> dict[str, Any]:
        """Give plain data: parameters, sysctl, huge_pages (pages of 2 MiB), worst_case_mib, explain."""
        return {
            "parameters": self.of("parameter"),
            "sysctl": self.of("sysctl"),
            "huge_pages": self.of("huge_pages").get("pages", 0),
            "worst_case_mib": self.worst_case_mib,
            "explain": [vars(item) for item in self.values],
        }


def nominal_mib(memory_mib: int) -> int:
    """Round up to the size that the maker sells when at most 5 % are missing ("32 GB" hosts report 31.5)."""
    step = max(2 ** (math.ceil(math.log2(memory_mib)) - 3), 1)
    sold = math.ceil(memory_mib / step) * step
    return sold if memory_mib * 100 >= sold * 95 else memory_mib


def amount(kib: int) -> str:
    """Write an amount of memory as PostgreSQL itself shows it: the largest unit without a remainder."""
    for unit, size_kib in (("GB", 1024 * 1024), ("MB", 1024)):
        if kib >= size_kib and kib % size_kib == 0:
            return f"{kib // size_kib}{unit}"
    return f"{kib}kB"


def _mib(mib: int) -> str:
    return amount(mib * 1024)


def _down(value: int, step: int) -> int:
    return value // step * step


def required_connections(
    hosts: int, pooler_processes: int, pooler_databases: int, pooler_db_connections: int, direct_connections: int
) -> int:
    """Server connections that can be open at once: all poolers at their limits, direct ones, reserved ones."""
    poolers = math.ceil(hosts / POOLERS_STEP) * POOLERS_STEP * pooler_processes
    return poolers * pooler_databases * pooler_db_connections + direct_connections + SUPERUSER_RESERVED + ROLE_RESERVED


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


def size(  # noqa: PLR0913, PLR0915 - one flat calculation from top to bottom reads better than its pieces
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
    max_connections: int | None = None,
) -> Sizing:
    """Size one database host.

    `memory_mib` and `cores` are the declared ones, `data_gib` and `wal_gib` the volumes, `hosts` the database hosts
    (each runs a pooler with `pooler_processes`, and `pooler_databases` aliases limited to `pooler_db_connections`).
    Without `max_connections` it is derived. Raises SizingError when the host is too small or the pools too large.
    """
    counts = {"cores": cores, "data_gib": data_gib, "wal_gib": wal_gib, "hosts": hosts}
    counts |= {"pooler_processes": pooler_processes, "pooler_databases": pooler_databases}
    counts |= {"pooler_db_connections": pooler_db_connections, "direct_connections": direct_connections}
    chosen = _check(profile, memory_mib, counts)
    memory = nominal_mib(memory_mib)

    needed = required_connections(hosts, pooler_processes, pooler_databases, pooler_db_connections, direct_connections)
    if max_connections is not None and needed >= max_connections:
        raise SizingError(
            f"max_connections={max_connections}: poolers, direct and reserved connections can open {needed}; "
            f"set max_connections to {needed + 1} or more, or lower pooler_db_connections={pooler_db_connections}"
        )
    connections = max_connections or math.ceil((needed + 1) / 10) * 10

    buffers = _down(memory // chosen.buffers_divisor, 64)
    wal_buffers = min(64, max(buffers // 32, 4))
    maintenance = min(2 * GIB, memory // chosen.maintenance_divisor)
    vacuum = min(GIB, maintenance // 4)
    # Buffer descriptors, lock tables and process slots; a test holds this against PostgreSQL's own figures.
    shared = math.ceil(buffers * 1.025) + wal_buffers + math.ceil(connections * 0.08) + 32
    fixed = shared + maintenance + chosen.autovacuum_workers * vacuum + connections * BACKEND_MIB
    left_kib = (memory * MEMORY_SHARE // 100 - fixed) * 1024 // connections
    work_kib = min((memory - buffers) * 1024 // (chosen.work_mem_divisor * connections), left_kib)
    if work_kib < WORK_MEM_MIN_KIB:
        raise SizingError(
            f"memory_mib={memory_mib}: {connections} connections leave work_mem {max(work_kib, 0)} kB, at least "
            f"{WORK_MEM_MIN_KIB} kB are needed; take more memory or lower pooler_db_connections={pooler_db_connections}"
        )
    work_kib = _down(work_kib, 1024 if work_kib >= 1024 else 64)  # noqa: PLR2004 - whole MB from 1 MB on
    wal_size = _down(wal_gib * GIB * 2 // 5, 16)
    slot_wal = _down(wal_gib * GIB * 3 // 10, 16)
    gather = min(chosen.workers_per_gather_max, cores // 2)
    wal_slots = math.ceil(hosts / POOLERS_STEP) * POOLERS_STEP * 2 + 2
    pages = math.ceil(shared / HUGE_PAGE_MIB) if chosen.tunes_kernel else 0

    found: list[Value] = []

    def put(name: str, value: str | float, reason: str, source: str, kind: str = "parameter") -> None:
        found.append(Value(kind, name, value, reason, source))

    put("shared_buffers", _mib(buffers), f"1/{chosen.buffers_divisor} of {memory} MiB", GUIDE)
    put("effective_cache_size", _mib(_down(memory * 3 // 4, 64)), "3/4 of memory: page cache and buffers", GUIDE)
    put("maintenance_work_mem", _mib(maintenance), f"1/{chosen.maintenance_divisor} of memory, at most 2 GB", GUIDE)
    put("autovacuum_work_mem", _mib(vacuum), "1/4 of maintenance_work_mem: several workers run at once", PGTUNE)
    share = f"(memory - shared_buffers) / ({chosen.work_mem_divisor} x {connections} connections)"
    put("work_mem", amount(work_kib), share, PGTUNE)
    put("huge_pages", "try" if pages else "off", "falls back where the kernel has none", MANUAL)
    filled = f"{needed} = poolers at their limits + {direct_connections} direct + reserved"
    put("max_connections", connections, filled, PLATFORM)
    put("superuser_reserved_connections", SUPERUSER_RESERVED, "Patroni and an operator always get in", PLATFORM)
    put("reserved_connections", ROLE_RESERVED, "monitoring gets in when the pools are full", PLATFORM)
    put("max_worker_processes", max(8, cores), "workers = cores, at least PostgreSQL's 8", PGTUNE)
    put("max_parallel_workers", cores, "workers = cores", PGTUNE)
    put("max_parallel_workers_per_gather", gather, "half the cores at most: one query never takes the host", PGTUNE)
    put("max_parallel_maintenance_workers", gather, "index builds share the cores likewise", PGTUNE)
    put("wal_buffers", _mib(wal_buffers), "1/32 of shared_buffers, at most 64 MB", GUIDE)
    put("max_wal_size", _mib(wal_size), f"2/5 of the {wal_gib} GiB WAL volume", TIMESCALE)
    put("min_wal_size", _mib(_down(wal_size // 4, 16)), "1/4 of max_wal_size stays recycled", TIMESCALE)
    put("max_slot_wal_keep_size", _mib(slot_wal), "3/10 of the WAL volume: a lost replica never fills it", PLATFORM)
    put("max_wal_senders", wal_slots, "two per host and two for backups", PLATFORM)
    put("max_replication_slots", wal_slots, "as many as senders", PLATFORM)
    put("wal_compression", "lz4", "full-page images shrink to a third for little processor time", PIGSTY)
    put("checkpoint_timeout", "15min", "fewer full-page images; replay stays short", PIGSTY)
    put("checkpoint_completion_target", 0.9, "writes spread over the whole interval", GUIDE)
    put("random_page_cost", 1.1, "SSD: random reads cost little more than sequential ones", GUIDE)
    put("effective_io_concurrency", 200, "SSD: many reads at once", PGTUNE)
    put("default_statistics_target", 100, "enough for the guide's queries", GUIDE)
    put("jit", "off", "short queries are slower with compilation", PIGSTY)
    put("max_locks_per_transaction", 128, "monthly partitions: a query may lock them all", PLATFORM)
    put("autovacuum_max_workers", chosen.autovacuum_workers, "shares the cores with queries", MANUAL)
    put("autovacuum_vacuum_scale_factor", 0.05, "large tables are vacuumed before they bloat", PIGSTY)
    put("autovacuum_analyze_scale_factor", 0.02, "plans follow the data", PIGSTY)
    put("temp_file_limit", _mib(max(data_gib * GIB // 10, 64)), "1/10 of the data volume per process", PLATFORM)
    put("idle_in_transaction_session_timeout", "1min", "a forgotten transaction holds back vacuum", PLATFORM)
    if chosen.tunes_kernel:
        put("vm.swappiness", 1, "buffers stay in memory", PIGSTY, "sysctl")
        put("vm.overcommit_memory", 2, "no out-of-memory killer for the postmaster", MANUAL, "sysctl")
        put("vm.overcommit_ratio", MEMORY_SHARE, "of the memory outside huge pages", PLATFORM, "sysctl")
        put("vm.dirty_background_bytes", 64 * 1024 * 1024, "steady writing, no long flush", PIGSTY, "sysctl")
        put("vm.dirty_bytes", 512 * 1024 * 1024, "bounds a flush", PIGSTY, "sysctl")
        put("pages", pages, f"{shared} MiB of shared memory in pages of {HUGE_PAGE_MIB} MiB", MANUAL, "huge_pages")
    return Sizing(tuple(found), fixed + connections * work_kib // 1024)


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
