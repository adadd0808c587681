"""The contract of the last `up` is read while the engine may be writing the stack's state."""

import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pulumi
import pytest
from infra import previous, stack_config, topology
from infra.problems import SettingsError
from pulumi_recorder import PROJECT, ROOT, Recording, config_of, record

EXPORTED = {"version": 2}


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What each read answers, in order: an exception is raised, the last one is repeated."""
    answers: list[Any] = []

    def invoke(*_: object) -> SimpleNamespace:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(value=answer)

    monkeypatch.setattr(pulumi.runtime, "invoke", invoke)
    monkeypatch.setattr("infra.previous.READ_AGAIN_S", 0)
    for name in ("get_organization", "get_project", "get_stack"):
        monkeypatch.setattr(pulumi, name, lambda: "name")
    return answers


def test_a_half_written_checkpoint_is_read_again(reads: list[Any]) -> None:
    reads += [Exception("failed to load checkpoint: EOF")] * 3 + [{"outputs": {"contract": EXPORTED}}]
    assert previous.exported_contract() == EXPORTED


def test_a_checkpoint_that_stays_broken_is_told(reads: list[Any]) -> None:
    reads.append(Exception("failed to load checkpoint: EOF"))
    with pytest.raises(Exception, match="failed to load checkpoint"):
        previous.exported_contract()


def test_any_other_error_is_told_at_once(reads: list[Any]) -> None:
    reads += [Exception("no such backend"), {"outputs": {"contract": EXPORTED}}]
    with pytest.raises(Exception, match="no such backend"):
        previous.exported_contract()


@pytest.mark.parametrize("answer", [None, {}, {"outputs": None}, {"outputs": {"contract": "?"}}])
def test_a_stack_without_a_contract_has_none(reads: list[Any], answer: dict[str, Any] | None) -> None:
    reads.append(answer)
    assert previous.exported_contract() is None


def production_with(**settings: object) -> topology.Topology:
    return topology.plan(stack_config.read(config_of("production", **settings), project=PROJECT, stack="production"))


def test_a_volume_that_would_shrink_is_refused_with_what_it_has(production: Recording) -> None:
    smaller = production_with(data_volume_gib=499, wal_volume_gib=99)
    exported = json.loads(json.dumps(production.contract), parse_int=float)  # the engine's numbers are floats
    with pytest.raises(SettingsError) as refused:
        previous.refuse_smaller_volumes(exported, smaller)
    assert str(refused.value).splitlines() == [
        "data_volume_gib: 499; db1's has 500 GiB and XFS can't shrink, so 499 GiB is refused; take 500 or more",
        "wal_volume_gib: 99; db1's has 100 GiB and XFS can't shrink, so 99 GiB is refused; take 100 or more",
    ]


def test_a_volume_may_stay_grow_come_and_go(production: Recording) -> None:
    for settings in ({}, {"data_volume_gib": 501}, {"database_hosts": 4}):
        previous.refuse_smaller_volumes(production.contract, production_with(**settings))
    previous.refuse_smaller_volumes(None, production_with(data_volume_gib=12))
    previous.refuse_smaller_volumes(production.contract, production_with(database_hosts=1))


def test_a_service_hosts_volume_does_not_shrink_either() -> None:
    def with_metrics(size_gib: int) -> list[dict[str, object]]:
        host = {"name": "service1", "serves": ["monitoring"], "cores": 2, "memory_mib": 8192}
        return [{**host, "metrics_volume_gib": size_gib}]

    exported = record("production", services=with_metrics(50)).contract
    with pytest.raises(SettingsError, match=r"^services\.service1\.metrics_volume_gib: 40; service1's has 50 GiB"):
        previous.refuse_smaller_volumes(exported, production_with(services=with_metrics(40)))


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
        previous.refuse_breaking_changes(production.contract, production_with(**settings))


def test_a_zone_is_added_only_while_no_host_goes_round_into_it(production: Recording) -> None:
    four = {"zones": [f"eu-central-1{zone}" for zone in "abcd"]}
    previous.refuse_breaking_changes(production.contract, production_with(**four))
    exported = record("production", database_hosts=4).contract
    with pytest.raises(SettingsError, match=r"zones: db4 would move from eu-central-1a .* to eu-central-1d"):
        previous.refuse_breaking_changes(exported, production_with(database_hosts=4, **four))


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
        previous.refuse_breaking_changes(exported, production_with(**settings))
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
        previous.refuse_breaking_changes(production.contract, wanted)
    two = production_with(database_host_sizes={"db1": LARGE, "db3": LARGE}, replacing_hosts=everyone)
    with pytest.raises(SettingsError, match="db1, db3 would change from 8 cores with 32768 MiB to 16 cores with 65536"):
        previous.refuse_breaking_changes(production.contract, two)


def test_a_host_changes_its_size_only_when_it_is_marked(production: Recording) -> None:
    sizes = {"database_host_sizes": {"db2": LARGE}}
    for marked in ([], ["db1"]):
        with pytest.raises(SettingsError, match=r"^database_host_sizes\.db2: db2 would change from 8 cores"):
            previous.refuse_breaking_changes(production.contract, production_with(**sizes, replacing_hosts=marked))
    for marked in (["db2"], ["db1", "db2", "db3"]):
        previous.refuse_breaking_changes(production.contract, production_with(**sizes, replacing_hosts=marked))


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
    previous.refuse_breaking_changes(
        production.contract, production_with(replacing_hosts=["db1", "db2", "db3"], database_hosts=4)
    )
    four = record("production", database_hosts=4).contract
    previous.refuse_breaking_changes(
        four, production_with(database_hosts=4, retiring_hosts=["db4"], database_host_sizes={"db4": LARGE})
    )


def test_a_host_that_stands_alone_changes_when_it_is_marked() -> None:
    alone: dict[str, Any] = {"database_hosts": 1, "zones": ["eu-central-1a"]}
    exported = record("production", **alone).contract
    larger = {**alone, "database_cores": 16, "database_memory_mib": 65536}
    with pytest.raises(SettingsError, match="database_cores, database_memory_mib: db1 would change"):
        previous.refuse_breaking_changes(exported, production_with(**larger))
    previous.refuse_breaking_changes(exported, production_with(**larger, replacing_hosts=["db1"]))


def test_the_host_of_all_backups_changes_its_size_when_it_is_marked_too() -> None:
    exported = record("production", services=[BACKUPS]).contract
    larger = {"services": [BACKUPS | {"cores": 4, "memory_mib": 16384}]}
    with pytest.raises(SettingsError) as refused:
        previous.refuse_breaking_changes(exported, production_with(**larger))
    assert str(refused.value) == (
        "services.backups: backups would change from 2 cores with 8192 MiB to 4 cores with 16384 MiB, which stops it; "
        "a host that replacing_hosts names may; keep its size, name it there and run `pulumi up`, then give it its new "
        "size and run `pulumi up` again"
    )
    previous.refuse_breaking_changes(exported, production_with(**larger, replacing_hosts=["backups"]))


def test_a_host_without_data_and_the_labs_hosts_change_their_size_freely(production: Recording) -> None:
    cache = {"name": "service1", "serves": ["cache"], "cores": 4, "memory_mib": 16384}
    previous.refuse_breaking_changes(production.contract, production_with(services=[cache]))
    lab = json.loads((ROOT / "tests/golden/lab/contract.json").read_text(encoding="utf-8"))
    config = config_of("lab", database_cores=3, database_memory_mib=4096, architecture="aarch64")
    wanted = topology.plan(stack_config.read(config, project=PROJECT, stack="lab"))
    assert wanted.database_hosts[0].size.cores != lab["clusters"]["main"]["hosts"][0]["cores"]
    previous.refuse_breaking_changes(lab, wanted)


@pytest.mark.parametrize("marked", [[], ["db1", "db2", "db3"]])
def test_no_host_gets_another_architecture(production: Recording, marked: list[str]) -> None:
    with pytest.raises(SettingsError) as refused:
        previous.refuse_breaking_changes(
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
            previous.refuse_breaking_changes(contract, production_with(**settings))
        assert str(refused.value) == (
            "stack: its contract has version 1, this program goes on from 2 alone: another one made the stack; make a "
            "new stack with this program and bring the data over from a backup"
        )


def test_the_lab_goes_on_from_an_older_contract_as_far_as_it_is_known() -> None:
    lab = json.loads((ROOT / "tests/golden/lab/contract.json").read_text(encoding="utf-8"))

    def lab_with(**settings: object) -> topology.Topology:
        config = config_of("lab", **settings)
        return topology.plan(stack_config.read(config, project=PROJECT, stack="lab"))

    previous.refuse_breaking_changes(older(lab), lab_with())
    with pytest.raises(SettingsError, match="network: db1 would move from lab-a"):
        previous.refuse_breaking_changes(older(lab), lab_with(network="10.98.0.0/24"))
    with pytest.raises(SettingsError, match="1 would remove db2, db3"):
        previous.refuse_breaking_changes(older(lab), lab_with(database_hosts=1))
    incomplete: list[list[dict[str, Any]]] = [[], [{}], [{"name": "db1"}], [{"name": "db1", "volumes": [{}]}]]
    for hosts in incomplete:
        unknown = older({}, clusters={"main": {"hosts": hosts}}, services=hosts)
        previous.refuse_breaking_changes(unknown, lab_with())
    previous.refuse_breaking_changes(older({}, clusters={"main": {}}), lab_with())
