"""What no `up` may do to a stack that is there: each rule yields problems with value, limit and remedy.

A host that goes unmarked, moves, is stopped for another size while it is needed or gets another architecture; a volume
that shrinks. A rule compares the contract that was exported last with the topology that is wanted.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from infra import size_change
from infra.contract import VERSION
from infra.limits import HOSTS_FOR_FAILOVER
from infra.problems import Problem, SettingsError
from infra.stack_outputs import exported_hosts
from infra.topology import Topology

Exported = Mapping[str, Any]
Rule = Callable[[Exported, Topology], Iterator[Problem]]


def refuse_breaking_changes(exported: Exported | None, topology: Topology) -> None:
    """Raise SettingsError with all that the first rule finds which finds something."""
    if exported is None:
        return
    rules: list[Rule] = [_unmarked_removal, _moved_hosts, _smaller_volumes]
    if topology.settings.aws:
        # The lab goes on from an older contract as far as it is known; its hosts are containers of this machine.
        rules = [_older_program, *rules, _other_architecture, size_change.problems_of]
    for rule in rules:
        if problems := list(rule(exported, topology)):
            raise SettingsError(problems)


def _older_program(exported: Exported, _: Topology) -> Iterator[Problem]:
    """What made a contract of another version knows other resources than this program."""
    version = exported.get("version")
    if version != VERSION:
        number = f"{version:g}" if isinstance(version, int | float) else repr(version)
        finding = (
            f"its contract has version {number}, this program goes on from {VERSION} alone: another one made the stack"
        )
        yield Problem("stack", finding, "make a new stack with this program and bring the data over from a backup")


def _unmarked_removal(exported: Exported, topology: Topology) -> Iterator[Problem]:
    """A database host would go that was still active."""
    staying = {plan.name for plan in topology.database_hosts}
    going = [
        host
        for host in exported_hosts(exported, "state", services=False)
        if host["state"] == "active" and host["name"] not in staying
    ]
    if going:
        names = [host["name"] for host in going]
        finding = f"{len(staying)} would remove {', '.join(names)}, which belongs to a cluster"
        remedy = _way_to_fewer(names, len(staying), [host["name"] for host in going if host.get("etcd_member")])
        yield Problem("database_hosts", finding, remedy)


def _way_to_fewer(going: list[str], staying: int, members: list[str]) -> str:
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


def _moved_hosts(exported: Exported, topology: Topology) -> Iterator[Problem]:
    """A host would get another zone or address: it would be made anew, without its volumes. One speaks for all."""
    wanted = {plan.name: (plan.zone, str(plan.address)) for plan in topology.hosts}
    for host in exported_hosts(exported, "zone", "address"):
        have = (host["zone"], host["address"])
        move = wanted.get(host["name"], have)
        if move != have:
            setting = "zones" if move[0] != have[0] else "network"
            finding = f"{host['name']} would move from {' '.join(have)} to {' '.join(move)}, away from its volumes"
            remedy = "keep zones, network and the order of services as they were; others are for a stack of its own"
            yield Problem(setting, finding, remedy)
            return


def _smaller_volumes(exported: Exported, topology: Topology) -> Iterator[Problem]:
    """A volume would shrink: AWS would refuse it only in the middle of an `up`. Each setting is named once."""
    wanted = {(plan.name, volume.purpose): volume.size_gib for plan in topology.hosts for volume in plan.volumes}
    services = {plan.name for plan in topology.service_hosts}
    problems: dict[str, Problem] = {}
    for host in exported_hosts(exported, "volumes"):
        for volume in (one for one in host["volumes"] if {"purpose", "size_gib"} <= set(one)):
            have_gib, gib = int(volume["size_gib"]), wanted.get((host["name"], volume["purpose"]))
            if gib is not None and gib < have_gib:
                of_service = f"services.{host['name']}." if host["name"] in services else ""
                setting = f"{of_service}{volume['purpose']}_volume_gib"
                finding = f"{gib}; {host['name']}'s has {have_gib} GiB and XFS can't shrink, so {gib} GiB is refused"
                problems.setdefault(setting, Problem(setting, finding, f"take {have_gib} or more"))
    yield from problems.values()


def _other_architecture(exported: Exported, topology: Topology) -> Iterator[Problem]:
    """A host would get a processor that its system can't start on."""
    wanted, staying = topology.settings.architecture, {plan.name for plan in topology.hosts}
    others = [
        host
        for host in exported_hosts(exported, "architecture")
        if host["name"] in staying and host["architecture"] != wanted
    ]
    if others:
        have, names = others[0]["architecture"], ", ".join(host["name"] for host in others)
        finding = f"{wanted}; {names} are {have}, and their systems and data run on no other"
        remedy = f"keep {have}; others are for a stack of its own, which takes over the data by a dump"
        yield Problem("architecture", finding, remedy)
