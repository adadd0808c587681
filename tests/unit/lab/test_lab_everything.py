"""`make test` and its parts: what they ask of the machine, and how they leave the lab."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab import lock
from lab.errors import LabError
from lab.steps import Result, Step
from tests import everything


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What was asked, run and stopped, in order; the lab comes up with the steps that start it."""
    found: list[str] = []
    up: list[bool] = []

    class Runner:
        def __init__(self, steps: list[Step], **options: Any) -> None:
            self.steps = steps
            found.append("locked" if options["lock"] is not None else "not locked")

        def run(self) -> list[Result]:
            up.append(True)  # by these steps or by somebody else meanwhile
            return [Result(name=step.name, status="done", seconds=1, log=tmp_path / "log") for step in self.steps]

    monkeypatch.setattr(everything, "Runner", Runner)
    monkeypatch.setattr(lock, "LOCK", tmp_path / "lock")
    monkeypatch.delenv(lock.VARIABLE, raising=False)
    monkeypatch.setattr("tests.everything.preflight.refuse", lambda: found.append("machine looked at"))
    monkeypatch.setattr("tests.everything.preflight.refuse_no_root", lambda: None)
    monkeypatch.setattr("tests.everything.sandbox.healthy", lambda: bool(up))
    monkeypatch.setattr(
        "tests.everything.subprocess.run",
        lambda argv, **_: found.append(" ".join(map(str, argv[:1])).rpartition("/")[2] + " " + argv[1]),
    )
    return found


def test_what_starts_no_host_runs_beside_anything_and_stops_nobodys_lab(said: list[str]) -> None:
    assert everything.main(["lint", "unit"]) == 0
    assert said == ["not locked"]


def test_what_started_the_lab_stops_it_with_roots_rights(said: list[str]) -> None:
    assert everything.main(["app"]) == 0
    assert said == ["machine looked at", "locked", "run down"]


def test_a_refusal_is_one_line(
    monkeypatch: pytest.MonkeyPatch, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> None:
        raise LabError("no room")

    monkeypatch.setattr("tests.everything.preflight.refuse", refuse)
    assert everything.main(["host"]) == 1
    assert capsys.readouterr().err == "tests: no room\n"
    assert said == []


@pytest.mark.usefixtures("said")
@pytest.mark.parametrize("group", ["proofs", "molecule"])
def test_what_is_left_out_on_purpose_is_named_with_the_command_that_runs_it(
    capsys: pytest.CaptureFixture[str], group: str
) -> None:
    part = {"proofs": "test_3_interruption", "molecule": "molecule cache alternative"}[group]
    assert everything.main([group]) == 0
    out = capsys.readouterr().out
    (line,) = [line for line in out.split("Left out on purpose:\n")[1].splitlines() if f"`make {group}-all`" in line]
    assert part in line
    assert everything.main([f"{group}-all"]) == 0
    assert "Left out" not in capsys.readouterr().out


def test_the_benches_want_the_machine_one_after_the_other_and_one_lab_at_a_time() -> None:
    steps = {step.name: step for step in everything.chosen(["bench"])}
    assert "bench pulumi" in steps["bench site"].after
    # Its lab is in a clone of its own: ours starts when that one is gone.
    assert all("bench site" in steps[name].after for name in ("host image", "sandbox", "bench application"))
    assert "bench application" in steps["bench backup"].after
    assert all("packages image" in steps[f"bench {name}"].needs for name in ("application", "backup"))


def test_the_disk_of_the_last_bench_is_asked_before_the_first(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    with pytest.raises(SystemExit, match=r"has 0\.0 GiB free and a benchmark of 5 GB needs"):
        everything.main(["bench"])
    assert said == []


def test_what_needs_processors_alone_leaves_them_to_the_proofs_and_is_waited_for_by_none() -> None:
    steps = everything.chosen(["lint", "unit", "engine", "app", "proofs"])
    names = [step.name for step in steps]
    (proofs,) = [step for step in steps if step.name == "proofs"]
    for step in steps:
        if step.name in everything.BESIDE_LIVE:
            assert list(step.argv[:3]) == ["nice", "-n", "19"]
            assert names.index(step.name) > names.index("proofs")
            assert step.name not in proofs.after
    assert {"ruff", "app", "site"} <= set(proofs.after)
    assert set(everything.BESIDE_LIVE) <= set(names)
    assert all("nice" not in step.argv for step in everything.chosen(["lint", "unit"]))


def test_the_end_of_the_output_says_why_a_step_was_ended_and_where_the_time_went(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "unit.log").write_text("tests/unit/test_a.py ..\nUserInterrupt in test_b\n")
    ended = Result(name="unit", status="stopped", seconds=1800.4, log=tmp_path / "unit.log")
    results = [ended, *(Result(name=f"s{n}", status="done", seconds=n, log=tmp_path / "none") for n in range(9))]
    everything.say_failures(results)
    everything.say_longest(results)
    out = capsys.readouterr().out
    assert "UserInterrupt in test_b" in out
    assert out.endswith("\nLongest: unit 1800 s, s8 8 s, s7 7 s, s6 6 s, s5 5 s.\n")
