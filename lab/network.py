"""The link between the machine and the hosts: a veth pair, routes, and guards against anything that leaves."""

import json
from ipaddress import IPv4Network
from typing import Any

from lab.errors import LabError
from lab.paths import NETWORKS, OPERATOR_ADDRESS, OPERATOR_NETWORK, SANDBOX_ADDRESS
from lab.shell import run

OUTER, INNER = "lab-out", "lab-in"
NFT_TABLE = "freelance_lab"
# Worse than any real route: a packet for a stopped lab ends here and never leaves the machine.
BLACKHOLE_METRIC = "4000"

_SANDBOX_GUARD = f"""
table inet {NFT_TABLE} {{
  chain forward {{ type filter hook forward priority 0; oifname "{INNER}" ct state new drop; }}
  chain output {{ type filter hook output priority 0; oifname "{INNER}" ct state new drop; }}
}}
"""


def gateways() -> dict[str, str]:
    """Network name to the address of its gateway."""
    return {name: str(net[1]) for name, net in NETWORKS.items()}


def link(sandbox_pid: int) -> None:
    """Lead the machine's packets for the hosts into the sandbox; let nothing in there open a connection outward."""
    unlink()
    block()
    run(["ip", "link", "add", OUTER, "type", "veth", "peer", "name", INNER, "netns", str(sandbox_pid)])
    enter = ["nsenter", f"--target={sandbox_pid}", "--net"]
    run([*enter, "ip", "address", "add", f"{SANDBOX_ADDRESS}/{OPERATOR_NETWORK.prefixlen}", "dev", INNER])
    run([*enter, "nft", "-f", "-"], stdin=_SANDBOX_GUARD)
    run([*enter, "ip", "link", "set", INNER, "up"])
    run(["ip", "address", "add", f"{OPERATOR_ADDRESS}/{OPERATOR_NETWORK.prefixlen}", "dev", OUTER])
    run(["ip", "link", "set", OUTER, "up"])
    for net in NETWORKS.values():
        run(["ip", "route", "add", str(net), "via", SANDBOX_ADDRESS, "dev", OUTER])


def unlink() -> None:
    """Take the link away; its routes go with it. The blackhole routes stay."""
    run(["ip", "link", "delete", OUTER], check=False)
    run(["nft", "delete", "table", "inet", NFT_TABLE], check=False)


def block() -> None:
    """A packet for a lab that is down must not leave this machine by the default route."""
    for net in NETWORKS.values():
        run(["ip", "route", "replace", "blackhole", str(net), "metric", BLACKHOLE_METRIC])


def unblock() -> None:
    """Remove the blackhole routes: the lab is gone."""
    for net in NETWORKS.values():
        run(["ip", "route", "delete", "blackhole", str(net), "metric", BLACKHOLE_METRIC], check=False)


def guard_plain() -> None:
    """Without the sandbox: hosts talk to each other and to the machine, and reach nothing behind it."""
    block()
    nets = ", ".join(str(net) for net in NETWORKS.values())
    rules = (
        f"table inet {NFT_TABLE} {{ chain forward {{ type filter hook forward priority -10; "
        f"ip saddr {{ {nets} }} ip daddr != {{ {nets} }} ct state new drop; }} }}\n"
    )
    run(["nft", "delete", "table", "inet", NFT_TABLE], check=False)
    run(["nft", "-f", "-"], stdin=rules)


def refuse_taken_routes(routes: list[dict[str, Any]] | None = None) -> None:
    """LabError when a route of somebody else covers an address of the lab. `routes` is `ip -json route show`."""
    table = json.loads(run(["ip", "-json", "route", "show", "table", "all"]).stdout) if routes is None else routes
    for route in table:
        target = str(route.get("dst", "default"))
        if target == "default" or ":" in target or _own(route):
            continue
        for name, net in [*NETWORKS.items(), ("operator", OPERATOR_NETWORK)]:
            if IPv4Network(target, strict=False).overlaps(net):
                raise LabError(
                    f"the {name} network {net} of the lab is already routed on this machine "
                    f"({target} dev {route.get('dev', '?')}): remove that route or leave that VPN, then `make up`"
                )


def _own(route: dict[str, Any]) -> bool:
    """Routes that the lab or its podman bridges made."""
    device = str(route.get("dev", ""))
    return device == OUTER or device.startswith("podman") or route.get("type") == "blackhole"
