"""The settings that follow from a host's size: each with its reason and the source of the rule."""

import math
from collections.abc import Iterator

from .connections import Pools
from .memory import MEMORY_SHARE, Memory
from .model import (
    GIB,
    GUIDE,
    HUGE_PAGE_MIB,
    MANUAL,
    PGTUNE,
    PIGSTY,
    PLATFORM,
    TIMESCALE,
    Profile,
    Value,
    amount,
    mib_amount,
    rounded_down,
)


def parameter(name: str, value: str | float, reason: str, source: str) -> Value:
    """Make a parameter of PostgreSQL."""
    return Value("parameter", name, value, reason, source)


def of_memory(profile: Profile, memory_mib: int, given: Memory, connections: int) -> Iterator[Value]:
    """Give the parameters that divide memory."""
    cache = mib_amount(rounded_down(memory_mib * 3 // 4, 64))
    maintenance = f"1/{profile.maintenance_divisor} of memory, at most 2 GB"
    share = f"(memory - shared_buffers) / ({profile.work_mem_divisor} x {connections} connections)"
    pages = "try" if profile.tunes_kernel else "off"
    yield parameter(
        "shared_buffers", mib_amount(given.buffers), f"1/{profile.buffers_divisor} of {memory_mib} MiB", GUIDE
    )
    yield parameter("effective_cache_size", cache, "3/4 of memory: page cache and buffers", GUIDE)
    yield parameter("maintenance_work_mem", mib_amount(given.maintenance), maintenance, GUIDE)
    yield parameter(
        "autovacuum_work_mem",
        mib_amount(given.vacuum),
        "1/4 of maintenance_work_mem: several workers run at once",
        PGTUNE,
    )
    yield parameter("work_mem", amount(given.work_kib), share, PGTUNE)
    yield parameter("huge_pages", pages, "falls back where the kernel has none", MANUAL)


def of_connections(pools: Pools, needed: int, maximum: int) -> Iterator[Value]:
    """Give the parameters that bound connections."""
    filled = f"{needed} = poolers at their limits + {pools.direct} direct + {pools.reserved} reserved"
    superuser, role = pools.superuser_reserved, pools.reserved - pools.superuser_reserved
    yield parameter("max_connections", maximum, filled, PLATFORM)
    yield parameter("superuser_reserved_connections", superuser, "Patroni and an operator always get in", PLATFORM)
    yield parameter("reserved_connections", role, "monitoring gets in when the pools are full", PLATFORM)


def of_cores(profile: Profile, cores: int) -> Iterator[Value]:
    """Give the parameters that divide processors."""
    gather = min(profile.workers_per_gather_max, cores // 2)
    yield parameter("max_worker_processes", max(8, cores), "workers = cores, at least PostgreSQL's 8", PGTUNE)
    yield parameter("max_parallel_workers", cores, "workers = cores", PGTUNE)
    yield parameter(
        "max_parallel_workers_per_gather", gather, "half the cores at most: one query never takes the host", PGTUNE
    )
    yield parameter("max_parallel_maintenance_workers", gather, "index builds share the cores likewise", PGTUNE)
    yield parameter("autovacuum_max_workers", profile.autovacuum_workers, "shares the cores with queries", MANUAL)


def of_wal(given: Memory, wal_gib: int, rounded_hosts: int) -> Iterator[Value]:
    """Give the parameters of the write-ahead log and of replication."""
    wal_size = rounded_down(wal_gib * GIB * 2 // 5, 16)
    kept = rounded_down(wal_size // 4, 16)
    slot_wal = rounded_down(wal_gib * GIB * 3 // 10, 16)
    slots = rounded_hosts * 2 + 2
    yield parameter("wal_buffers", mib_amount(given.wal_buffers), "1/32 of shared_buffers, at most 64 MB", GUIDE)
    yield parameter("max_wal_size", mib_amount(wal_size), f"2/5 of the {wal_gib} GiB WAL volume", TIMESCALE)
    yield parameter("min_wal_size", mib_amount(kept), "1/4 of max_wal_size stays recycled", TIMESCALE)
    yield parameter(
        "max_slot_wal_keep_size",
        mib_amount(slot_wal),
        "3/10 of the WAL volume: a lost replica never fills it",
        PLATFORM,
    )
    yield parameter("max_wal_senders", slots, "two per host and two for backups", PLATFORM)
    yield parameter("max_replication_slots", slots, "as many as senders", PLATFORM)
    yield parameter("wal_compression", "lz4", "full-page images shrink to a third for little processor time", PIGSTY)
    yield parameter("checkpoint_timeout", "15min", "fewer full-page images; replay stays short", PIGSTY)
    yield parameter("checkpoint_completion_target", 0.9, "writes spread over the whole interval", GUIDE)
    yield parameter("hot_standby_feedback", "on", "vacuum waits for a dump or a report on a replica", PLATFORM)
    # Feedback does not hold back a table's exclusive lock: this bounds how long one waits, and so a failover.
    yield parameter("max_standby_streaming_delay", "30s", "a query on a replica delays a failover no longer", PLATFORM)
    yield parameter("max_standby_archive_delay", "30s", "the same while a replica replays from the archive", PLATFORM)


def of_queries(data_gib: int) -> Iterator[Value]:
    """Give the parameters of planning, cleaning up and guarding."""
    temporary = mib_amount(max(data_gib * GIB // 10, 64))
    yield parameter("random_page_cost", 1.1, "SSD: random reads cost little more than sequential ones", GUIDE)
    yield parameter("effective_io_concurrency", 200, "SSD: many reads at once", PGTUNE)
    yield parameter("default_statistics_target", 100, "enough for the guide's queries", GUIDE)
    yield parameter("jit", "off", "short queries are slower with compilation", PIGSTY)
    yield parameter("max_locks_per_transaction", 128, "monthly partitions: a query may lock them all", PLATFORM)
    yield parameter("autovacuum_vacuum_scale_factor", 0.05, "large tables are vacuumed before they bloat", PIGSTY)
    yield parameter("autovacuum_analyze_scale_factor", 0.02, "plans follow the data", PIGSTY)
    yield parameter("temp_file_limit", temporary, "1/10 of the data volume per process", PLATFORM)
    yield parameter(
        "idle_in_transaction_session_timeout", "1min", "a forgotten transaction holds back vacuum", PLATFORM
    )


def of_kernel(given: Memory) -> Iterator[Value]:
    """Give the kernel's settings and the huge pages."""
    pages = math.ceil(given.shared / HUGE_PAGE_MIB)
    for name, value, reason, source in (
        ("vm.swappiness", 1, "buffers stay in memory", PIGSTY),
        ("vm.overcommit_memory", 2, "no out-of-memory killer for the postmaster", MANUAL),
        ("vm.overcommit_ratio", MEMORY_SHARE, "of the memory outside huge pages", PLATFORM),
        ("vm.dirty_background_bytes", 64 * 1024 * 1024, "steady writing, no long flush", PIGSTY),
        ("vm.dirty_bytes", 512 * 1024 * 1024, "bounds a flush", PIGSTY),
    ):
        yield Value("sysctl", name, value, reason, source)
    reason = f"{given.shared} MiB of shared memory in pages of {HUGE_PAGE_MIB} MiB"
    yield Value("huge_pages", "pages", pages, reason, MANUAL)
