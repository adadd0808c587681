"""What a host gets from the contract through inventory and group_vars, as Ansible itself evaluates it."""

import copy
import json
import os
import subprocess
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
Evaluate = Callable[[dict[str, Any], str, dict[str, str]], dict[str, Any]]


@pytest.fixture
def evaluate(tmp_path: Path) -> Evaluate:
    """Evaluate expressions for a host of a contract, with the values of its environment."""

    def run(contract: dict[str, Any], host: str, expressions: dict[str, str]) -> dict[str, Any]:
        (tmp_path / "contract.json").write_text(json.dumps(contract), encoding="utf-8")
        folder = ROOT / "inventories" / contract["environment"]
        source = yaml.safe_load((folder / "pulumi_stack.yml").read_text(encoding="utf-8"))
        source = {key: value for key, value in source.items() if key not in {"state_file", "remote_state"}}
        source["contract_file"] = str(tmp_path / "contract.json")
        (tmp_path / "pulumi_stack.yml").write_text(yaml.safe_dump(source), encoding="utf-8")
        if not (tmp_path / "group_vars").exists():
            (tmp_path / "group_vars").symlink_to(folder / "group_vars")
        message = "{{ {" + ", ".join(f"'{name}': {text}" for name, text in expressions.items()) + "} | to_json }}"
        inventory = str(tmp_path / "pulumi_stack.yml")
        argv = ["ansible", "-i", inventory, host, "--playbook-dir", "ansible/playbooks", "-m", "debug"]
        environment = {"ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_NOCOLOR": "1"}
        done = subprocess.run(
            [*argv, "-a", json.dumps({"msg": message})],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env={**os.environ, **environment},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        found = json.loads(done.stdout[done.stdout.index("{") :])["msg"]
        return dict(json.loads(found) if isinstance(found, str) else found)

    return run


@pytest.mark.parametrize(
    ("cores", "processes", "percent"), [([2, 2, 2], 1, 25), ([8, 8, 8], 2, 100), ([16, 4, 16], 1, 200)]
)
def test_a_backup_has_processes_by_the_smallest_database_host_and_an_eighth_of_each_ones_processors(
    evaluate: Evaluate, contract: dict[str, Any], cores: list[int], processes: int, percent: int
) -> None:
    for host, number in zip(contract["clusters"]["main"]["hosts"], cores, strict=True):
        host["cores"] = number
    there = {
        "host": "backup_repository_backup_process_count",
        "bucket": "wal_archive_backup_process_count",
        "percent": "wal_archive_backup_cpu_percent",
    }
    assert evaluate(contract, "db1", there) == {"host": processes, "bucket": processes, "percent": percent}


def test_sizing_and_pooler_take_the_connections_of_the_contract(evaluate: Evaluate, contract: dict[str, Any]) -> None:
    declared = {"max_connections": 440, "pooler_connections": 60, "direct_connections": 33, "reserved_connections": 14}
    contract["clusters"]["main"]["connections"] = declared
    found = evaluate(
        contract,
        "db1",
        {
            "server": "patroni_parameters.max_connections",
            "free": "patroni_parameters.superuser_reserved_connections + patroni_parameters.reserved_connections",
            "checked": "pgbouncer_postgresql_connections_max",
            "others": "pgbouncer_postgresql_connections_reserved",
            "limits": "[pgbouncer_database_connections_max, pgbouncer_user_connections_max]",
            "poolers": "pgbouncer_poolers",
        },
    )
    assert found == {"server": 440, "free": 14, "checked": 440, "others": 47, "limits": [60, 60], "poolers": 3}


def test_pools_that_do_not_fit_are_refused_before_a_host_is_touched(
    evaluate: Evaluate, contract: dict[str, Any]
) -> None:
    contract["clusters"]["main"]["connections"]["max_connections"] = 350
    with pytest.raises(AssertionError, match="max_connections=350: poolers, direct and reserved"):
        evaluate(contract, "db1", {"parameters": "patroni_parameters"})


@pytest.mark.parametrize("stack", ["production", "production-cn", "staging"])
def test_a_stack_on_aws_has_its_size_and_asks_for_the_time_where_its_hosts_can_reach(
    evaluate: Evaluate, stack: str
) -> None:
    contract = json.loads((ROOT / f"tests/golden/{stack}/contract.json").read_text(encoding="utf-8"))
    expressions = {"servers": "host_baseline_time_servers", "connections": "patroni_parameters.max_connections"}
    found = evaluate(contract, "db1", expressions)
    assert found["connections"] == contract["clusters"]["main"]["connections"]["max_connections"]
    assert found["servers"]
    assert [server for server in found["servers"] if not ip_address(server).is_link_local] == []


def test_no_inventory_has_connections_of_its_own() -> None:
    for file in ROOT.glob("inventories/*/group_vars/*.yml"):
        assert "connections" not in file.read_text(encoding="utf-8")


def four_hosts(contract: dict[str, Any], state: str) -> dict[str, Any]:
    hosts = contract["clusters"]["main"]["hosts"]
    text = json.dumps(copy.deepcopy(hosts[0])).replace("db1", "db4").replace("10.99.0.11", "10.99.0.14")
    hosts.append({**json.loads(text), "state": state, "etcd_member": False})
    return contract


RETIRING = {  # the required inputs of `tasks_from: retire` of patroni and etcd, but for passwords
    "members": "patroni_members | map(attribute='name')",
    "etcd": "etcd_members | map(attribute='name')",
    "addresses": "patroni_etcd_addresses",
    "scope": "patroni_scope",
    "token": "etcd_cluster_token",
    "cluster": "platform_cluster",
    "host": "platform_host.name",
}


def test_a_retiring_host_knows_those_that_stay(evaluate: Evaluate, contract: dict[str, Any]) -> None:
    found = evaluate(four_hosts(contract, "retiring"), "db4", RETIRING)
    assert found == {
        "members": ["db1", "db2", "db3"],
        "etcd": ["db1", "db2", "db3"],
        "addresses": ["10.99.0.11", "10.99.0.12", "10.99.0.13"],
        "scope": "lab-main",
        "token": "lab-main",
        "cluster": "main",
        "host": "db4",
    }


def test_no_role_of_the_others_counts_a_retiring_host(evaluate: Evaluate, contract: dict[str, Any]) -> None:
    lists = {
        "members": "patroni_members | map(attribute='name')",
        "balancer": "database_endpoint_servers | map(attribute='name')",
        "archive": "wal_archive_hosts",
        "poolers": "pgbouncer_poolers",
        "hosts": "platform_hosts | map(attribute='name')",
        "names": "platform_names | map(attribute='names') | flatten",
        "groups": "groups['database'] + groups['cluster_main'] + groups['etcd']",
    }
    before = evaluate(contract, "db1", lists)
    assert before["members"] == ["db1", "db2", "db3"]
    assert evaluate(four_hosts(contract, "retiring"), "db1", lists) == before


def test_every_required_input_of_the_retire_entry_points_is_wired() -> None:
    wired = yaml.safe_load((ROOT / "ansible/playbooks/group_vars/retiring.yml").read_text(encoding="utf-8"))
    for role in ("patroni", "etcd"):
        specs = yaml.safe_load((ROOT / f"roles/{role}/meta/argument_specs.yml").read_text(encoding="utf-8"))
        options = specs["argument_specs"]["retire"]["options"]
        assert {name for name, option in options.items() if option.get("required")} <= set(wired), role


def test_nothing_in_the_server_works_as_a_superuser_on_what_the_owner_of_the_tables_writes(
    evaluate: Evaluate, contract: dict[str, Any]
) -> None:
    found = evaluate(contract, "db1", {"loaded": "patroni_parameters.shared_preload_libraries"})
    # A worker that an extension brings is named here first: its role and what it reads are to be looked at.
    assert set(found["loaded"].split(",")) == {"pg_stat_statements", "pgaudit"}
