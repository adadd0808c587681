"""One at a time works on a lab, and the second is told who the first is; sudo keeps what a command needs."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import __main__ as command_line
from lab import lock, shell
from lab.errors import LabError
from lab.paths import ROOT

HOLD = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from lab import lock
lock.LOCK = Path(sys.argv[1])
with lock.held() as descriptor:
    print("held", flush=True)
    {{then}}
"""


@pytest.fixture(autouse=True)
def own_lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(lock, "LOCK", tmp_path / ".lab" / "lock")
    monkeypatch.delenv(lock.VARIABLE, raising=False)
    return tmp_path / ".lab" / "lock"


@pytest.fixture
def other(own_lock: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds the lock until its input is closed."""
    program = HOLD.format(then="sys.stdin.read()")
    process = subprocess.Popen(
        [sys.executable, "-c", program, own_lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_the_second_is_told_who_the_first_is_and_how_to_end_it(other: "subprocess.Popen[str]") -> None:
    with pytest.raises(LabError, match=rf"process {other.pid} \(.*python.*wait until it ends.*`kill {other.pid}`"):
        lock.held().__enter__()


def test_a_holder_whose_files_are_not_ours_to_look_at_has_written_down_who_it_is(
    other: "subprocess.Popen[str]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "holders", dict)
    with pytest.raises(LabError, match=rf"process {other.pid} \(.*python.*`kill {other.pid}`"):
        lock.held().__enter__()


def test_the_lock_is_free_when_its_holder_has_ended(other: "subprocess.Popen[str]", own_lock: Path) -> None:
    other.kill()
    other.communicate()
    with lock.held() as descriptor:
        assert descriptor is not None
        assert os.environ[lock.VARIABLE] == str(own_lock)
    assert lock.VARIABLE not in os.environ


def test_a_step_that_outlived_its_runner_still_holds_it(own_lock: Path) -> None:
    program = HOLD.format(
        then="import subprocess as s; print(s.Popen(['sleep', '60'], pass_fds=[descriptor], stdout=s.DEVNULL).pid)"
    )
    said = subprocess.run(
        [sys.executable, "-c", program, own_lock], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    orphan = int(said.split()[-1])
    try:
        with pytest.raises(LabError, match=rf"process {orphan} \(sleep 60\)"):
            lock.held().__enter__()
    finally:
        os.kill(orphan, 9)


def test_commands_of_the_holders_own_steps_go_through() -> None:
    with lock.held(), lock.held() as inner:
        assert inner is None


def test_sudo_runs_this_clone_in_any_folder_and_keeps_what_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"YES": "1", "LAB_DISK_FREE_GIB_MIN": "3", "LAB_LOCK": "/x", "PYTHONPATH": "/other"}.items():
        monkeypatch.setenv(name, value)
    words = command_line.again(["destroy"])
    assert words[-4:] == ["-P", "-m", "lab", "destroy"]
    assert {"YES=1", "LAB_DISK_FREE_GIB_MIN=3", "LAB_LOCK=/x", f"PYTHONPATH={ROOT}"} <= set(words)


def test_the_users_folders_are_made_before_root_could(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class SudoError(Exception):
        """Instead of becoming sudo."""

    def execvp(_program: str, argv: list[str]) -> None:
        assert argv[:2] == ["sudo", "--non-interactive"]
        assert (tmp_path / "cache").is_dir()
        assert (tmp_path / "logs").is_dir()
        raise SudoError

    monkeypatch.setattr(command_line, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(command_line, "LOGS", tmp_path / "logs")
    monkeypatch.setattr("lab.__main__.preflight.refuse_no_root", lambda: None)
    monkeypatch.setattr("lab.__main__.os.geteuid", lambda: 1000)
    monkeypatch.setattr("lab.__main__.os.execvp", execvp)
    with pytest.raises(SudoError):
        command_line.main(["image", "tar"])


def test_programs_of_sbin_are_found_with_a_users_path() -> None:
    assert shell.with_sbin("/usr/local/bin:/usr/bin") == "/usr/local/bin:/usr/bin:/usr/sbin:/sbin"
    assert shell.with_sbin("/usr/sbin:/usr/bin:/sbin") == "/usr/sbin:/usr/bin:/sbin"
    program = "import os; from lab.shell import run; run(['losetup', '--version']); print(os.environ['PATH'])"
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "/usr/bin:/bin:/usr/sbin:/sbin"
