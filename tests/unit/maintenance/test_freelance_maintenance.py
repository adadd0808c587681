"""How a job is run: its lock, what it leaves, and when it has to wait."""

import fcntl
import importlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

FILES = Path(__file__).parents[3] / "roles/maintenance_cron/files"
POSTPONED = 75


@pytest.fixture(scope="module")
def modules() -> Any:
    """The program and what it stands on, under their own names as on a host."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FILES))
        patch.setattr(sys, "dont_write_bytecode", True)
        yield {name: importlib.import_module(name) for name in ("freelance_jobs", "freelance_maintenance")}
        for name in [name for name in sys.modules if name.startswith("freelance_")]:
            del sys.modules[name]


@pytest.fixture
def jobs(modules: Any) -> Any:
    return modules["freelance_jobs"]


@pytest.fixture
def program(modules: Any) -> Any:
    return modules["freelance_maintenance"]


@pytest.fixture
def runner(jobs: Any, tmp_path: Path) -> Any:
    return jobs.Runner(program="p", metric_prefix="p", status_dir=tmp_path, metrics_dir=tmp_path, mail_to="")


def outcome(folder: Path, job: str = "vacuum") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{job}.json").read_text(encoding="utf-8"))
    return found


def test_a_success_is_left_as_json_and_as_metrics(runner: Any, tmp_path: Path) -> None:
    assert runner.run("vacuum", lambda: {"actions": 3}) == 0
    left = outcome(tmp_path)
    assert (left["exit_status"], left["actions"]) == (0, 3)
    assert left["last_success_timestamp_seconds"] == left["finished_timestamp_seconds"] > 0
    assert 'p_actions{job="vacuum"} 3\n' in (tmp_path / "p_vacuum.prom").read_text(encoding="utf-8")


def test_the_last_success_survives_a_failure(runner: Any, jobs: Any, tmp_path: Path) -> None:
    def fail() -> Mapping[str, float]:
        raise jobs.JobError("no room", 3)

    runner.run("vacuum", dict)
    success = outcome(tmp_path)["last_success_timestamp_seconds"]
    assert runner.run("vacuum", fail) == 3
    left = outcome(tmp_path)
    assert (left["exit_status"], left["last_success_timestamp_seconds"]) == (3, success)
    # The host that acts now tells how it goes.
    assert runner.run("vacuum", fail, acting=lambda: False) == 0
    assert outcome(tmp_path)["exit_status"] == 0


def test_what_is_postponed_leaves_no_outcome(runner: Any, jobs: Any, tmp_path: Path) -> None:
    def wait() -> Mapping[str, float]:
        raise jobs.Postponed("a backup is running")

    assert runner.run("vacuum", wait) == POSTPONED
    assert not (tmp_path / "vacuum.json").exists()


def test_two_jobs_of_one_lock_never_run_beside_each_other(runner: Any, tmp_path: Path) -> None:
    inner: list[int] = []

    def outer() -> Mapping[str, float]:
        inner.append(runner.run("reindex", dict, lock="database"))
        return {}

    assert runner.run("vacuum", outer, lock="database") == 0
    assert inner == [POSTPONED]
    assert not (tmp_path / "reindex.json").exists()


def test_a_lock_that_another_job_holds_is_named(program: Any, tmp_path: Path) -> None:
    lock = tmp_path / "dump.lock"
    paths = [str(tmp_path / "absent.lock"), str(lock)]
    assert program.busy_file(paths) == ""
    with lock.open("w", encoding="utf-8") as held:
        assert program.busy_file(paths) == ""
        fcntl.flock(held, fcntl.LOCK_EX)
        assert program.busy_file(paths) == str(lock)


def test_a_configuration_with_an_unknown_key_is_refused(program: Any, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"databases": ["shop"], "surprise": 1, "limits": {}}), encoding="utf-8")
    with pytest.raises(ValueError, match="surprise"):
        program.Config.load(str(path))
