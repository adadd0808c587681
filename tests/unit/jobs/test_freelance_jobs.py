"""What every job is owed: a lock, a record that survives, words about a failure, another chance when missed."""

import contextlib
import datetime
import fcntl
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.loading import load

MODULE = Path(__file__).parents[3] / "roles/job_runner/files/freelance_jobs.py"
HOUR_S = 3600
jobs = load(MODULE)


@pytest.fixture
def runner(tmp_path: Path) -> Any:
    return jobs.Runner(
        program="freelance-test",
        metric_prefix="freelance_test",
        status_dir=tmp_path,
        metrics_dir=tmp_path,
        mail_to="",
    )


def outcome(runner: Any, job: str = "dump") -> Any:
    return json.loads((runner.status_dir / f"{job}.json").read_text(encoding="utf-8"))


def fail(error: BaseException) -> Any:
    def work() -> dict[str, float]:
        raise error

    return work


def test_what_a_job_measured_joins_its_record_and_its_metrics(runner: Any) -> None:
    assert runner.run("dump", lambda: {"bytes": 5, "rto_seconds": 2.5}) == 0
    left = outcome(runner)
    assert (left["job"], left["exit_status"], left["bytes"], left["rto_seconds"]) == ("dump", 0, 5, 2.5)
    assert left["last_success_timestamp_seconds"] == left["finished_timestamp_seconds"] > 0
    metrics = (runner.metrics_dir / "freelance_test_dump.prom").read_text(encoding="utf-8")
    assert 'freelance_test_rto_seconds{job="dump"} 2.5\n' in metrics
    for name in ("exit_status", "duration_seconds", "finished_timestamp_seconds", "bytes"):
        assert f'freelance_test_{name}{{job="dump"}} {left[name]}\n' in metrics


@pytest.mark.parametrize(
    ("error", "status"), [(jobs.JobError("pg_dump ended", 3), 3), (KeyError("x"), 1), (RuntimeError("y"), 1)]
)
def test_a_failed_run_is_recorded_and_keeps_the_time_of_the_last_success(
    runner: Any, error: Exception, status: int
) -> None:
    runner.run("dump", lambda: {"bytes": 7})
    good = outcome(runner)
    assert runner.run("dump", fail(error)) == status
    bad = outcome(runner)
    assert bad["exit_status"] == status
    assert bad["last_success_timestamp_seconds"] == good["last_success_timestamp_seconds"]
    assert "bytes" not in bad


def test_a_failed_run_keeps_what_the_last_good_one_measured(runner: Any) -> None:
    runner.run("drill", lambda: {"bytes": 7, "rto_seconds": 2.5, "days_max": 8})
    runner.run("drill", fail(jobs.JobError("no")))
    assert runner.run("drill", fail(jobs.JobError("no again"))) == 1
    left = outcome(runner, "drill")
    assert (left["exit_status"], left["rto_seconds"], left["days_max"]) == (1, 2.5, 8)
    metrics = (runner.metrics_dir / "freelance_test_drill.prom").read_text(encoding="utf-8")
    assert 'freelance_test_days_max{job="drill"} 8\n' in metrics
    assert "freelance_test_bytes" not in metrics


def test_a_tool_that_fails_is_quoted() -> None:
    with pytest.raises(jobs.JobError, match=r"(?s)exit status 4.*the reason") as caught:
        jobs.run_tool(["sh", "-c", "echo the reason >&2; exit 4"])
    assert caught.value.status == 4


def test_of_many_lines_the_last_are_quoted() -> None:
    with pytest.raises(jobs.JobError) as caught:
        jobs.run_tool(["sh", "-c", "seq 1000; exit 1"])
    assert str(caught.value).splitlines()[1:] == [str(number) for number in range(981, 1001)]


def test_a_tool_that_a_signal_or_the_clock_ends_fails() -> None:
    with pytest.raises(jobs.JobError) as caught:
        jobs.run_tool(["sh", "-c", "kill -9 $$"])
    assert caught.value.status == 137
    with pytest.raises(jobs.JobError, match="did not end within"):
        jobs.run_tool(["sleep", "60"], timeout_seconds=0.05)


def test_a_tool_gets_more_environment_and_keeps_what_it_had() -> None:
    assert jobs.run_tool(["sh", "-c", 'echo "$MORE ${PATH:+path}"'], environment={"MORE": "more"}) == "more path\n"


def test_a_failure_is_that_of_the_tool_and_not_of_what_starts_it() -> None:
    with pytest.raises(jobs.JobError, match=r"^sh ended with exit status 4:\nstarted$"):
        jobs.run_tool(["sh", "-c", 'echo "$STATE"; exit 4'], before=["env", "STATE=started"])


@pytest.mark.parametrize("text", ["", "no JSON", "[]", '{"job": "dump"}', '{"last_success_timestamp_seconds": "x"}'])
def test_an_outcome_of_another_time_or_shape_does_not_stop_the_next_one(runner: Any, text: str) -> None:
    (runner.status_dir / "dump.json").write_text(text, encoding="utf-8")
    assert runner.run("dump", fail(jobs.JobError("x", 3))) == 3
    assert outcome(runner)["last_success_timestamp_seconds"] == 0


def test_a_host_that_acts_no_more_takes_its_failure_back_and_nothing_else(runner: Any) -> None:
    runner.run("dump", fail(jobs.JobError("x", 3)))
    failed = outcome(runner)
    assert runner.run("dump", fail(AssertionError("not here")), acting=lambda: False) == 0
    assert outcome(runner) == {**failed, "exit_status": 0}
    metrics = (runner.metrics_dir / "freelance_test_dump.prom").read_text(encoding="utf-8")
    assert 'freelance_test_exit_status{job="dump"} 0\n' in metrics


