"""Filter `firewall_sources`: networks as nftables wants them."""

import ipaddress
from collections.abc import Callable, Iterable

from ansible.errors import AnsibleFilterError


def firewall_sources(sources: Iterable[str]) -> dict[str, list[str]]:
    """Return the networks by nftables' family (`ip`, `ip6`), without overlaps, which its sets refuse."""
    if isinstance(sources, str):
        raise AnsibleFilterError(f"{sources!r} is a text: a list of networks is needed, such as [10.0.0.0/16]")
    networks: dict[str, list[str]] = {}
    for family, version in (("ip", 4), ("ip6", 6)):
        try:
            own = [network for network in map(ipaddress.ip_network, sources) if network.version == version]
        except ValueError as error:
            raise AnsibleFilterError(f"{error}: a network such as 10.0.0.0/16 or an address is needed") from None
        networks[family] = [str(network) for network in ipaddress.collapse_addresses(own)]  # type: ignore[type-var]  # one version
    return {family: listed for family, listed in networks.items() if listed}


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., dict[str, list[str]]]]:
        """Return the filters by name."""
        return {"firewall_sources": firewall_sources}
