"""Inventory of a Pulumi stack: its contract becomes hosts, groups and variables.

The functions above the plugin class know nothing of Ansible, so tests/host reads the contract through the same lines.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin

ROOT = Path(__file__).resolve().parents[3]
sys.path.append(str(ROOT / "pulumi"))  # The contract is one typed object: it is read by the code that writes it.
from infra import contract_checks  # noqa: E402 - found by the line above

DOCUMENTATION = """
name: pulumi_stack
short_description: Hosts, groups and variables from the contract of a Pulumi stack
description:
  - Reads the stack output C(contract), checks it against C(pulumi/infra/contract.schema.json) and makes the inventory.
  - Where the state is a local file, a saved copy that is not older is used, because asking Pulumi costs a second and
    this costs milliseconds. Nobody can tell from here whether a remote state changed, so Pulumi is asked each time.
options:
  plugin: {description: Must be C(pulumi_stack)., type: str, required: true, choices: [pulumi_stack]}
  stack: {description: Name of the Pulumi stack., type: str, required: true}
  environment: {description: Environment that the contract must be for., type: str, required: true}
  project: {description: Pulumi project that the contract must come from., type: str, required: true}
  contract_file:
    description: Saved copy of the contract, relative to the repository's root. Written here after Pulumi was asked.
    type: path
    required: true
  state_file:
    description:
      - State of the stack where it is a local file, relative to the root. A copy older than it is read again.
      - With neither this nor O(remote_state) the saved copy is all there is and Pulumi is never asked.
    type: path
  remote_state: {description: The state lies in a remote backend., type: bool, default: false}
  remedy: {description: Command that brings the contract up to date., type: str, required: true}
"""

PULUMI_SECONDS_MAX = 120
CONNECT_SECONDS_MAX = 10
# A proxy is a program that must start first, one for each of `forks` hosts at once, and a second connection.
PROXY_SECONDS_MAX = 30


class ContractError(Exception):
    """The contract can't be used. The text says what was found, what is wanted and the command that mends it."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a contract comes from and what it must be. Relative paths count from the repository's root."""

    stack: str
    environment: str
    project: str
    contract_file: str
    remedy: str
    state_file: str | None = None
    remote_state: bool = False


def read_contract(source: Source) -> dict[str, Any]:
    """Return the checked contract, from the saved copy where it is fresh. Raises ContractError."""
    saved = ROOT / source.contract_file
    state = ROOT / source.state_file if source.state_file else None
    if state and not state.is_file():
        raise ContractError(f"stack {source.stack} has no state in {state}: nothing is deployed. Run: {source.remedy}")
    if not source.remote_state and _is_fresh(saved, state):
        text, origin = saved.read_text(encoding="utf-8"), str(saved)
    elif state or source.remote_state:
        text, origin = _ask_pulumi(source, saved, state), f"pulumi stack output contract --stack {source.stack}"
    else:
        raise ContractError(f"there is no contract in {saved}. Run: {source.remedy}")
    try:
        contract = json.loads(text)
    except json.JSONDecodeError as error:
        raise ContractError(f"the contract from {origin} is no JSON ({error}). Run: {source.remedy}") from error
    check_contract(contract, source, origin)
    return dict(contract)


def _is_fresh(saved: Path, state: Path | None) -> bool:
    return saved.is_file() and not (state and state.stat().st_mtime > saved.stat().st_mtime)


def _ask_pulumi(source: Source, saved: Path, state: Path | None) -> str:
    # Taken before the question: a state that is written meanwhile must count as newer than the copy.
    asked_at = state.stat().st_mtime if state else None
    argv = ["pulumi", "stack", "output", "contract", "--json", "--stack", source.stack, "--cwd", str(ROOT)]
    try:
        answer = subprocess.run(argv, capture_output=True, text=True, timeout=PULUMI_SECONDS_MAX, check=True).stdout
    except FileNotFoundError as error:
        raise ContractError("pulumi is not on PATH. Run: source activate.sh") from error
    except subprocess.TimeoutExpired as error:
        raise ContractError(f"`{' '.join(argv)}`: no answer in {PULUMI_SECONDS_MAX} s. Run it by hand") from error
    except subprocess.CalledProcessError as error:
        raise ContractError(
            f"stack {source.stack} gives no contract: {error.stderr.strip()[-400:]}\n"
            f"Outside of `source activate.sh`? Else run: {source.remedy}"
        ) from error
    part = saved.with_name(f"{saved.name}.{os.getpid()}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_text(answer, encoding="utf-8")
    if asked_at is not None:
        os.utime(part, (asked_at, asked_at))
    part.replace(saved)
    return answer


def check_contract(contract: object, source: Source, origin: str) -> None:
    """Refuse a contract of another version, shape, project or environment. Raises ContractError."""
    try:
        parsed = contract_checks.parse(contract)
    except contract_checks.ContractError as error:
        remedy = f"`pulumi up --stack {source.stack}` or: {source.remedy}"
        raise ContractError(f"{error} (read from {origin}; {remedy})") from error
    for key, wanted in (("project", source.project), ("environment", source.environment)):
        if getattr(parsed, key) != wanted:
            raise ContractError(
                f"the contract from {origin} is for {key} {getattr(parsed, key)!r}, this inventory is for {wanted!r}. "
                f"Remove the file or choose another inventory, then run: {source.remedy}"
            )


def each_host(contract: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], str | None]]:
    """Yield (host, name of its cluster); a service host belongs to the only cluster, or to none of several."""
    for cluster, content in contract["clusters"].items():
        for host in content["hosts"]:
            yield host, cluster
    only = next(iter(contract["clusters"])) if len(contract["clusters"]) == 1 else None
    for host in contract["services"]:
        yield host, only


def groups_of(contract: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return group -> host names. A host that is being retired is in no group that a role runs on."""
    groups: dict[str, list[str]] = {
        name: [] for name in ("database", "etcd", "repository", "cache", "services", "retiring")
    }
    services = {host["name"] for host in contract["services"]}
    for host, cluster in each_host(contract):
        if host["state"] == "retiring":
            wanted = ["retiring"]
        elif host["name"] in services:
            wanted = ["services", *host["serves"]]
        else:
            wanted = ["database", f"cluster_{cluster}", *(["etcd"] if host["etcd_member"] else [])]
        for group in [*wanted, f"zone_{host['zone']}"]:
            groups.setdefault(group.replace("-", "_"), []).append(host["name"])
    return groups


