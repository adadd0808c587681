"""Types and names are what state is found by: a change of one is a replacement of what it names."""

from pathlib import Path

import goldens
import pulumi
import pytest
from golden_files import FILES, RESOURCES, difference, loaded, resources_of
from goldens import texts
from pulumi_recorder import STACKS, Recording, record


@pytest.fixture(scope="module", params=STACKS)
def example(request: pytest.FixtureRequest) -> tuple[str, dict[str, str]]:
    """An example stack and what it declares and exports, as text."""
    return request.param, texts(record(request.param))


def test_types_and_names_are_the_ones_in_the_state_of_running_stacks(example: tuple[str, dict[str, str]]) -> None:
    """A deliberate change needs an alias in the program, then `make goldens` is told so: see `goldens.py`."""
    stack, declared = example
    assert set(resources_of(stack)) <= set(loaded(declared[RESOURCES]))


@pytest.mark.parametrize("name", FILES)
def test_what_a_stack_declares_and_exports_is_what_was_reviewed(example: tuple[str, dict[str, str]], name: str) -> None:
    stack, declared = example
    if changed := difference(stack, name, declared[name]):
        pytest.fail(changed, pytrace=False)


def test_a_name_is_not_dropped_from_the_files_unless_somebody_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(goldens, "STACKS", ("staging",))
    monkeypatch.setattr(goldens, "file_of", lambda _, name: tmp_path / name)
    known = tmp_path / RESOURCES
    known.write_text("aws:ebs/volume:Volume db1-data: {}\naws:ebs/volume:Volume db1-old: {}\n", encoding="utf-8")
    before = known.read_text(encoding="utf-8")
    assert goldens.main([]) == 1
    assert "aws:ebs/volume:Volume db1-old" in capsys.readouterr().err
    assert known.read_text(encoding="utf-8") == before
    assert goldens.main(["--drop-names"]) == 0
    assert "aws:ebs/volume:Volume db1-wal" in loaded(known.read_text(encoding="utf-8"))


def test_a_fourth_host_changes_no_other_resource(production: Recording) -> None:
    grown = record("production", database_hosts=4)
    kept = [resource for resource in grown.resources if "db4" not in resource.name.split("-")]
    before = {resource.urn: resource for resource in production.resources}
    assert {resource.urn: resource for resource in kept} == before


def test_a_retiring_host_is_declared_and_no_longer_offered_to_clients(production: Recording) -> None:
    cluster = record("production", database_hosts=4, retiring_hosts=["db4"]).contract["clusters"]["main"]
    assert [host["state"] for host in cluster["hosts"]] == ["active", "active", "active", "retiring"]
    assert cluster["endpoints"] == production.contract["clusters"]["main"]["endpoints"]


def test_the_program_refuses_to_drop_an_active_host(production: Recording) -> None:
    grown = record("production", database_hosts=4)
    with pytest.raises(pulumi.RunError, match="3 would remove db4"):
        record("production", previous=grown.contract)
    assert record("production", previous=production.contract).contract == production.contract
