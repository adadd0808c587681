"""Another size stops a host: one with data must be marked for it, and of a cluster's hosts one at a time may be.

AWS would refuse the first in the middle of an `up`, by its stop protection, and stop the second all at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from infra.limits import HOSTS_FOR_FAILOVER
from infra.problems import Problem
from infra.settings import HostSize
from infra.stack_outputs import exported_hosts
from infra.topology import HostPlan, Topology


def problems_of(exported: Mapping[str, Any], topology: Topology) -> Iterator[Problem]:
    """Yield which hosts with data would stop: unmarked ones, or several of a cluster."""
    aws = topology.settings.aws
    marked = aws.replacing_hosts if aws else ()
    have = {
        host["name"]: HostSize(cores=int(host["cores"]), memory_mib=int(host["memory_mib"]))
        for host in exported_hosts(exported, "cores", "memory_mib")
    }
    changing = [plan for plan in topology.hosts if plan.is_guarded and have.get(plan.name, plan.size) != plan.size]
    databases = [plan for plan in changing if plan.kind == "database"]
    several = len(databases) > 1 and len(topology.database_hosts) >= HOSTS_FOR_FAILOVER
    if several or any(plan.name not in marked for plan in databases):
        yield _of_databases(databases, have, topology)
    for plan in changing:
        if plan.kind == "service" and plan.name not in marked:
            finding = f"{_change([plan], have)}, which stops it; a host that replacing_hosts names may"
            remedy = (
                "keep its size, name it there and run `pulumi up`, then give it its new size and run `pulumi up` again"
            )
            yield Problem(f"services.{plan.name}", finding, remedy)


def _of_databases(changing: Sequence[HostPlan], have: Mapping[str, HostSize], topology: Topology) -> Problem:
    first = changing[0]
    own = [plan.name for plan in changing if plan.name in topology.settings.database_host_sizes]
    setting = f"database_host_sizes.{own[0]}" if own else "database_cores, database_memory_mib"
    finding = f"{_change(changing, have)}, which stops them; one host that replacing_hosts names may change at a time"
    give = " && ".join(
        f"pulumi config set --path database_host_sizes.{first.name}.{key} {value}"
        for key, value in asdict(first.size).items()
    )
    # The provider stops an instance before it lifts its stop protection: the mark takes an `up` of its own.
    remedy = (
        "keep the common size, and take one after another, its leader last and switched over: name it in "
        f"replacing_hosts and run `pulumi up`, give it its new size in database_host_sizes ({give}), run `pulumi up` "
        "and `ansible-playbook ansible/playbooks/site.yml`, then the next one; at the end set the common size, "
        "`pulumi config rm database_host_sizes` and `pulumi config rm replacing_hosts`"
    )
    return Problem(setting, finding, remedy)


def _change(changing: Sequence[HostPlan], have: Mapping[str, HostSize]) -> str:
    names, first = ", ".join(plan.name for plan in changing), changing[0]
    return f"{names} would change from {_words(have[first.name])} to {_words(first.size)}"


def _words(size: HostSize) -> str:
    return f"{size.cores} cores with {size.memory_mib} MiB"
