"""What the stack exported last, and what would break it: a host that goes unmarked or moves, a volume that shrinks."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import pulumi

from infra.limits import HOSTS_FOR_FAILOVER
from infra.problems import Problem, SettingsError
from infra.topology import Topology

# The engine saves the stack while the program runs, and a file backend can be read in the middle of that.
READS_MAX, READ_AGAIN_S = 25, 0.2
HALF_WRITTEN = "failed to load checkpoint"


def exported_contract() -> Mapping[str, Any] | None:
    """Return the contract of the last successful `up`, None where there is none. Raises what the engine raises."""
    outputs = _read_outputs(f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}")
    contract = outputs.get("contract")
    return contract if isinstance(contract, Mapping) else None


def _read_outputs(stack: str) -> Mapping[str, Any]:
    reads_left = READS_MAX
    while True:
        reads_left -= 1
        try:
            answer = pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", {"name": stack}).value
        except Exception as error:  # the SDK raises nothing narrower
            if not reads_left or HALF_WRITTEN not in str(error):
                raise
            time.sleep(READ_AGAIN_S)
        else:
            return (answer or {}).get("outputs") or {}


def refuse_breaking_changes(previous: Mapping[str, Any] | None, topology: Topology) -> None:
    """Raise SettingsError for what no `up` may do to what is there."""
    for refuse in (refuse_unmarked_removal, refuse_moved_hosts, refuse_smaller_volumes):
        refuse(previous, topology)


def refuse_unmarked_removal(previous: Mapping[str, Any] | None, topology: Topology) -> None:
    """Raise SettingsError when a database host would go that was still active."""
    staying = {plan.name for plan in topology.database_hosts}
    going = [
        host
        for cluster in (previous or {}).get("clusters", {}).values()
        for host in cluster["hosts"]
        if host["state"] == "active" and host["name"] not in staying
    ]
    if going:
        names = [host["name"] for host in going]
        finding = f"{len(staying)} would remove {', '.join(names)}, which belongs to a cluster"
        remedy = _remedy(names, len(staying), [host["name"] for host in going if host.get("etcd_member")])
        raise SettingsError([Problem("database_hosts", finding, remedy)])


def refuse_moved_hosts(previous: Mapping[str, Any] | None, topology: Topology) -> None:
    """Raise SettingsError when a host would get another zone or address: it would be made anew, without its volumes."""
    wanted = {plan.name: (plan.zone, str(plan.address)) for plan in topology.hosts}
    for host in _exported_hosts(previous or {}):
        have = (host["zone"], host["address"])
        move = wanted.get(host["name"], have)
        if move != have:
            setting = "zones" if move[0] != have[0] else "network"
            finding = f"{host['name']} would move from {' '.join(have)} to {' '.join(move)}, away from its volumes"
            remedy = "keep zones, network and the order of services as they were; others are for a stack of its own"
            raise SettingsError([Problem(setting, finding, remedy)])


def refuse_smaller_volumes(previous: Mapping[str, Any] | None, topology: Topology) -> None:
    """Raise SettingsError when a volume would shrink: AWS would refuse it only in the middle of an `up`."""
    wanted = {(plan.name, volume.purpose): volume.size_gib for plan in topology.hosts for volume in plan.volumes}
    services = {plan.name for plan in topology.service_hosts}
    problems: dict[str, Problem] = {}
    for host in _exported_hosts(previous or {}):
        for volume in host["volumes"]:
            have, gib = int(volume["size_gib"]), wanted.get((host["name"], volume["purpose"]))
            if gib is not None and gib < have:
                of_service = f"services.{host['name']}." if host["name"] in services else ""
                setting = f"{of_service}{volume['purpose']}_volume_gib"
                finding = f"{gib}; {host['name']}'s has {have} GiB and XFS can't shrink, so {gib} GiB is refused"
                problems.setdefault(setting, Problem(setting, finding, f"take {have} or more"))
    if problems:
        raise SettingsError(list(problems.values()))


def _exported_hosts(contract: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for cluster in contract.get("clusters", {}).values():
        yield from cluster["hosts"]
    yield from contract.get("services", [])


def _remedy(going: list[str], staying: int, members: list[str]) -> str:
    # What the rule of `retiring_hosts` would refuse is not advised.
    if staying < HOSTS_FOR_FAILOVER or members:
        reason = f"{', '.join(members)} carries etcd" if members else f"it keeps {HOSTS_FOR_FAILOVER} hosts or more"
        return (
            f"keep it at {staying + len(going)}: a running cluster can't shrink that far, {reason}; a smaller one is a "
            "stack of its own that takes over the data from a backup"
        )
    mark = " && ".join(f"pulumi config set --path 'retiring_hosts[{n}]' {name}" for n, name in enumerate(going))
    return (
        f"keep database_hosts at {staying + len(going)}, mark what is to go ({mark}), run `pulumi up` and "
        "`ansible-playbook ansible/playbooks/site.yml`, then lower it and `pulumi config rm retiring_hosts`"
    )
