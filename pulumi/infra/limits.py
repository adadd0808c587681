"""Limits that the settings and the contract share: what the contract's schema refuses, the settings refuse first."""

import re
from ipaddress import IPv4Network

HOSTS_FOR_FAILOVER = 3  # two hosts can't tell a dead partner from a cut link
ETCD_SIZES = (1, 3, 5)  # an even number of members tolerates no more failures than one fewer
DATABASE_HOSTS_MAX = 10  # each zone's addresses .11 to .20 are theirs, service hosts follow (see `infra.topology`)
SERVICE_HOSTS_MAX = 20  # their addresses are .21 to .40
ZONES_MAX = 4  # a network that is split by zone has parts for as many (see `infra.cidrs`); a quorum needs three

# The schema's patterns of `name` and of a connection's `user`. A name is also a part of a domain: no dash at its end.
NAME = re.compile(r"^[a-z]([a-z0-9-]{0,39}[a-z0-9])?$")
USER = re.compile(r"^[a-z_][a-z0-9_-]{0,31}$")

# Sources: RFC 1918 (private use) and RFC 6598 (shared address space, used between clouds and offices).
PRIVATE_NETWORKS = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")))


def is_private(network: IPv4Network) -> bool:
    """Whether no address of the network is routed on the internet."""
    return any(network.subnet_of(private) for private in PRIVATE_NETWORKS)
