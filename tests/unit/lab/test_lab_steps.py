"""The step runner: order, side by side, failure, interruption-proof results."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

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
    began = time.monotonic()
    results = Runner(steps, root=tmp_path, logs=tmp_path / "logs").run()
    assert time.monotonic() - began < 20
    assert [one.status for one in results] == ["failed", "stopped", "not run"]
    out = capsys.readouterr().out
    assert "the reason" in out
    assert str(tmp_path / "logs" / "broken.log") in out


def test_being_told_to_end_ends_the_children_of_the_steps_too(tmp_path: Path) -> None:
    child = tmp_path / "child"
    steps = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from lab.paths import ROOT
from lab.steps import Runner, Step
wait = "import subprocess as s, sys; p = s.Popen(['sleep', '60']); open(sys.argv[1], 'w').write(str(p.pid)); p.wait()"
argv = [sys.executable, "-c", wait, {str(child)!r}]
print([one.status for one in Runner([Step(name="x", argv=argv)], root=Path("."), logs=Path("logs")).run()])
"""
    told = subprocess.Popen([sys.executable, "-c", steps], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    while not (child.exists() and child.read_text().strip()):
        time.sleep(0.05)
    told.terminate()
    out, _ = told.communicate(timeout=30)
    assert "['stopped']" in out
    state = Path(f"/proc/{child.read_text().strip()}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"


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
