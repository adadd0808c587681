"""Each zone's subnets, cut out of the network by fixed slots. Pure, so that it can be tested by properties.

The network has a slot of each kind for each zone that it may ever have, whatever is used of them. So a zone that is
named after the others moves none of them:

    database 1 | … | database 4 | public 1 | … | public 4 | app 1 | … | app 4
    a quarter of the network    | a quarter               | a half
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from infra.limits import ZONES_MAX

ANYWHERE = "0.0.0.0/0"
ZONE_BITS = (ZONES_MAX - 1).bit_length()
DATABASE_BITS = 2  # a quarter
HOSTS_PREFIX = 26  # the first 64 addresses of a database subnet: a host's follows from its number (`infra.topology`)
# The smallest network whose database subnets hold these. Its other subnets have /26 and /25: AWS takes /28 or larger
# (VPC user guide, "Subnet sizing for IPv4").
NETWORK_PREFIX_MAX = HOSTS_PREFIX - ZONE_BITS - DATABASE_BITS


@dataclass(frozen=True, kw_only=True)
class ZoneCidrs:
    """One zone's subnets; `hosts` is the part of `database` whose addresses nothing but hosts may get."""

    database: IPv4Network
    hosts: IPv4Network
    public: IPv4Network
    app: IPv4Network


def by_zone(network: IPv4Network, zones: Sequence[str]) -> dict[str, ZoneCidrs]:
    """Return the subnets of up to ZONES_MAX zones. The settings refuse a network beyond NETWORK_PREFIX_MAX."""
    lower, app = network.subnets()
    database, public = lower.subnets()
    slots = zip(*(kind.subnets(prefixlen_diff=ZONE_BITS) for kind in (database, public, app)), strict=True)
    return {
        zone: ZoneCidrs(database=own, hosts=next(own.subnets(new_prefix=HOSTS_PREFIX)), public=outer, app=inner)
        for zone, (own, outer, inner) in zip(zones, slots, strict=False)
    }
