"""What the stack exported last: a host may only go after it was marked as retiring and left its cluster."""

from collections.abc import Mapping
from typing import Any

import pulumi

from infra.problems import Problem, SettingsError
from infra.topology import Topology


def exported_contract() -> Mapping[str, Any] | None:
    """Return the contract of the last successful `up`, None where there is none."""
    name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    answer = pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", {"name": name}).value
    contract = ((answer or {}).get("outputs") or {}).get("contract")
    return contract if isinstance(contract, Mapping) else None


def refuse_unmarked_removal(previous: Mapping[str, Any] | None, topology: Topology) -> None:
    """Raise SettingsError when a database host would go that was still active."""
    staying = {plan.name for plan in topology.database_hosts}
    going = [
        host["name"]
        for cluster in (previous or {}).get("clusters", {}).values()
        for host in cluster["hosts"]
        if host["state"] == "active" and host["name"] not in staying
    ]
    if going:
        finding = f"{len(staying)} would remove {', '.join(going)}, which belongs to a cluster"
        mark = " && ".join(f"pulumi config set --path 'retiring_hosts[{n}]' {name}" for n, name in enumerate(going))
        remedy = (
            f"keep database_hosts at {len(staying) + len(going)}, mark what is to go ({mark}), run `pulumi up` and "
            "`ansible-playbook ansible/playbooks/site.yml`, then lower it"
        )
        raise SettingsError([Problem("database_hosts", finding, remedy)])