def connection_variables(host: Mapping[str, Any]) -> dict[str, Any]:
    """Return Ansible's connection variables of a host; key and known_hosts as absolute paths.

    Only what is the host's own is added: pipelining and ControlPersist stay as ansible.cfg has them.
    """
    connect = host["connect"]
    files = {key: _absolute(connect[key]) for key in ("private_key_file", "known_hosts_file")}
    options = [
        f"-o {shlex.quote('UserKnownHostsFile=' + files['known_hosts_file'])}",
        "-o StrictHostKeyChecking=yes -o IdentitiesOnly=yes",
    ]
    if command := connect["proxy_command"]:
        for key, path in files.items():  # a jump host is reached with the same files
            command = command.replace(f"{{{key}}}", shlex.quote(path))
        options.append(f"-o {shlex.quote('ProxyCommand=' + command)}")
    return {
        "ansible_host": connect["host"],
        "ansible_port": connect["port"],
        "ansible_user": connect["user"],
        "ansible_ssh_private_key_file": files["private_key_file"],
        "ansible_ssh_common_args": " ".join(options),
        "ansible_ssh_timeout": PROXY_SECONDS_MAX if connect["proxy_command"] else CONNECT_SECONDS_MAX,
    }


def _absolute(path: str) -> str:
    return str(ROOT / Path(path).expanduser())


def environment_variables(contract: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables that are the same on all hosts."""
    return {
        "platform_environment": contract["environment"],
        "platform_project": contract["project"],
        "platform_network": contract["network"],
        "platform_operator_network": contract["operator_network"],
        "platform_apt_mirror": contract["apt_mirror"] or "",
        "platform_clusters": contract["clusters"],
        # Not those that leave: their names would be drift as soon as they are gone.
        "platform_names": [
            {"address": host["address"], "names": [host["name"]]}
            for host, _ in each_host(contract)
            if host["state"] == "active"
        ],
        "platform_service_hosts": [host for host in contract["services"] if host["state"] == "active"],
    }


def cluster_variables(contract: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the variables of one cluster's hosts."""
    cluster = contract["clusters"][name]
    active = [host for host in cluster["hosts"] if host["state"] == "active"]
    return {
        "platform_cluster": name,
        "platform_hosts": active,
        "platform_members": _members(active),
        "platform_etcd_members": _members(host for host in active if host["etcd_member"]),
        **{f"platform_{key}": value for key, value in cluster.items() if key != "hosts"},
    }


def _members(hosts: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return name and address alone, as roles take them."""
    return [{"name": host["name"], "address": host["address"]} for host in hosts]


def fill(inventory: Any, contract: Mapping[str, Any]) -> None:
    """Put hosts, groups and variables of a checked contract into Ansible's InventoryData."""
    for name, value in environment_variables(contract).items():
        inventory.set_variable("all", name, value)
    for host, cluster in each_host(contract):
        inventory.add_host(host["name"])
        of_cluster = cluster_variables(contract, cluster) if cluster else {}
        variables = {**connection_variables(host), **of_cluster, "platform_host": host}
        for name, value in variables.items():
            inventory.set_variable(host["name"], name, value)
    for group, members in groups_of(contract).items():
        inventory.add_group(group)
        for member in members:
            inventory.add_host(member, group)


class InventoryModule(BaseInventoryPlugin):  # type: ignore[misc] # untyped base class
    """The plugin as Ansible calls it."""

    NAME = "pulumi_stack"

    def verify_file(self, path: str) -> bool:
        """Take files named pulumi_stack.yml only."""
        return bool(super().verify_file(path)) and Path(path).name == "pulumi_stack.yml"

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Fill Ansible's inventory. Raises AnsibleParserError with the remedy in its text."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        source = Source(**{name: self.get_option(name) for name in Source.__dataclass_fields__})
        try:
            fill(inventory, read_contract(source))
        except ContractError as error:
            raise AnsibleParserError(str(error)) from error
