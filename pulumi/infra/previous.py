"""What the stack exported last, and what would break it.

A host that goes unmarked, moves, is stopped for another size while it is needed or gets another architecture; a volume
that shrinks.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import pulumi

from infra.contract import VERSION
from infra.limits import HOSTS_FOR_FAILOVER
from infra.problems import Problem, SettingsError
from infra.topology import HostPlan, Topology

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
    if topology.settings.aws:
        refuse_older_program(previous)
    for refuse in (refuse_unmarked_removal, refuse_moved_hosts, refuse_smaller_volumes):
        refuse(previous, topology)
    if topology.settings.aws:  # the lab's containers have no instance that another size would stop
        refuse_other_architecture(previous, topology)
        refuse_stopping_for_size(previous, topology)


def refuse_older_program(previous: Mapping[str, Any] | None) -> None:
    """Raise SettingsError for a contract of another version: what made it knows other resources than this program."""
    if previous is None or (version := previous.get("version")) == VERSION:
        return
    number = f"{version:g}" if isinstance(version, int | float) else repr(version)
    finding = (
        f"its contract has version {number}, this program goes on from {VERSION} alone: another one made the stack"
    )
    remedy = "make a new stack with this program and bring the data over from a backup"
    raise SettingsError([Problem("stack", finding, remedy)])


def refuse_unmarked_removal(previous: Mapping[str, Any] | None, topology: Topology) -> None:
    """Raise SettingsError when a database host would go that was still active."""
    staying = {plan.name for plan in topology.database_hosts}
    going = [
        host
        for host in _exported_hosts(previous, "state", services=False)
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
    for host in _exported_hosts(previous, "zone", "address"):
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
    for host in _exported_hosts(previous, "volumes"):
        for volume in (one for one in host["volumes"] if {"purpose", "size_gib"} <= set(one)):
            have, gib = int(volume["size_gib"]), wanted.get((host["name"], volume["purpose"]))
            if gib is not None and gib < have:
                of_service = f"services.{host['name']}." if host["name"] in services else ""
                setting = f"{of_service}{volume['purpose']}_volume_gib"
                finding = f"{gib}; {host['name']}'s has {have} GiB and XFS can't shrink, so {gib} GiB is refused"
                problems.setdefault(setting, Problem(setting, finding, f"take {have} or more"))
    if problems:
        raise SettingsError(list(problems.values()))


def refuse_other_architecture(previous: Mapping[str, Any] | None, topology: Topology) -> None:
    """Raise SettingsError when a host would get a processor that its system can't start on."""
    wanted, staying = topology.settings.architecture, {plan.name for plan in topology.hosts}
    others = [
        host
        for host in _exported_hosts(previous, "architecture")
        if host["name"] in staying and host["architecture"] != wanted
    ]
    if others:
        have, names = others[0]["architecture"], ", ".join(host["name"] for host in others)
        finding = f"{wanted}; {names} are {have}, and their systems and data run on no other"
        remedy = f"keep {have}; others are for a stack of its own, which takes over the data by a dump"
        raise SettingsError([Problem("architecture", finding, remedy)])


def refuse_stopping_for_size(previous: Mapping[str, Any] | None, topology: Topology) -> None:
    """Raise SettingsError when hosts with data would stop for another size: one that is not marked, or several.

    AWS would refuse the first in the middle of an `up`, by its stop protection, and stop the second all at once.
    """
    aws = topology.settings.aws
    marked = aws.replacing_hosts if aws else ()
    have = {host["name"]: (int(host["cores"]), int(host["memory_mib"])) for host in _exported_hosts(previous, "cores")}
    changing = [
        plan for plan in topology.hosts if plan.is_guarded and plan.name in have and have[plan.name] != _size(plan)
    ]
    databases = [plan for plan in changing if not plan.serves]
    several = len(databases) > 1 and len(topology.database_hosts) >= HOSTS_FOR_FAILOVER
    problems = []
    if several or any(plan.name not in marked for plan in databases):
        problems.append(_database_size_problem(databases, have, topology))
    for plan in changing:
        if plan.serves and plan.name not in marked:
            finding = f"{_size_change([plan], have)}, which stops it; a host that replacing_hosts names may"
            remedy = (
                "keep its size, name it there and run `pulumi up`, then give it its new size and run `pulumi up` again"
            )
            problems.append(Problem(f"services.{plan.name}", finding, remedy))
    if problems:
        raise SettingsError(problems)


def _database_size_problem(
    changing: list[HostPlan], have: Mapping[str, tuple[int, int]], topology: Topology
) -> Problem:
    first = changing[0]
    own = [plan.name for plan in changing if plan.name in topology.settings.database_host_sizes]
    setting = f"database_host_sizes.{own[0]}" if own else "database_cores, database_memory_mib"
    finding = (
        f"{_size_change(changing, have)}, which stops them; one host that replacing_hosts names may change at a time"
    )
    key, size = f"database_host_sizes.{first.name}", first.size
    # The provider stops an instance before it lifts its stop protection: the mark takes an `up` of its own.
    remedy = (
        "keep the common size, and take one after another, its leader last and switched over: name it in "
        "replacing_hosts and run `pulumi up`, give it its new size in database_host_sizes (pulumi config set --path "
        f"{key}.cores {size.cores} && pulumi config set --path {key}.memory_mib {size.memory_mib}), run `pulumi up` "
        "and `ansible-playbook ansible/playbooks/site.yml`, then the next one; at the end set the common size, "
        "`pulumi config rm database_host_sizes` and `pulumi config rm replacing_hosts`"
    )
    return Problem(setting, finding, remedy)


def _size_change(changing: list[HostPlan], have: Mapping[str, tuple[int, int]]) -> str:
    names, first = ", ".join(plan.name for plan in changing), changing[0]
    return f"{names} would change from {_words(have[first.name])} to {_words(_size(first))}"


def _size(plan: HostPlan) -> tuple[int, int]:
    return plan.size.cores, plan.size.memory_mib


def _words(size: tuple[int, int]) -> str:
    return f"{size[0]} cores with {size[1]} MiB"


def _exported_hosts(
    previous: Mapping[str, Any] | None, *fields: str, services: bool = True
) -> Iterator[Mapping[str, Any]]:
    """Yield the hosts that have these fields: the lab's contract may be of another version."""
    contract = previous or {}
    clusters = contract.get("clusters", {}).values()
    hosts = [host for cluster in clusters for host in cluster.get("hosts", [])]
    for host in hosts + (contract.get("services", []) if services else []):
        if {"name", *fields} <= set(host):
            yield host


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
