"""Memory: how a profile divides a host's, so that the worst case fits."""

import math
from dataclasses import dataclass
from typing import Final

from .model import GIB, Profile, SizingError, rounded_down

BACKEND_MIB: Final = 2  # Private memory of one idle server process with warm catalogue caches.
MEMORY_SHARE: Final = 90  # Per cent of the memory that PostgreSQL may take at worst; the rest is the system's.
WORK_MEM_MIN_KIB: Final = 512  # Below it each small sort would go to disk.


@dataclass(frozen=True, kw_only=True)
class Memory:
    """A host's memory divided, in MiB: `shared` is all shared memory, `worst_case` what PostgreSQL can take at most."""

    buffers: int
    wal_buffers: int
    maintenance: int
    vacuum: int
    shared: int
    work_kib: int
    worst_case: int


def divided(profile: Profile, memory_mib: int, connections: int, pooler_db_connections: int) -> Memory:
    """Divide the memory. Raises SizingError when the connections leave too little for each."""
    buffers = rounded_down(memory_mib // profile.buffers_divisor, 64)
    wal_buffers = min(64, max(buffers // 32, 4))
    maintenance = min(2 * GIB, memory_mib // profile.maintenance_divisor)
    vacuum = min(GIB, maintenance // 4)
    # Buffer descriptors, lock tables and process slots; a test holds this against PostgreSQL's own figures.
    shared = math.ceil(buffers * 1.025) + wal_buffers + math.ceil(connections * 0.08) + 32
    fixed = shared + maintenance + profile.autovacuum_workers * vacuum + connections * BACKEND_MIB
    left_kib = (memory_mib * MEMORY_SHARE // 100 - fixed) * 1024 // connections
    work_kib = min((memory_mib - buffers) * 1024 // (profile.work_mem_divisor * connections), left_kib)
    if work_kib < WORK_MEM_MIN_KIB:
        raise SizingError(
            f"memory_mib={memory_mib}: {connections} connections leave work_mem {max(work_kib, 0)} kB, at least "
            f"{WORK_MEM_MIN_KIB} kB are needed; take more memory or lower pooler_db_connections={pooler_db_connections}"
        )
    work_kib = rounded_down(work_kib, 1024 if work_kib >= 1024 else 64)  # noqa: PLR2004 - whole MB from 1 MB on
    return Memory(
        buffers=buffers,
        wal_buffers=wal_buffers,
        maintenance=maintenance,
        vacuum=vacuum,
        shared=shared,
        work_kib=work_kib,
        worst_case=fixed + connections * work_kib // 1024,
    )
