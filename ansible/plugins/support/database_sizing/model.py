"""What a sizing is made of: the profiles a host is divided by, the values found, and why a host is refused."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

GIB: Final = 1024  # MiB
HUGE_PAGE_MIB: Final = 2

GUIDE: Final = "database guide, vertical scaling"
PGTUNE: Final = "pgtune"
PIGSTY: Final = "Pigsty, oltp profile"
TIMESCALE: Final = "timescaledb-tune"
MANUAL: Final = "PostgreSQL manual"
PLATFORM: Final = "platform"


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


def mib_amount(mib: int) -> str:
    """Write an amount of MiB as PostgreSQL itself shows it."""
    return amount(mib * 1024)


def rounded_down(value: int, step: int) -> int:
    """Round down to whole steps."""
    return value // step * step
