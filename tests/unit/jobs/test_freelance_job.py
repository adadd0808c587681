"""What a job leaves: its outcome, what it said, and the time of its last success."""

import fcntl
import json
import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from tests.loading import load

PROGRAM = Path(__file__).parents[3] / "roles/schema_migrations/files/freelance_job.py"
program = load(PROGRAM)


@pytest.fixture
def config(tmp_path: Path) -> Any:
    """Jobs of whoever runs this test."""
    return program.JobSet(
        user=pwd.getpwuid(os.geteuid()).pw_name,
        directory=str(tmp_path),
        status_dir=str(tmp_path),
        jobs={"count": ["sh", "-c", "echo one; echo two"], "break": ["sh", "-c", "echo the reason >&2; exit 4"]},
    )


@pytest.fixture
def written(config: Any, tmp_path: Path) -> Path:
    """The file of these jobs."""
    path = tmp_path / "set.json"
    path.write_text(json.dumps(vars(config)), encoding="utf-8")
    return path


def outcome(config: Any, job: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(config.status_dir, f"{job}.json").read_text(encoding="utf-8"))
    return found


def test_a_success_is_told_with_the_commands_last_line(config: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.run(config, "count") == 0
    left = outcome(config, "count")
    assert left["exit_status"] == 0
    assert left["last_success_timestamp_seconds"] == left["finished_timestamp_seconds"] > 0
    said = capsys.readouterr().out
    assert said.endswith("two\n")
    assert "one" not in said


def test_a_failure_is_told_in_the_commands_words_and_keeps_the_time_of_the_last_success(
    config: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(config.status_dir, "break.json")
    path.write_text('{"last_success_timestamp_seconds": 7}', encoding="utf-8")
    assert program.run(config, "break") == 4
    left = outcome(config, "break")
    assert (left["exit_status"], left["last_success_timestamp_seconds"]) == (4, 7)
    assert "break failed with exit status 4: the reason\n" in capsys.readouterr().err


# A psycopg error in Django's, as a traceback shows it; what a row holds may have several lines.
REFUSED = """\
psycopg.errors.CheckViolation: new row for relation "a" violates check constraint "a_price"
DETAIL:  Failing row contains (7, 王芳
+8613800138000).
HINT:  +8613800138000

django.db.utils.IntegrityError: new row for relation "a" violates check constraint "a_price"
DETAIL:  Failing row contains (7, 王芳
+8613800138000)."""


def test_a_failure_shows_no_row_and_nothing_that_was_done_before_it(
    config: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    said = ["sh", "-c", 'echo "Traceback" >&2; echo "$0" >&2; echo "two rows moved"; exit 1', REFUSED]
    assert program.run(program.JobSet(**{**vars(config), "jobs": {"move": said}}), "move") == 1
    reason = 'psycopg.errors.CheckViolation: new row for relation "a" violates check constraint "a_price"'
    assert capsys.readouterr().err == f"move failed with exit status 1: {reason}\n"


def test_a_failure_that_says_nothing_as_an_error_is_told_in_its_last_line(
    config: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = {"mute": ["sh", "-c", "exit 3"], "loud": ["sh", "-c", "echo one; echo two; exit 3"]}
    assert [program.run(program.JobSet(**{**vars(config), "jobs": silent}), job) for job in silent] == [3, 3]
    assert capsys.readouterr().err == "mute failed with exit status 3\nloud failed with exit status 3: two\n"


def test_a_folder_that_is_not_there_is_a_failure_like_any_other(config: Any, tmp_path: Path) -> None:
    away = program.JobSet(**{**vars(config), "directory": str(tmp_path / "away")})
    assert program.run(away, "count") == 1
    assert outcome(config, "count")["exit_status"] == 1


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "{}", '{"last_success_timestamp_seconds": null}'])
def test_an_outcome_of_another_shape_does_not_stop_the_next_one(config: Any, text: str) -> None:
    Path(config.status_dir, "break.json").write_text(text, encoding="utf-8")
    program.run(config, "break")
    assert outcome(config, "break")["last_success_timestamp_seconds"] == 0


def test_a_job_that_still_runs_is_not_run_again(config: Any) -> None:
    with Path(config.status_dir, "count.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert program.run(config, "count") == 75
    assert not Path(config.status_dir, "count.json").exists()


# Once it has to wait, with EX_TEMPFAIL; then it may run.
WAITS = ["sh", "-c", "test -e asked && echo done || { touch asked; echo a backup is running >&2; exit 75; }"]


def test_a_job_that_has_to_wait_is_asked_again_until_it_may_run(
    config: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "PAUSE_S", 0)
    waiting = program.JobSet(**{**vars(config), "jobs": {"wait": WAITS}})
    assert program.run(waiting, "wait") == 0
    said = capsys.readouterr().out
    assert said.startswith("wait has to wait: a backup is running\nwait succeeded in ")
    assert outcome(config, "wait")["exit_status"] == 0


def test_a_job_that_has_to_wait_for_too_long_leaves_no_outcome(
    config: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    waiting = program.JobSet(**{**vars(config), "jobs": {"wait": WAITS}})
    assert program.run(waiting, "wait", wait_seconds=0) == program.EXIT_POSTPONED
    assert not (tmp_path / "wait.json").exists()
    assert "wait has not run, it had to wait for more than 0 s: a backup is running\n" in capsys.readouterr().err


def test_only_what_never_succeeded_is_run_where_that_is_asked(
    written: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "Path", lambda path: written if path == "/etc/freelance-test.json" else Path(path))
    assert program.main(["test", "--unproven"]) == 4
    said = capsys.readouterr()
    assert ("count" in said.out, "break" in said.err) == (True, True)
    assert program.main(["test", "--unproven"]) == 4
    said = capsys.readouterr()
    assert ("count" in said.out, "break" in said.err) == (False, True)


def test_a_job_that_runs_at_this_moment_is_no_failure_of_the_others(
    written: Path, config: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "Path", lambda path: written if path == "/etc/freelance-test.json" else Path(path))
    with Path(config.status_dir, "count.lock").open("w", encoding="utf-8") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert program.main(["test", "--unproven"]) == 4
        with Path(config.status_dir, "break.lock").open("w", encoding="utf-8") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            assert program.main(["test", "--unproven"]) == 0
            assert program.main(["test", "count"]) == program.EXIT_POSTPONED
    assert "count: the previous run still holds the lock" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "job", "said"),
    [
        ({"user": "somebody"}, "count", "these jobs run as somebody"),
        ({}, "cuont", "there is no such job, but break, count"),
    ],
)
def test_what_cannot_be_run_is_refused_by_name(config: Any, change: dict[str, str], job: str, said: str) -> None:
    assert said in program.refusal(program.JobSet(**{**vars(config), **change}), job)
    assert program.refusal(config, "count") == ""


@pytest.mark.parametrize(("text", "said"), [('{"usre": "x"}', "usre"), ("{}", "status_dir"), ("[", "refused")])
def test_a_file_that_is_none_is_refused(
    tmp_path: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "set.json"
    path.write_text(text, encoding="utf-8")
    assert program.main(["test", "--check-config", str(path)]) == 78
    assert said in capsys.readouterr().err
