"""Whose lab runs on the machine: only another clone's hosts are in the way, never what all clones share."""

import os
from pathlib import Path

import pytest

from lab import processes, sandbox
from lab.errors import LabError


@pytest.fixture
def run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    monkeypatch.setattr(processes, "RUN", folder)
    monkeypatch.setattr(sandbox, "OWNER", folder / "owner")
    return folder


@pytest.fixture
def other_clone(tmp_path: Path, run_folder: Path) -> Path:
    state = tmp_path / "other" / ".lab"
    state.mkdir(parents=True)
    (run_folder / "owner").write_text(f"{state}\n")
    return state


def test_the_running_hosts_of_another_clone_are_refused(other_clone: Path) -> None:
    processes.record("podman", os.getpid())
    with pytest.raises(LabError, match=rf"the lab of {other_clone.parent} runs .*podman.* run `make down` there"):
        sandbox.refuse_other_owner()


@pytest.mark.usefixtures("other_clone")
def test_the_apt_cache_that_all_clones_share_is_no_hindrance() -> None:
    processes.record("apt-cache", os.getpid())
    processes.record("apt-forward", os.getpid())
    sandbox.refuse_other_owner()


def test_a_clone_that_was_deleted_is_no_hindrance(other_clone: Path) -> None:
    processes.record("podman", os.getpid())
    other_clone.rmdir()
    sandbox.refuse_other_owner()
    assert not sandbox.healthy()


@pytest.mark.usefixtures("run_folder")
def test_a_machine_without_a_lab_is_free() -> None:
    sandbox.refuse_other_owner()
