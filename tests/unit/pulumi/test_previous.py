"""The contract of the last `up` is read while the engine may be writing the stack's state."""

import json
from types import SimpleNamespace
from typing import Any

import pulumi
import pytest
from infra import previous, stack_config, topology
from infra.problems import SettingsError
from pulumi_recorder import PROJECT, Recording, config_of, record

EXPORTED = {"version": 1}


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
