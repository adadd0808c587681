"""The inventory plugin: what it makes of a contract, and which contracts it refuses."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]


def test_each_database_host_is_in_the_groups_that_its_role_needs(plugin: ModuleType, contract: dict[str, Any]) -> None:
    groups = plugin.groups_of(contract)
    assert groups["database"] == groups["etcd"] == groups["cluster_main"] == ["db1", "db2", "db3"]
    assert groups["repository"] == groups["cache"] == groups["services"] == ["service1"]
    assert groups["retiring"] == []
    assert groups["zone_lab_b"] == ["db2"]


def test_a_retiring_host_runs_no_role(plugin: ModuleType, contract: dict[str, Any]) -> None:
    contract["clusters"]["main"]["hosts"][2]["state"] = "retiring"
    groups = plugin.groups_of(contract)
    assert groups["retiring"] == ["db3"]
    assert [name for name, hosts in groups.items() if "db3" in hosts] == ["retiring", "zone_lab_c"]
    variables = plugin.cluster_variables(contract, "main")
    assert [host["name"] for host in variables["platform_hosts"]] == ["db1", "db2"]


def test_a_service_host_of_several_clusters_belongs_to_none(plugin: ModuleType, contract: dict[str, Any]) -> None:
    def cluster_of() -> Any:
        return next(cluster for host, cluster in plugin.each_host(contract) if host["name"] == "service1")

    assert cluster_of() == "main"
    contract["clusters"]["messaging"] = {**contract["clusters"]["main"], "hosts": []}
    assert cluster_of() is None


def test_relative_files_count_from_the_root_and_host_keys_are_always_checked(
    plugin: ModuleType, contract: dict[str, Any]
) -> None:
    host = contract["clusters"]["main"]["hosts"][0]
    variables = plugin.connection_variables(host)
    assert variables["ansible_ssh_private_key_file"] == f"{ROOT}/.lab/ssh/id_ed25519"
    assert f"UserKnownHostsFile={ROOT}/.lab/ssh/known_hosts" in variables["ansible_ssh_common_args"]
    assert "StrictHostKeyChecking=yes" in variables["ansible_ssh_common_args"]
    assert "ProxyCommand" not in variables["ansible_ssh_common_args"]
    host["connect"]["private_key_file"] = "~/.ssh/key"
    assert plugin.connection_variables(host)["ansible_ssh_private_key_file"] == str(Path.home() / ".ssh/key")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 1}, "version 1: this checkout reads version 2"),
        ({"project": "other"}, "is for project 'other', this inventory is for 'freelance-platform'"),
        ({"environment": "production"}, "is for environment 'production', this inventory is for 'lab'"),
        ({"network": "10.99.0.0"}, r"\$\.network"),
        ({"services": []}, "serves no repository"),
    ],
    ids=["version", "project", "environment", "shape", "contradiction"],
)
def test_a_contract_that_does_not_fit_is_refused_with_the_command_that_mends_it(
    plugin: ModuleType, contract: dict[str, Any], saved: Callable[..., Any], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(plugin.ContractError, match=message) as refusal:
        plugin.read_contract(saved({**contract, **change}))
    assert "make up" in str(refusal.value)


def test_a_missing_or_broken_contract_is_refused(plugin: ModuleType, saved: Callable[..., Any]) -> None:
    with pytest.raises(plugin.ContractError, match=r"there is no contract .* Run: make up"):
        plugin.read_contract(saved(None))
    with pytest.raises(plugin.ContractError, match=r"is no JSON .* Run: make up"):
        plugin.read_contract(saved("{"))
    with pytest.raises(plugin.ContractError, match="a JSON object"):
        plugin.read_contract(saved("[]"))


def test_a_stack_without_state_is_not_deployed(
    plugin: ModuleType, contract: dict[str, Any], saved: Callable[..., Any], tmp_path: Path
) -> None:
    with pytest.raises(plugin.ContractError, match=r"nothing is deployed\. Run: make up"):
        plugin.read_contract(saved(contract, state_file=str(tmp_path / "lab.json")))


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Put a `pulumi` on PATH that runs a shell script and logs its calls; returns the log."""

    def install(script: str) -> Path:
        log = tmp_path / "calls"
        program = tmp_path / "bin" / "pulumi"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\necho "$@" >> {log}\n{script}\n', encoding="utf-8")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        return log

    return install


