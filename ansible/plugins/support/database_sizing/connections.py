"""Server connections: how many can be open at once, and the max_connections that holds them."""

import math
from dataclasses import dataclass
from typing import Final

from .model import SizingError

POOLERS_STEP: Final = 4  # Connections are sized for 4, 8, 12 … poolers: growing from 1 to 4 hosts restarts nothing.
DIRECT_CONNECTIONS: Final = 40  # Migrations, monitoring, backup, rewind and staff beside the poolers.
RESERVED_CONNECTIONS: Final = 10  # Half for superusers, half for roles that watch the server.


@dataclass(frozen=True, kw_only=True)
class Pools:
    """Who may connect: each host runs `processes` poolers, each with `databases` aliases of `per_database` at most."""

    hosts: int
    processes: int
    databases: int
    per_database: int
    direct: int
    reserved: int

    @property
    def superuser_reserved(self) -> int:
        """Connections that superusers alone get: the larger half of the reserved ones."""
        return self.reserved - self.reserved // 2

    def needed(self, hosts: int) -> int:
        """Connections that can be open at once with so many hosts: all poolers at their limits, direct, reserved."""
        return hosts * self.processes * self.databases * self.per_database + self.direct + self.reserved

    def rounded_hosts(self) -> int:
        """Hosts rounded up to the next step."""
        return math.ceil(self.hosts / POOLERS_STEP) * POOLERS_STEP


def connections(pools: Pools, maximum: int | None) -> tuple[int, int]:
    """Give what is needed, and max_connections: `maximum` where it is declared, else room for a step of hosts.

    Raises SizingError when the pools do not fit into the declared one.
    """
    if maximum is None:
        needed = pools.needed(pools.rounded_hosts())
        return needed, math.ceil((needed + 1) / 10) * 10
    needed = pools.needed(pools.hosts)
    if needed >= maximum:
        raise SizingError(
            f"max_connections={maximum}: poolers, direct and reserved connections can open {needed}; "
            f"set max_connections to {needed + 1} or more, or lower pooler_db_connections={pools.per_database}"
        )
    return needed, maximum
