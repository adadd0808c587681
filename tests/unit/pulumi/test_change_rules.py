"""What no `up` may do to a stack that is there, and which way the refusals advise."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from infra import change_rules, stack_config, topology
from infra.problems import SettingsError
from pulumi_recorder import PROJECT, ROOT, Recording, config_of, record


def production_with(**settings: object) -> topology.Topology:
    return topology.plan(stack_config.read(config_of("production", **settings), project=PROJECT, stack="production"))


def with_hosts(*states: str, members: int = 3) -> dict[str, object]:
    hosts = [{"name": f"db{n}", "state": s, "etcd_member": n <= members} for n, s in enumerate(states, start=1)]
    return {"version": 2, "clusters": {"main": {"hosts": hosts}}}


def test_a_host_goes_only_after_it_was_marked() -> None:
    three = production_with()
    change_rules.refuse_breaking_changes(None, three)
    change_rules.refuse_breaking_changes(with_hosts("active", "active", "active", "retiring"), three)
    with pytest.raises(SettingsError, match=r"3 would remove db4, .*set --path 'retiring_hosts\[0\]' db4.*config rm"):
        change_rules.refuse_breaking_changes(with_hosts("active", "active", "active", "active"), three)


@pytest.mark.parametrize(
    ("before", "members", "hosts", "message"),
    [
        (3, 3, 1, r"1 would remove db2, db3, .*keep it at 3: a running cluster can't shrink .*db2, db3 carries etcd"),
        (4, 1, 1, "keep it at 4: .*it keeps 3 hosts or more; a smaller one is a stack of its own"),
        (5, 5, 3, "3 would remove db4, db5, .*keep it at 5: .*db4, db5 carries etcd"),
    ],
)
def test_no_way_is_advised_that_would_be_refused(before: int, members: int, hosts: int, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as refused:
        change_rules.refuse_breaking_changes(
            with_hosts(*["active"] * before, members=members), production_with(database_hosts=hosts)
        )
    assert "retiring_hosts" not in str(refused.value)


def test_the_advised_way_is_possible() -> None:
    assert production_with(database_hosts=4, retiring_hosts=["db4"]).settings.retiring_hosts == ("db4",)


def test_a_volume_that_would_shrink_is_refused_with_what_it_has(production: Recording) -> None:
    smaller = production_with(data_volume_gib=499, wal_volume_gib=99)
    exported = json.loads(json.dumps(production.contract), parse_int=float)  # the engine's numbers are floats
    with pytest.raises(SettingsError) as refused:
        change_rules.refuse_breaking_changes(exported, smaller)
    assert str(refused.value).splitlines() == [
        "data_volume_gib: 499; db1's has 500 GiB and XFS can't shrink, so 499 GiB is refused; take 500 or more",
        "wal_volume_gib: 99; db1's has 100 GiB and XFS can't shrink, so 99 GiB is refused; take 100 or more",
    ]


def test_a_volume_may_stay_grow_come_and_go(production: Recording) -> None:
    for settings in ({}, {"data_volume_gib": 501}, {"database_hosts": 4}):
        change_rules.refuse_breaking_changes(production.contract, production_with(**settings))
    change_rules.refuse_breaking_changes(None, production_with(data_volume_gib=12))
    retiring = record("production", database_hosts=4, retiring_hosts=["db4"]).contract
    change_rules.refuse_breaking_changes(retiring, production_with())


def test_a_service_hosts_volume_does_not_shrink_either() -> None:
    def with_metrics(size_gib: int) -> list[dict[str, object]]:
        host = {"name": "service1", "serves": ["monitoring"], "cores": 2, "memory_mib": 8192}
        return [{**host, "metrics_volume_gib": size_gib}]

    exported = record("production", services=with_metrics(50)).contract
    with pytest.raises(SettingsError, match=r"^services\.service1\.metrics_volume_gib: 40; service1's has 50 GiB"):
        change_rules.refuse_breaking_changes(exported, production_with(services=with_metrics(40)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"network": "10.21.0.0/16"},
            "network: db1 would move from eu-central-1a 10.20.0.11 to eu-central-1a 10.21.0.11",
        ),
        (
            {"zones": [f"eu-central-1{zone}" for zone in "bca"]},
            "zones: db1 would move from eu-central-1a 10.20.0.11 to",
        ),
    ],
)
def test_a_host_does_not_move_away_from_its_volumes(
    production: Recording, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        change_rules.refuse_breaking_changes(production.contract, production_with(**settings))


def test_a_zone_is_added_only_while_no_host_goes_round_into_it(production: Recording) -> None:
    four = {"zones": [f"eu-central-1{zone}" for zone in "abcd"]}
    change_rules.refuse_breaking_changes(production.contract, production_with(**four))
    exported = record("production", database_hosts=4).contract
    with pytest.raises(SettingsError, match=r"zones: db4 would move from eu-central-1a .* to eu-central-1d"):
        change_rules.refuse_breaking_changes(exported, production_with(database_hosts=4, **four))


LARGE = {"cores": 16, "memory_mib": 65536}
BACKUPS = {"name": "backups", "serves": ["repository"], "cores": 2, "memory_mib": 8192, "repository_volume_gib": 1000}


@pytest.mark.parametrize(
    "settings",
    [{"database_cores": 16, "database_memory_mib": 65536}, {"database_memory_mib": 65536, "max_connections": 461}],
)
def test_another_size_of_all_hosts_is_refused_with_the_way_to_it(
    production: Recording, settings: dict[str, object]
) -> None:
    exported = json.loads(json.dumps(production.contract), parse_int=float)  # the engine's numbers are floats
    with pytest.raises(SettingsError) as refused:
        change_rules.refuse_breaking_changes(exported, production_with(**settings))
    cores = settings.get("database_cores", 8)
    assert str(refused.value) == (
        f"database_cores, database_memory_mib: db1, db2, db3 would change from 8 cores with 32768 MiB to {cores} cores "
        "with 65536 MiB, which stops them; one host that replacing_hosts names may change at a time; keep the common "
        "size, and take one after another, its leader last and switched over: name it in replacing_hosts and run "
        "`pulumi up`, give it its new size in database_host_sizes (pulumi config set --path "
        f"database_host_sizes.db1.cores {cores} && pulumi config set --path database_host_sizes.db1.memory_mib 65536), "
        "run `pulumi up` and `ansible-playbook ansible/playbooks/site.yml`, then the next one; at the end set the "
        "common size, `pulumi config rm database_host_sizes` and `pulumi config rm replacing_hosts`"
    )


def test_no_mark_lets_all_hosts_stop_at_once(production: Recording) -> None:
    everyone = ["db1", "db2", "db3"]
    wanted = production_with(database_cores=16, database_memory_mib=65536, replacing_hosts=everyone)
    with pytest.raises(SettingsError, match=r"db1, db2, db3 would change from .* may change at a time"):
        change_rules.refuse_breaking_changes(production.contract, wanted)
    two = production_with(database_host_sizes={"db1": LARGE, "db3": LARGE}, replacing_hosts=everyone)
    with pytest.raises(SettingsError, match="db1, db3 would change from 8 cores with 32768 MiB to 16 cores with 65536"):
        change_rules.refuse_breaking_changes(production.contract, two)


def test_a_host_changes_its_size_only_when_it_is_marked(production: Recording) -> None:
    sizes = {"database_host_sizes": {"db2": LARGE}}
    for marked in ([], ["db1"]):
        with pytest.raises(SettingsError, match=r"^database_host_sizes\.db2: db2 would change from 8 cores"):
            change_rules.refuse_breaking_changes(production.contract, production_with(**sizes, replacing_hosts=marked))
    for marked in (["db2"], ["db1", "db2", "db3"]):
        change_rules.refuse_breaking_changes(production.contract, production_with(**sizes, replacing_hosts=marked))


def test_the_way_to_another_size_ends_with_the_common_one(production: Recording) -> None:
    sizes: dict[str, object] = {}
    exported = production.contract
    for host in ("db1", "db2", "db3"):
        sizes[host] = LARGE
        settings = {"database_host_sizes": sizes, "replacing_hosts": [host]}
        exported = record("production", previous=exported, **settings).contract
    common = {"database_cores": 16, "database_memory_mib": 65536}
    assert record("production", previous=exported, **common).contract == exported


def test_marks_without_another_size_and_new_or_retiring_hosts_are_free(production: Recording) -> None:
    change_rules.refuse_breaking_changes(
        production.contract, production_with(replacing_hosts=["db1", "db2", "db3"], database_hosts=4)
    )
    four = record("production", database_hosts=4).contract
    change_rules.refuse_breaking_changes(
        four, production_with(database_hosts=4, retiring_hosts=["db4"], database_host_sizes={"db4": LARGE})
    )


def test_a_host_that_stands_alone_changes_when_it_is_marked() -> None:
    alone: dict[str, Any] = {"database_hosts": 1, "zones": ["eu-central-1a"]}
    exported = record("production", **alone).contract
    larger = {**alone, "database_cores": 16, "database_memory_mib": 65536}
    with pytest.raises(SettingsError, match="database_cores, database_memory_mib: db1 would change"):
        change_rules.refuse_breaking_changes(exported, production_with(**larger))
    change_rules.refuse_breaking_changes(exported, production_with(**larger, replacing_hosts=["db1"]))


def test_the_host_of_all_backups_changes_its_size_when_it_is_marked_too() -> None:
    exported = record("production", services=[BACKUPS]).contract
    larger = {"services": [BACKUPS | {"cores": 4, "memory_mib": 16384}]}
    with pytest.raises(SettingsError) as refused:
        change_rules.refuse_breaking_changes(exported, production_with(**larger))
    assert str(refused.value) == (
        "services.backups: backups would change from 2 cores with 8192 MiB to 4 cores with 16384 MiB, which stops it; "
        "a host that replacing_hosts names may; keep its size, name it there and run `pulumi up`, then give it its new "
        "size and run `pulumi up` again"
    )
    change_rules.refuse_breaking_changes(exported, production_with(**larger, replacing_hosts=["backups"]))


def test_a_host_without_data_and_the_labs_hosts_change_their_size_freely(production: Recording) -> None:
    cache = {"name": "service1", "serves": ["cache"], "cores": 4, "memory_mib": 16384}
    change_rules.refuse_breaking_changes(production.contract, production_with(services=[cache]))
    lab = json.loads((ROOT / "tests/golden/lab/contract.json").read_text(encoding="utf-8"))
    config = config_of("lab", database_cores=3, database_memory_mib=4096, architecture="aarch64")
    wanted = topology.plan(stack_config.read(config, project=PROJECT, stack="lab"))
    assert wanted.database_hosts[0].size.cores != lab["clusters"]["main"]["hosts"][0]["cores"]
    change_rules.refuse_breaking_changes(lab, wanted)


@pytest.mark.parametrize("marked", [[], ["db1", "db2", "db3"]])
def test_no_host_gets_another_architecture(production: Recording, marked: list[str]) -> None:
    with pytest.raises(SettingsError) as refused:
        change_rules.refuse_breaking_changes(
            production.contract, production_with(architecture="aarch64", replacing_hosts=marked)
        )
    assert str(refused.value) == (
        "architecture: aarch64; db1, db2, db3, service1 are x86_64, and their systems and data run on no other; keep "
        "x86_64; others are for a stack of its own, which takes over the data by a dump"
    )


def older(contract: Mapping[str, Any], **others: object) -> dict[str, Any]:
    return {**json.loads(json.dumps(contract), parse_int=float), "version": 1.0, **others}


@pytest.mark.parametrize("settings", [{}, {"network": "10.21.0.0/16"}, {"database_hosts": 1}])
def test_a_stack_of_an_older_program_is_refused_in_one_sentence(
    production: Recording, settings: dict[str, object]
) -> None:
    for contract in (older(production.contract), older({}), older({}, clusters={"main": {}}, services=[{}])):
        with pytest.raises(SettingsError) as refused:
            change_rules.refuse_breaking_changes(contract, production_with(**settings))
        assert str(refused.value) == (
            "stack: its contract has version 1, this program goes on from 2 alone: another one made the stack; make a "
            "new stack with this program and bring the data over from a backup"
        )


def test_the_lab_goes_on_from_an_older_contract_as_far_as_it_is_known() -> None:
    lab = json.loads((ROOT / "tests/golden/lab/contract.json").read_text(encoding="utf-8"))

    def lab_with(**settings: object) -> topology.Topology:
        config = config_of("lab", **settings)
        return topology.plan(stack_config.read(config, project=PROJECT, stack="lab"))

    change_rules.refuse_breaking_changes(older(lab), lab_with())
    with pytest.raises(SettingsError, match="network: db1 would move from lab-a"):
        change_rules.refuse_breaking_changes(older(lab), lab_with(network="10.98.0.0/24"))
    with pytest.raises(SettingsError, match="1 would remove db2, db3"):
        change_rules.refuse_breaking_changes(older(lab), lab_with(database_hosts=1))
    incomplete: list[list[dict[str, Any]]] = [[], [{}], [{"name": "db1"}], [{"name": "db1", "volumes": [{}]}]]
    for hosts in incomplete:
        unknown = older({}, clusters={"main": {"hosts": hosts}}, services=hosts)
        change_rules.refuse_breaking_changes(unknown, lab_with())
    change_rules.refuse_breaking_changes(older({}, clusters={"main": {}}), lab_with())
