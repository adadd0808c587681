"""What the stack exported last: the contract of its last successful `up`."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import pulumi

# The engine saves the stack while the program runs, and a file backend can be read in the middle of that.
READS_MAX, READ_AGAIN_SECONDS = 25, 0.2
HALF_WRITTEN = "failed to load checkpoint"


def exported_contract() -> Mapping[str, Any] | None:
    """Return the contract, whatever its version; None where there is none. Raises what the engine raises."""
    outputs = _read_outputs(f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}")
    contract = outputs.get("contract")
    return contract if isinstance(contract, Mapping) else None


def exported_hosts(contract: Mapping[str, Any], *fields: str, services: bool = True) -> Iterator[Mapping[str, Any]]:
    """Yield the hosts that have these fields: a contract of another version may have others."""
    clusters = contract.get("clusters", {}).values()
    hosts = [host for cluster in clusters for host in cluster.get("hosts", [])]
    for host in hosts + (contract.get("services", []) if services else []):
        if {"name", *fields} <= set(host):
            yield host


def _read_outputs(stack: str) -> Mapping[str, Any]:
    reads_left = READS_MAX
    while True:
        reads_left -= 1
        try:
            answer = pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", {"name": stack}).value
        except Exception as error:  # the SDK raises nothing narrower
            if not reads_left or HALF_WRITTEN not in str(error):
                raise
            time.sleep(READ_AGAIN_SECONDS)
        else:
            return (answer or {}).get("outputs") or {}
