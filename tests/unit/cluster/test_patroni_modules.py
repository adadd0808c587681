"""Modules of the role `patroni`: who inherits the lead of a host that leaves, and whose a data directory is."""

import struct
from pathlib import Path
from typing import Any

import pytest

from .modules import role_module

handover = role_module("patroni", "patroni_handover")
identity = role_module("patroni", "patroni_identity")


def member(name: str, role: str, state: str = "streaming") -> dict[str, Any]:
    return {"name": name, "role": role, "state": "running" if role == "leader" else state}


STAYING = {"db1", "db2", "db3"}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([member("db1", "leader"), member("db4", "quorum_standby")], ("", "")),
        ([member("db4", "leader"), member("db1", "replica"), member("db2", "quorum_standby")], ("db4", "db2")),
        ([member("db4", "leader"), member("db5", "quorum_standby"), member("db3", "replica")], ("db4", "db3")),
        ([member("db1", "replica"), member("db2", "replica")], ("", "")),
        ([], ("", "")),
    ],
    ids=["a-member-that-stays-leads", "one-that-confirms", "never-one-that-leaves-too", "nobody-leads", "no-cluster"],
)
def test_a_leader_that_leaves_hands_over_to_one_that_stays(
    members: list[dict[str, Any]], expected: tuple[str, str]
) -> None:
    assert handover.heir_of(members, STAYING) == expected


@pytest.mark.parametrize("state", ["creating replica", "stopped", "start failed"])
def test_a_leader_without_heir_keeps_the_lead_and_says_what_to_do(state: str) -> None:
    members = [member("db4", "leader"), member("db1", "replica", state), member("db5", "quorum_standby")]
    with pytest.raises(handover.PatroniError, match="Take the mark `retiring` off db4"):
        handover.heir_of(members, STAYING)


def data_directory(folder: Path, content: bytes | None) -> Path:
    (folder / "global").mkdir()
    if content is not None:
        (folder / "global/pg_control").write_bytes(content)
    return folder


def test_a_data_directory_tells_its_cluster_without_any_program(tmp_path: Path) -> None:
    control = struct.pack("=QI", 7345678901234567890, 1700) + bytes(8180)
    assert identity.identifier_of(data_directory(tmp_path, control)) == "7345678901234567890"


@pytest.mark.parametrize(
    "content",
    [None, b"", b"short", struct.pack("=QI", 1, 4_000_000_000)],
    ids=["without-control-file", "empty", "too-short", "no-such-version"],
)
def test_files_that_are_no_data_directory_are_something_else(tmp_path: Path, content: bytes | None) -> None:
    assert identity.identifier_of(data_directory(tmp_path, content)) == "none"


def test_a_host_without_data_has_no_identifier(tmp_path: Path) -> None:
    assert identity.identifier_of(tmp_path) == ""
    assert identity.identifier_of(tmp_path / "missing") == ""


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ("+ Cluster: lab-main (7345678901234567890) --+\n| Member | Host |\n", "7345678901234567890"),
        ("+ Cluster: lab-main (uninitialized) --+\n", ""),
        ("+ Cluster: lab-main (initializing) --+\n", ""),
        ("", ""),
    ],
)
def test_the_clusters_identifier_is_read_from_patronictl(listed: str, expected: str) -> None:
    assert identity.cluster_of(listed) == expected
