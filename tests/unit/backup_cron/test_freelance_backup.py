"""The backup program's decisions: who acts, what is recorded."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

PROGRAM = Path(__file__).parents[3] / "roles/backup_cron/files/freelance_backup.py"


def load() -> ModuleType:
    specification = importlib.util.spec_from_file_location("freelance_backup", PROGRAM)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module


backup = load()


def member(name: str, role: str, state: str = "streaming", lag: int | str | None = 0) -> dict[str, Any]:
    return {"Member": name, "Role": role, "State": state, "Lag in MB": lag}


members = st.lists(
    st.builds(
        member,
        st.sampled_from(["db1", "db2", "db3", "db4", "db5"]),
        st.sampled_from(["Replica", "Quorum Standby", "Sync Standby"]),
        st.sampled_from(["streaming", "stopped", "start failed", "in archive recovery"]),
        st.sampled_from([0, 15, 16, 17, 5000, "unknown", None]),
    ),
    unique_by=lambda one: one["Member"],
    max_size=4,
)


@pytest.fixture
def config(tmp_path: Path) -> Any:
    for name in ("dumps", "status", "metrics"):
        (tmp_path / name).mkdir()
    return backup.Config(
        stanza="main",
        databases=["shop"],
        socket_dir="/run/postgresql",
        port=5432,
        dump_role="backup",
        dump_dir=str(tmp_path / "dumps"),
        dumps_kept_min=2,
        compress_after_days=7,
        retention_days=30,
        leader_name="",
        leader_port=5000,
        leader_ca_file="/ca.crt",
        leader_password_file="/pgpass",
        status_dir=str(tmp_path / "status"),
        metrics_dir=str(tmp_path / "metrics"),
        cluster_command=[],
        member="db1",
        lag_mib_max=16,
    )


@given(members, st.randoms())
def test_all_hosts_name_the_same_member_in_whatever_order_they_see_the_cluster(replicas: Any, random: Any) -> None:
    cluster = [*replicas, member("leader", "Leader", "running", None)]
    shuffled = random.sample(cluster, len(cluster))
    assert backup.acting_member(cluster, 16) == backup.acting_member(shuffled, 16)


@given(members)
def test_a_replica_acts_only_while_it_streams_with_little_lag(replicas: Any) -> None:
    acting = backup.acting_member([*replicas, member("leader", "Leader", "running", None)], 16)
    fit = [one["Member"] for one in replicas if one["State"] == "streaming" and one["Lag in MB"] in (0, 15, 16)]
    assert acting == (min(fit) if fit else "leader")


def test_a_cluster_without_leader_and_replicas_is_an_error() -> None:
    with pytest.raises(backup.BackupError, match="no member can act"):
        backup.acting_member([member("db1", "Replica", "stopped", "unknown")], 16)


def test_a_failed_run_is_recorded_and_keeps_the_time_of_the_last_success(
    config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "dump", lambda *_: 7)
    assert backup.perform(config, "dump", here=True) == 0
    good = json.loads(Path(config.status_dir, "dump.json").read_text(encoding="utf-8"))

    def fail(*_: object) -> int:
        raise backup.BackupError("pg_dump ended", 3)

    monkeypatch.setattr(backup, "dump", fail)
    assert backup.perform(config, "dump", here=True) == 3
    bad = json.loads(Path(config.status_dir, "dump.json").read_text(encoding="utf-8"))
    assert (good["exit_status"], bad["exit_status"]) == (0, 3)
    assert bad["last_success_timestamp_seconds"] == good["last_success_timestamp_seconds"]
    assert 'freelance_backup_exit_status{job="dump"} 3' in Path(
        config.metrics_dir, "freelance_backup_dump.prom"
    ).read_text(encoding="utf-8")


def test_a_tool_that_fails_is_quoted() -> None:
    with pytest.raises(backup.BackupError, match=r"(?s)exit status 4.*the reason") as caught:
        backup.run(["sh", "-c", "echo the reason >&2; exit 4"])
    assert caught.value.status == 4


@pytest.mark.parametrize("text", ["", "no JSON", "[]", '{"job": "dump"}', '{"last_success_timestamp_seconds": "x"}'])
def test_an_outcome_of_another_time_or_shape_does_not_stop_the_next_one(config: Any, text: str) -> None:
    path = Path(config.status_dir, "dump.json")
    path.write_text(text, encoding="utf-8")
    done = {"exit_status": 3, "bytes": 0, "duration_seconds": 1, "finished_timestamp_seconds": 7}
    backup.record(config, "dump", done)
    assert json.loads(path.read_text(encoding="utf-8"))["last_success_timestamp_seconds"] == 0


def test_a_host_that_acts_no_more_takes_its_failure_back_and_nothing_else(config: Any) -> None:
    failed = {"exit_status": 3, "bytes": 0, "duration_seconds": 1, "finished_timestamp_seconds": 7}
    backup.record(config, "dump", failed)
    backup.stand_aside(config, "dump", "db2")
    left = json.loads(Path(config.status_dir, "dump.json").read_text(encoding="utf-8"))
    assert (left["exit_status"], left["acting"], left["finished_timestamp_seconds"]) == (0, "db2", 7)
    metrics = Path(config.metrics_dir, "freelance_backup_dump.prom").read_text(encoding="utf-8")
    assert 'freelance_backup_exit_status{job="dump"} 0' in metrics
    good = {**failed, "exit_status": 0, "finished_timestamp_seconds": 9}
    backup.record(config, "dump", good)
    before = Path(config.status_dir, "dump.json").read_text(encoding="utf-8")
    backup.stand_aside(config, "dump", "db2")
    assert Path(config.status_dir, "dump.json").read_text(encoding="utf-8") == before


@pytest.mark.parametrize("change", [{"databses": []}, None])
def test_an_unknown_or_missing_key_is_refused_by_name(tmp_path: Path, change: dict[str, Any] | None) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(change or {}), encoding="utf-8")
    checked = subprocess.run(
        [sys.executable, str(PROGRAM), "--config", str(path), "check-config"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 78
    assert ("databses" if change else "stanza") in checked.stderr
