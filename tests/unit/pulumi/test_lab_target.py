"""The lab as a target: the same contract from other resources."""

import json
from collections.abc import Iterator
from unittest import mock

import pytest
from pulumi_recorder import ROOT, record

GOLDEN = json.loads((ROOT / "tests/golden/lab/contract.json").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def machine() -> Iterator[None]:
    """The same machine everywhere, with a key pair."""
    with (
        mock.patch("infra.lab.program._public_key", return_value="ssh-ed25519 AAAA example"),
        mock.patch("platform.machine", return_value="x86_64"),
    ):
        yield


def test_the_labs_contract_is_the_golden_one() -> None:
    assert record("lab").contract == GOLDEN


def test_the_labs_volumes_are_protected_until_their_host_retires() -> None:
    recording = record("lab", database_hosts=4, retiring_hosts=["db4"])
    protected = {volume.name: volume.protect for volume in recording.of_type("freelance:lab:Volume")}
    assert [name for name, kept in protected.items() if not kept] == ["db4-data", "db4-wal"]
    assert protected["db1-data"]
    assert protected["service1-repository"]


def test_a_lab_of_one_host_is_possible() -> None:
    contract = record("lab", database_hosts=1).contract
    assert [host["name"] for host in contract["clusters"]["main"]["hosts"]] == ["db1"]
    assert contract["clusters"]["main"]["endpoints"]["pooled"] == ["10.99.0.11:6432"]


def test_the_labs_resources_keep_their_names() -> None:
    declared = sorted(f"{resource.type} {resource.name}" for resource in record("lab").resources)
    assert declared == [
        "freelance:lab:Host db1",
        "freelance:lab:Host db2",
        "freelance:lab:Host db3",
        "freelance:lab:Host service1",
        "freelance:lab:Network lab",
        *(f"freelance:lab:Volume db{number}-{purpose}" for number in (1, 2, 3) for purpose in ("data", "etcd", "wal")),
        "freelance:lab:Volume service1-repository",
    ]
