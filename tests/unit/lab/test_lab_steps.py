"""The step runner: order, side by side, failure, interruption-proof results."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lab import lock, steps
from lab.paths import ROOT
from lab.steps import Runner, Step


def python(name: str, code: str, needs: tuple[str, ...] = ()) -> Step:
    """A step that runs Python code."""
    return Step(name=name, argv=[sys.executable, "-c", code], needs=needs)


def test_a_step_starts_after_those_it_needs(tmp_path: Path) -> None:
    code = "open('order', 'a').write('{}')"
    steps = [
        python("b", code.format("b"), ("a",)),
        python("a", code.format("a")),
        python("c", code.format("c"), ("b",)),
    ]
    results = Runner(steps, root=tmp_path, logs=tmp_path / "logs").run()
    assert (tmp_path / "order").read_text() == "abc"
    assert [(one.name, one.status) for one in results] == [("b", "done"), ("a", "done"), ("c", "done")]


def test_independent_steps_run_side_by_side(tmp_path: Path) -> None:
    # Each waits for the other's file: one after the other they would never end.
    wait = "import pathlib, time\npathlib.Path('{0}').touch()\nwhile not pathlib.Path('{1}').exists(): time.sleep(.01)"
    steps = [python("one", wait.format("1", "2")), python("two", wait.format("2", "1"))]
    results = Runner(steps, root=tmp_path, logs=tmp_path / "logs").run()
    assert {one.status for one in results} == {"done"}


def test_a_failure_shows_the_log_ends_what_runs_and_starts_nothing_new(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = [
        python("broken", "import time; time.sleep(.5); print('the reason'); raise SystemExit(3)"),
        python("long", "import time; time.sleep(60)"),
        python("later", "", ("broken",)),
    ]
    results = Runner(steps, root=tmp_path, logs=tmp_path / "logs").run()
    assert [one.status for one in results] == ["failed", "stopped", "not run"]
    out = capsys.readouterr().out
    assert "the reason" in out
    assert str(tmp_path / "logs" / "broken.log") in out


def with_a_long_last_step(folder: Path) -> tuple["subprocess.Popen[str]", int]:
    """A runner in a session of its own whose last step runs, and the id of that step's child.

    The child is there only after the runner has looked twice at its steps, all of which have started.
    """
    child = folder / "child"
    program = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from lab.steps import Runner, Step
wait = "import subprocess as s, sys, time; time.sleep(2); p = s.Popen(['sleep', '60']); "
wait += "open(sys.argv[1], 'w').write(str(p.pid)); p.wait()"
steps = [Step(name="first", argv=["true"])]
steps += [Step(name="last", argv=[sys.executable, "-c", wait, {str(child)!r}], needs=["first"])]
print([one.status for one in Runner(steps, root=Path("."), logs=Path("logs")).run()])
"""
    runner = subprocess.Popen(
        [sys.executable, "-c", program], cwd=folder, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    while not (child.exists() and child.read_text().strip()):
        assert runner.poll() is None
        time.sleep(0.05)
    return runner, int(child.read_text())


def is_gone(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_being_told_to_end_ends_the_children_of_the_last_step_too(tmp_path: Path, number: signal.Signals) -> None:
    runner, child = with_a_long_last_step(tmp_path)
    runner.send_signal(number)
    out, _ = runner.communicate(timeout=30)
    assert "['done', 'stopped']" in out
    assert is_gone(child)


def test_ctrl_c_while_the_last_step_runs_still_shows_the_table(tmp_path: Path) -> None:
    runner, child = with_a_long_last_step(tmp_path)
    os.killpg(runner.pid, signal.SIGINT)
    out, _ = runner.communicate(timeout=30)
    assert "all together" in out
    assert "['done', 'stopped']" in out
    assert is_gone(child)


def test_a_second_ctrl_c_ends_steps_that_did_not_hear_the_first(tmp_path: Path) -> None:
    runner, child = with_a_long_last_step(tmp_path)
    runner.send_signal(signal.SIGINT)  # to the runner alone, as `kill` sends it
    assert runner.stdout is not None
    assert any("once more" in line for line in iter(runner.stdout.readline, ""))
    runner.send_signal(signal.SIGINT)
    out, _ = runner.communicate(timeout=30)
    assert "['done', 'stopped']" in out
    assert is_gone(child)


def test_a_process_of_root_is_ended_through_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def kill(_pid: int, _number: int) -> None:
        raise PermissionError

    def run(argv: list[str], **_: Any) -> None:
        commands.append(argv)

    monkeypatch.setattr("lab.steps.os.kill", kill)
    monkeypatch.setattr("lab.steps.subprocess.run", run)
    monkeypatch.setattr("lab.shell.os.geteuid", lambda: 1000)
    steps._send(os.getpid(), signal.SIGINT)
    assert commands[0] == ["sudo", "--non-interactive", "kill", "-2", str(os.getpid())]


def test_steps_hold_the_lock_of_their_runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "LOCK", tmp_path / "lock")
    code = f"import os, sys; sys.exit(os.path.realpath('/proc/self/fd/{{}}') != {str(tmp_path / 'lock')!r})"
    with lock.held() as descriptor:
        step = python("a", code.format(descriptor))
        results = Runner([step], root=tmp_path, logs=tmp_path / "logs", lock=descriptor).run()
    assert results[0].status == "done"


def test_a_program_that_is_missing_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = Runner([Step(name="x", argv=["/missing"])], root=tmp_path, logs=tmp_path / "logs").run()
    assert results[0].status == "failed"
    assert "/missing" in capsys.readouterr().out


def test_the_end_lists_all_times_slowest_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = [python("quick", "print('remark: all there')"), python("slow", "import time; time.sleep(.4)")]
    Runner(steps, root=tmp_path, logs=tmp_path / "logs").run()
    out = capsys.readouterr().out
    table = out.split("\n\n")[-1].splitlines()
    assert [line.split()[0] for line in table] == ["slow", "quick", "all"]
    assert table[1].endswith("all there")
    assert "[1/2] quick …" in out


def test_a_need_that_nobody_meets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="missing one"):
        Runner([python("a", "", ("missing one",))], root=tmp_path, logs=tmp_path)


def test_a_step_that_only_comes_after_another_runs_even_when_that_failed(tmp_path: Path) -> None:
    after = Step(name="after", argv=[sys.executable, "-c", ""], after=("broken",))
    steps = [python("broken", "raise SystemExit(1)"), after, python("needy", "", ("broken",))]
    results = Runner(steps, root=tmp_path, logs=tmp_path / "logs", keep_going=True).run()
    assert [one.status for one in results] == ["failed", "done", "not run"]
