"""The backup program's decisions: who acts, what is done beside a dump, what is caught up on."""

import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.loading import load

PROGRAM = Path(__file__).parents[3] / "roles/backup_cron/files/freelance_backup.py"
backup = load(PROGRAM)


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
        scratch_dir=str(tmp_path),
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
        repositories=1,
        schedules={"dump": "0 2 * * *", "full": "30 3 * * 0", "incr": "30 */6 * * *"},
        mail_to="",
    )


@pytest.fixture
def runner(config: Any) -> Any:
    return backup.Runner(
        program="freelance-backup",
        metric_prefix="freelance_backup",
        status_dir=Path(config.status_dir),
        metrics_dir=Path(config.metrics_dir),
        mail_to="",
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
    with pytest.raises(backup.JobError, match="no member can act"):
        backup.acting_member([member("db1", "Replica", "stopped", "unknown")], 16)


def members_are(monkeypatch: pytest.MonkeyPatch, *found: dict[str, Any]) -> None:
    monkeypatch.setattr(backup, "run_tool", lambda _: json.dumps(found))


def test_a_host_that_is_not_chosen_lets_old_dumps_go_and_no_more(
    config: Any, runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(backup, "prune", lambda *_: done.append("prune"))
    monkeypatch.setattr(backup, "dump", lambda *_: done.append("dump"))
    members_are(monkeypatch, member("db2", "Replica"))
    elsewhere = dataclasses.replace(config, cluster_command=["patronictl"], member="db3")
    assert backup.perform(elsewhere, runner, "dump") == 0
    assert done == ["prune"]


def test_who_cannot_ask_the_cluster_fails_at_night_and_waits_when_it_catches_up(
    config: Any, runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    members_are(monkeypatch)
    lost = dataclasses.replace(config, cluster_command=["patronictl"])
    assert backup.perform(lost, runner, "dump", patient=True) == 75
    assert not Path(config.status_dir, "dump.json").exists()
    assert backup.perform(lost, runner, "dump") == 1


@pytest.fixture
def dumped(config: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    done: list[str] = []
    Path(config.dump_dir, "one.dump").write_text("12345", encoding="utf-8")
    monkeypatch.setattr(backup, "dump", lambda *_: ["one.dump"])
    monkeypatch.setattr(backup, "prune", lambda *_: done.append("prune"))
    return done


def outcome(config: Any, job: str) -> Any:
    return json.loads(Path(config.status_dir, f"{job}.json").read_text(encoding="utf-8"))


def test_a_dump_stays_here_unless_shipping_is_configured(config: Any, runner: Any, dumped: list[str]) -> None:
    assert backup.perform(config, runner, "dump") == 0
    assert (dumped, outcome(config, "dump")["bytes"]) == (["prune"], 5)


def test_a_dump_that_cannot_be_shipped_fails_and_nothing_old_goes(
    config: Any, runner: Any, dumped: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped: list[Any] = []

    def ship(_: Any, names: list[str]) -> None:
        shipped.append(names)
        raise backup.JobError("no route", 3)

    monkeypatch.setitem(sys.modules, "freelance_shipping", SimpleNamespace(ship=ship))
    shipping = dataclasses.replace(config, shipping={"x": 1})
    assert backup.perform(shipping, runner, "dump") == 3
    assert (shipped, dumped) == ([["one.dump"]], [])


def test_a_drill_needs_its_configuration_and_gives_its_figures(
    config: Any, runner: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backup.perform(config, runner, "drill") == 1
    assert "no drill is configured" in capsys.readouterr().err
    module = SimpleNamespace(rehearse=lambda _: {"drill_rto_seconds": 2.5})
    monkeypatch.setitem(sys.modules, "freelance_drill", module)
    assert backup.perform(dataclasses.replace(config, drill={"x": 1}), runner, "drill") == 0
    assert outcome(config, "drill")["drill_rto_seconds"] == 2.5


def test_missed_jobs_run_once_and_what_the_repository_holds_since_is_left(
    config: Any, runner: Any, dumped: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, float]] = []

    def is_held(_: Any, job: str, due: float) -> bool:
        asked.append((job, due))
        return job == "incr"

    monkeypatch.setattr(backup, "is_held", is_held)
    monkeypatch.setattr(backup, "back_up", lambda *_: {"bytes": 7})
    assert backup.catch_up(config, runner) == 0
    assert asked == [], "new here: nothing was missed"
    for job in config.schedules:
        runner.answered(job, time.time() - 8 * 86_400)
    assert backup.catch_up(config, runner) == 0
    assert [job for job, _ in asked] == ["dump", "full", "incr"]
    assert (dumped, outcome(config, "full")["bytes"]) == (["prune"], 7)
    assert not Path(config.status_dir, "incr.json").exists()
    asked.clear()
    assert backup.catch_up(config, runner) == 0
    assert asked == []


def test_a_backup_whose_host_died_halfway_is_taken_by_the_one_that_acts_now(
    config: Any, runner: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[str] = []
    monkeypatch.setattr(backup, "is_held", lambda *_: bool(done))

    def back_up(_: Any, job: str) -> dict[str, float]:
        done.append(job)
        return {"bytes": 7}

    monkeypatch.setattr(backup, "back_up", back_up)
    here = dataclasses.replace(config, cluster_command=["patronictl"], schedules={"full": "30 3 * * 0"})
    runner.answered("full", time.time() - 8 * 86_400)
    members_are(monkeypatch, member("db0", "Replica"), member("db1", "Replica"))
    assert backup.perform(here, runner, "full") == 0
    assert backup.catch_up(here, runner) == 0
    assert done == []
    assert "was missed" not in capsys.readouterr().out, "it runs there"
    members_are(monkeypatch, member("db1", "Replica"))
    assert backup.catch_up(here, runner) == 0
    assert done == ["full"]
    assert "full: was missed, it runs now" in capsys.readouterr().out


def test_a_backup_that_another_host_finished_is_not_taken_again(
    config: Any, runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "is_held", lambda *_: True)
    here = dataclasses.replace(config, cluster_command=["patronictl"], schedules={"full": "30 3 * * 0"})
    runner.answered("full", time.time() - 8 * 86_400)
    members_are(monkeypatch, member("db0", "Replica"))
    assert backup.perform(here, runner, "full") == 0
    assert runner.missed(here.schedules, time.time()) == ["full"]
    assert backup.catch_up(here, runner) == 0
    assert runner.missed(here.schedules, time.time()) == []


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


def test_a_schedule_that_never_comes_due_is_refused(config: Any, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    values = {**dataclasses.asdict(config), "schedules": {"full": "61 3 * * 0"}}
    path.write_text(json.dumps(values), encoding="utf-8")
    assert backup.main(["--config", str(path), "check-config"]) == 78
    path.write_text(json.dumps({**values, "schedules": config.schedules}), encoding="utf-8")
    assert backup.main(["--config", str(path), "check-config"]) == 0
