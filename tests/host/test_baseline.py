"""Each host itself: users, units, kernel, volumes, files and what must not be there."""

import difflib
from types import SimpleNamespace
from typing import Any

import pytest

from tests.host import compare
from tests.host.environment import Environment
from tests.host.expect import EXPECTED_FILES, EXPECTED_SOCKETS, MANAGED_FILES, RUNNING_UNITS, groups_of, port_of
from tests.host.plan import TRANSPARENT_HUGE_PAGES

MASKED = {"postgresql.service", "postgresql@17-main.service"}
RESOLUTION_BYTES = 64 * 1024**2  # what XFS keeps for itself is not in df's size
EVERY_ADDRESS = {"0.0.0.0", "::", "*"}  # noqa: S104 - compared, not bound
DHCP_CLIENT = 68


def test_system_users_have_the_declared_ids(host: SimpleNamespace) -> None:
    wanted = {user["name"]: [user["id"], user["id"]] for user in host.declared["host_baseline_users"]}
    assert {name: host.users[name][:2] for name in wanted if name in host.users} == wanted


def test_no_unit_has_failed(host: SimpleNamespace) -> None:
    assert [line for line in host.failed_units if line] == []


def test_declared_units_run_and_start_at_boot(host: SimpleNamespace, environment: Environment) -> None:
    wanted = {unit for group in groups_of(environment, host.name) for unit in RUNNING_UNITS[group]}
    states = {unit: (host.units[unit]["ActiveState"], host.units[unit]["UnitFileState"]) for unit in sorted(wanted)}
    assert {unit: state for unit, state in states.items() if state != ("active", "enabled")} == {}
    assert [unit for unit in wanted if host.units[unit]["NeedDaemonReload"] == "yes"] == []


def test_only_patroni_can_start_postgresql(database_host: SimpleNamespace) -> None:
    for unit in MASKED & database_host.units.keys():
        state = database_host.units[unit]
        assert (state["LoadState"], state["ActiveState"]) == ("masked", "inactive"), unit


def test_kernel_settings_are_live(database_host: SimpleNamespace) -> None:
    wanted = compare.kernel_settings(database_host.declared)
    if not wanted:
        pytest.skip("a container shares its machine's kernel: vm.* and huge pages can't be set or shown here")
    assert {name: database_host.sysctl[name].split() for name in wanted} == {
        name: value.split() for name, value in wanted.items()
    }


def test_transparent_huge_pages_are_off(host: SimpleNamespace) -> None:
    if host.contract["virtual"] == "container":
        pytest.skip("a container shares its machine's kernel: transparent huge pages can't be set here")
    found = {path: text for path, text in host.contents.items() if path.startswith(TRANSPARENT_HUGE_PAGES)}
    assert len(found) == 2, found
    assert {path: text for path, text in found.items() if "[never]" not in text} == {}


def test_time_is_synchronised(host: SimpleNamespace) -> None:
    if host.contract["virtual"] == "container":
        pytest.skip("a container has its machine's clock: no time service runs in it")
    assert host.units["chrony.service"]["ActiveState"] == "active"
    source, declared = compare.time_source(host.commands["time"]), host.declared["host_baseline_time_servers"]
    assert source is not None, f"no source is selected: {host.commands['time']}"
    assert source in (declared or [source])


def test_each_volume_is_mounted_with_its_size(host: SimpleNamespace) -> None:
    mounts = {mount[1]: mount for mount in host.mounts}
    sizes = dict(line.split()[:2] for line in host.commands["disk"].splitlines()[1:])
    for volume in host.contract["volumes"]:
        assert mounts[volume["mount"]][2] == "xfs"
        assert {"noatime", "nodev", "nosuid"} <= set(mounts[volume["mount"]][3].split(","))
        assert (
            int(sizes[volume["mount"]]) > volume["size_gib"] * 1024**3 - RESOLUTION_BYTES - volume["size_gib"] * 2**24
        )


def test_every_host_knows_the_others_by_name(host: SimpleNamespace, environment: Environment) -> None:
    lines = [line.split() for line in host.contents["/etc/hosts"].splitlines() if line.strip()]
    known = {name: line[0] for line in lines if not line[0].startswith("#") for name in line[1:]}
    contracts = [environment.declared(name)["platform_host"] for name in environment.hosts("all")]
    assert {each["name"]: known.get(each["name"]) for each in contracts} == {
        each["name"]: each["address"] for each in contracts
    }


def test_files_that_roles_write_hold_what_is_declared(host: SimpleNamespace, environment: Environment) -> None:
    differences: list[str] = []
    for group in groups_of(environment, host.name):
        for role, template, path in MANAGED_FILES[group]:
            wanted, found = host.declared.file(role, template), host.contents.get(path, "")
            lines = wanted.rstrip("\n").splitlines(), found.rstrip("\n").splitlines()
            differences += difflib.unified_diff(*lines, f"{path}, declared", f"{path} on {host.name}", n=0)
    assert differences == []


def test_files_have_their_owner_and_mode(host: SimpleNamespace, environment: Environment) -> None:
    wanted = {path: rule for group in groups_of(environment, host.name) for path, rule in EXPECTED_FILES[group].items()}
    found = {path: _rule(host.files.get(path)) for path in wanted}
    assert found == wanted


def _rule(file: dict[str, Any] | None) -> str:
    return f"{file['owner']}:{file['group']} {file['mode']}" if file else "missing"


def test_no_private_key_is_readable_by_others(host: SimpleNamespace) -> None:
    assert host.open_private_keys == []


def test_listening_sockets_are_exactly_the_declared_ones(host: SimpleNamespace, environment: Environment) -> None:
    wanted = {
        (port_of(environment, port), address.format(**host.contract), program)
        for group in groups_of(environment, host.name)
        for port, address, program in EXPECTED_SOCKETS[group]
    }
    found = {
        (socket["port"], "*" if socket["address"] in EVERY_ADDRESS else socket["address"], socket["program"])
        for socket in host.sockets
        if socket["protocol"] == "tcp" and not compare.is_stub_resolver(socket)
    }
    assert found - wanted == set(), "foreign listeners"
    assert wanted - found == set(), "missing listeners"


def test_nothing_answers_by_udp_from_elsewhere(host: SimpleNamespace) -> None:
    local = {"127.0.0.1", "::1"}
    udp = [socket for socket in host.sockets if socket["protocol"] == "udp" and not compare.is_stub_resolver(socket)]
    assert [socket for socket in udp if socket["address"] not in local and socket["port"] != DHCP_CLIENT] == []


def test_the_firewall_in_force_is_the_declared_one(host: SimpleNamespace) -> None:
    wanted = host.commands["firewall_declared"].splitlines()
    assert [line for line in wanted if "hook input" in line and "policy drop" in line], wanted
    difference = list(difflib.unified_diff(wanted, host.commands["firewall"].splitlines(), "declared", "in force", n=0))
    assert difference == []