def test_who_cannot_say_who_acts_has_failed(runner: Any) -> None:
    def nobody() -> bool:
        raise jobs.JobError("no member can act", 4)

    assert runner.run("dump", lambda: {}, acting=nobody) == 4
    assert outcome(runner)["exit_status"] == 4


def test_two_runs_under_one_lock_never_overlap(runner: Any) -> None:
    with (runner.status_dir / "physical.lock").open("w", encoding="utf-8") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert runner.run("full", fail(AssertionError("not now")), lock="physical") == 75
        assert runner.run("dump", lambda: {}) == 0
    assert not (runner.status_dir / "full.json").exists()
    assert runner.run("full", lambda: {}, lock="physical") == 0


def test_what_is_postponed_leaves_the_last_record_as_it_was(runner: Any, capsys: pytest.CaptureFixture[str]) -> None:
    runner.run("dump", lambda: {"bytes": 7})
    before = outcome(runner)
    assert runner.run("dump", fail(jobs.Postponed("a migration runs"))) == 75
    assert outcome(runner) == before
    assert "a migration runs" in capsys.readouterr().out


# ---- another chance

NIGHT = datetime.datetime(2026, 11, 24, 2, 0).timestamp()  # a Tuesday, the host's time
NIGHTLY = {"dump": "0 2 * * *", "full": "30 3 * * 0"}


def test_who_only_asks_what_was_missed_leaves_nothing(runner: Any) -> None:
    before = list(runner.status_dir.iterdir())
    assert runner.missed(NIGHTLY, NIGHT + HOUR_S, note=False) == []
    assert list(runner.status_dir.iterdir()) == before


def test_a_job_that_was_due_while_its_host_was_down_is_missed_until_it_ran(runner: Any) -> None:
    for job in NIGHTLY:
        runner.answered(job, NIGHT - 2 * HOUR_S)
    assert runner.missed(NIGHTLY, NIGHT - HOUR_S) == []
    assert runner.missed(NIGHTLY, NIGHT + 60) == [], "cron starts it now"
    assert runner.missed(NIGHTLY, NIGHT + HOUR_S) == ["dump"]
    runner.answered("dump", NIGHT + HOUR_S)
    assert runner.missed(NIGHTLY, NIGHT + 2 * HOUR_S) == []
    assert runner.missed(NIGHTLY, NIGHT + 7 * 24 * HOUR_S) == ["dump", "full"]


def test_a_new_host_catches_up_on_nothing_that_was_due_before_it(runner: Any) -> None:
    assert runner.missed(NIGHTLY, NIGHT + HOUR_S) == []
    assert runner.missed(NIGHTLY, NIGHT + 25 * HOUR_S) == ["dump"]


@pytest.mark.parametrize(
    ("work", "acting", "again"),
    [
        (lambda: {}, None, False),
        (fail(jobs.JobError("x")), None, False),
        (lambda: {}, lambda: False, False),
        (fail(jobs.Postponed("x")), None, True),
        (fail(KeyboardInterrupt()), None, True),  # as a shutdown ends a run
    ],
    ids=["succeeded", "failed", "stood aside", "postponed", "interrupted"],
)
def test_what_counts_as_having_run(runner: Any, work: Any, acting: Any, again: bool) -> None:
    runner.answered("dump", NIGHT)
    with contextlib.suppress(KeyboardInterrupt):
        runner.run("dump", work, acting=acting)
    moved = (runner.status_dir / "dump.answered").stat().st_mtime > NIGHT
    assert moved is not again


def test_what_another_host_does_stays_open_where_that_is_asked(runner: Any) -> None:
    runner.answered("dump", NIGHT)
    assert runner.run("dump", fail(AssertionError("not here")), acting=lambda: False, elsewhere_counts=False) == 0
    assert (runner.status_dir / "dump.answered").stat().st_mtime == NIGHT


# ---- mail


@pytest.fixture
def mailing(runner: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    sendmail = tmp_path / "sendmail"
    sendmail.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/options\ncat > {tmp_path}/mail\n', encoding="utf-8")
    sendmail.chmod(0o755)
    monkeypatch.setattr(jobs, "SENDMAIL", str(sendmail))
    return jobs.Runner(**{**vars(runner), "mail_to": "ops@example.test, b@example.test"})


def test_a_failure_is_mailed_with_the_tools_own_last_lines(mailing: Any) -> None:
    def work() -> dict[str, float]:
        jobs.run_tool(["sh", "-c", "echo the reason >&2; exit 4"])
        return {}

    assert mailing.run("verify", work) == 4
    mail = (mailing.status_dir / "mail").read_text(encoding="utf-8")
    assert (mailing.status_dir / "options").read_text(encoding="utf-8") == "-t\n"
    assert "To: ops@example.test, b@example.test\n" in mail
    assert f"Subject: freelance-test: verify failed on {os.uname().nodename}" in mail
    assert "the reason\n" in mail
    assert "journalctl -t freelance-test" in mail


def test_a_success_is_not_mailed(mailing: Any) -> None:
    mailing.run("verify", lambda: {})
    assert not (mailing.status_dir / "mail").exists()


def test_mail_that_cannot_be_sent_is_told_and_changes_nothing(mailing: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (mailing.status_dir / "sendmail").write_text("#!/bin/sh\necho no route >&2; exit 75\n", encoding="utf-8")
    assert mailing.run("verify", fail(jobs.JobError("broken", 3))) == 3
    assert outcome(mailing, "verify")["exit_status"] == 3
    assert "no mail to ops@example.test, b@example.test: no route" in capsys.readouterr().err
