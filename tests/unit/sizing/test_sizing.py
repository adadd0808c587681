"""The sizing function: the guide's numbers on the reference host, and what must hold on every host."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, reject
from hypothesis import strategies as st

from tests.loading import load

SCRIPT = Path(__file__).parents[3] / "ansible" / "plugins" / "filter" / "sizing.py"
sizing = load(SCRIPT)

KIB = {"kB": 1, "MB": 1024, "GB": 1024 * 1024}
GUIDE = {
    "shared_buffers": "8GB",
    "effective_cache_size": "24GB",
    "maintenance_work_mem": "2GB",
    "wal_buffers": "64MB",
    "checkpoint_completion_target": 0.9,
    "random_page_cost": 1.1,
    "default_statistics_target": 100,
}
AMOUNTS = ("shared_buffers", "effective_cache_size", "maintenance_work_mem", "autovacuum_work_mem", "work_mem")

memories = st.integers(min_value=1024, max_value=1024 * 1024)
machines = st.fixed_dictionaries(
    {
        "memory_mib": memories,
        "cores": st.integers(1, 128),
        "profile": st.sampled_from(sorted(sizing.PROFILES)),
        "hosts": st.sampled_from([1, 3, 4, 5, 9]),
        "wal_gib": st.integers(1, 500),
        "data_gib": st.integers(1, 16000),
        "pooler_db_connections": st.integers(5, 100),
    }
)


def kib(amount: object) -> int:
    text = str(amount)
    return int(text[:-2]) * KIB[text[-2:]]


def sized(machine: dict[str, Any]) -> Any:
    """Size a machine; one that is refused is no example."""
    try:
        return sizing.size(**machine)
    except sizing.SizingError:
        reject()


@pytest.mark.parametrize("memory_mib", [32768, 32256, 31744])
def test_the_reference_host_gets_the_guides_numbers(memory_mib: int) -> None:
    found = sizing.size(memory_mib=memory_mib, cores=8).to_dict()
    assert {name: found["parameters"][name] for name in GUIDE} == GUIDE
    assert found["huge_pages"] * 2 >= 8192


@given(machines)
def test_the_worst_case_fits_into_memory(machine: dict[str, Any]) -> None:
    found = sized(machine)
    assert found.worst_case_mib < machine["memory_mib"]


@given(machines, st.integers(1, 4096))
def test_more_memory_never_gives_less(machine: dict[str, Any], more_mib: int) -> None:
    smaller = sized(machine)
    larger = sizing.size(**(machine | {"memory_mib": machine["memory_mib"] + more_mib})).of("parameter")
    assert all(kib(larger[name]) >= kib(smaller.of("parameter")[name]) for name in AMOUNTS)


@given(machines)
def test_huge_pages_hold_the_shared_memory(machine: dict[str, Any]) -> None:
    assume(machine["profile"] != "tiny")
    found = sized(machine)
    pages = found.to_dict()["huge_pages"]
    assert pages * 2 * 1024 >= kib(found.of("parameter")["shared_buffers"])
    assert pages * 2 < machine["memory_mib"] / 2


@given(machines)
def test_all_poolers_and_direct_connections_fit(machine: dict[str, Any]) -> None:
    found = sized(machine)
    parameters = found.of("parameter")
    reserved = parameters["superuser_reserved_connections"] + parameters["reserved_connections"]
    pooled = machine["hosts"] * 2 * machine["pooler_db_connections"]
    assert pooled + sizing.DIRECT_CONNECTIONS + reserved < parameters["max_connections"]


@given(machines)
def test_write_ahead_log_stays_below_the_alert_of_its_volume(machine: dict[str, Any]) -> None:
    found = sized(machine)
    parameters = found.of("parameter")
    kept = kib(parameters["max_wal_size"]) + kib(parameters["max_slot_wal_keep_size"])
    assert kept * 10 <= machine["wal_gib"] * 1024 * 1024 * 7
    assert kib(parameters["min_wal_size"]) >= 2 * 16 * 1024


@given(machines)
def test_every_value_has_a_reason_and_a_source(machine: dict[str, Any]) -> None:
    found = sized(machine)
    assert all(value.reason and value.source for value in found.values)


def test_growing_from_one_to_four_hosts_changes_nothing() -> None:
    sizes = [sizing.size(memory_mib=2048, cores=2, profile="tiny", wal_gib=2, data_gib=4, hosts=n) for n in (1, 3, 4)]
    assert sizes[0].of("parameter") == sizes[1].of("parameter") == sizes[2].of("parameter")


@pytest.mark.parametrize("hosts", [1, 3, 5])
def test_a_declared_max_connections_holds_the_hosts_that_there_are(hosts: int) -> None:
    machine = {"memory_mib": 32768, "cores": 8, "hosts": hosts, "direct_connections": 30}
    needed = hosts * 2 * 50 + 30 + 10
    assert sizing.size(**machine, max_connections=needed + 1).of("parameter")["max_connections"] == needed + 1
    with pytest.raises(sizing.SizingError, match=f"{needed + 1} or more"):
        sizing.size(**machine, max_connections=needed)


@pytest.mark.parametrize(("reserved", "superuser", "roles"), [(10, 5, 5), (3, 2, 1), (7, 4, 3)])
def test_reserved_connections_are_divided_between_superusers_and_monitoring(
    reserved: int, superuser: int, roles: int
) -> None:
    found = sizing.size(memory_mib=32768, cores=8, reserved_connections=reserved).of("parameter")
    assert (found["superuser_reserved_connections"], found["reserved_connections"]) == (superuser, roles)


@pytest.mark.parametrize("profile", sorted(sizing.PROFILES))
def test_vacuum_spares_what_a_dump_on_a_replica_reads_and_a_query_bounds_a_failover(profile: str) -> None:
    found = sizing.size(memory_mib=32768, cores=8, profile=profile).of("parameter")
    assert found["hot_standby_feedback"] == "on"
    assert {found[f"max_standby_{kind}_delay"] for kind in ("streaming", "archive")} == {"30s"}


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        ({"memory_mib": 2048}, ["memory_mib=2048", "4096 MiB", "larger host"]),
        ({"memory_mib": 1024, "profile": "tiny"}, ["memory_mib=1024", "512 kB", "pooler_db_connections=50"]),
        ({"max_connections": 100}, ["max_connections=100", "350", "351 or more"]),
        ({"pooler_db_connections": 0}, ["pooler_db_connections=0", "at least 1"]),
        ({"profile": "huge"}, ["profile=huge", "mixed, oltp, tiny"]),
    ],
)
def test_a_refusal_names_value_limit_and_remedy(machine: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(sizing.SizingError) as refusal:
        sizing.size(**({"memory_mib": 32768, "cores": 8} | machine))
    assert [word for word in words if word not in str(refusal.value)] == []


def test_a_cluster_is_sized_by_its_smallest_host() -> None:
    volumes = [{"purpose": "data", "size_gib": 100}, {"purpose": "wal", "size_gib": 20}]
    small = {"memory_mib": 8192, "cores": 4, "volumes": volumes}
    large = {"memory_mib": 65536, "cores": 16, "volumes": volumes}
    assert sizing.size_cluster([large, small, large]) == sizing.size(memory_mib=8192, cores=4).to_dict()


def test_the_command_line_explains_and_refuses() -> None:
    command = [sys.executable, str(SCRIPT)]
    shown = subprocess.run([*command, "--memory-gib", "32"], check=True, capture_output=True, text=True)
    assert "shared_buffers" in shown.stdout
    machine = subprocess.run([*command, "--json"], check=True, capture_output=True, text=True)
    assert json.loads(machine.stdout)["parameters"]["shared_buffers"] == "8GB"
    refused = subprocess.run([*command, "--memory-gib", "1"], check=False, capture_output=True, text=True)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "memory_mib=1024" in refused.stderr


@pytest.mark.parametrize(
    ("machine", "asked_mib"),
    [
        # What PostgreSQL 17.12 said: postgres -C shared_memory_size with the parameters of that size and the
        # preloaded libraries pg_stat_statements and pgaudit.
        ({"memory_mib": 4096, "cores": 2, "wal_gib": 5}, 1125),
        ({"memory_mib": 32768, "cores": 8, "wal_gib": 20}, 8514),
        ({"memory_mib": 65536, "cores": 16, "wal_gib": 100, "hosts": 5}, 16924),
        ({"memory_mib": 1048576, "cores": 128, "wal_gib": 500, "hosts": 9, "pooler_db_connections": 100}, 267733),
    ],
)
def test_huge_pages_hold_what_postgresql_itself_asked_for(machine: dict[str, Any], asked_mib: int) -> None:
    given_mib = sizing.size(**machine).to_dict()["huge_pages"] * sizing.HUGE_PAGE_MIB
    assert asked_mib <= given_mib <= asked_mib * 1.05