def test_pulumi_is_asked_once_after_each_change_of_the_state(
    plugin: ModuleType,
    contract: dict[str, Any],
    saved: Callable[..., Any],
    engine: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    answer, state = tmp_path / "answer.json", tmp_path / "state.json"
    answer.write_text(json.dumps(contract), encoding="utf-8")
    state.touch()
    log = engine(f"cat {answer}")
    source = saved(None, state_file=str(state))
    assert plugin.read_contract(source) == plugin.read_contract(source) == contract
    assert log.read_text(encoding="utf-8").splitlines() == [
        f"stack output contract --json --stack lab --cwd {ROOT}",
    ]
    later = time.time() + 5
    os.utime(state, (later, later))
    contract["clusters"]["main"]["connections"]["max_connections"] += 1
    answer.write_text(json.dumps(contract), encoding="utf-8")
    assert plugin.read_contract(source) == contract
    assert len(log.read_text(encoding="utf-8").splitlines()) == 2


def test_a_change_of_remote_state_is_seen_at_once(
    plugin: ModuleType,
    contract: dict[str, Any],
    saved: Callable[..., Any],
    engine: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    answer = tmp_path / "answer.json"
    engine(f"cat {answer}")
    source = saved(contract, remote_state=True)
    for _ in range(2):
        contract["clusters"]["main"]["connections"]["max_connections"] += 1
        answer.write_text(json.dumps(contract), encoding="utf-8")
        assert plugin.read_contract(source) == contract


def test_a_refusal_by_pulumi_is_passed_on(
    plugin: ModuleType, saved: Callable[..., Any], engine: Callable[[str], Path]
) -> None:
    engine("echo 'error: no stack named lab' >&2; exit 255")
    source = saved(None, remote_state=True)
    with pytest.raises(plugin.ContractError, match=r"no stack named lab\n.*source activate.sh.*make up"):
        plugin.read_contract(source)
    assert not Path(source.contract_file).exists()


@pytest.mark.parametrize("environment", ["lab", "production"])
def test_ansible_reads_the_golden_contract(environment: str, tmp_path: Path) -> None:
    inventory = tmp_path / "pulumi_stack.yml"
    golden = json.loads((ROOT / f"tests/golden/{environment}/contract.json").read_text(encoding="utf-8"))
    inventory.write_text(
        f"plugin: pulumi_stack\nstack: {environment}\nenvironment: {environment}\nproject: {golden['project']}\n"
        f"contract_file: tests/golden/{environment}/contract.json\nremedy: make up\n",
        encoding="utf-8",
    )
    command = ["ansible-inventory", "-i", str(inventory), "--list"]
    output = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    # Ansible marks text of an inventory as untrusted, that is: never a template.
    found = json.loads(output, object_hook=lambda value: value.get("__ansible_unsafe", value))
    hosts = golden["clusters"]["main"]["hosts"]
    assert found["database"]["hosts"] == [host["name"] for host in hosts]
    variables = found["_meta"]["hostvars"]
    assert {name: variables[name]["platform_host"] for name in found["database"]["hosts"]} == {
        host["name"]: host for host in hosts
    }
    assert variables["db1"]["platform_hosts"] == hosts
    assert variables["db1"]["platform_environment"] == environment


def test_the_inventories_differ_in_data_only() -> None:
    lab, production = (
        sorted(
            path.relative_to(ROOT / "inventories" / name).as_posix()
            for path in (ROOT / "inventories" / name).rglob("*.yml")
        )
        for name in ("lab", "production")
    )
    assert lab == production == ["group_vars/all.yml", "pulumi_stack.yml"]
