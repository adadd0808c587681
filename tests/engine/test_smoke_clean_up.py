"""The small stack of the first proof on the real engine: it goes up under the policies, and all of it is taken away.

AWS is played by the recording provider; each command of `pulumi` is the one that `make smoke-aws` calls.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from engine_workspace import Engine, make_engine
from example_stacks import completed
from smoke import checks, clean_up, settings
from smoke.commands import Done, Run


@pytest.fixture(scope="module")
def small(home: Path) -> Engine:
    """An engine with an empty small stack, whose settings are those that `make smoke-aws` writes for production."""
    engine = make_engine(home, settings.NAME)
    config = completed(settings.config("production"))
    (engine.project / f"Pulumi.{settings.NAME}.yaml").write_text(yaml.safe_dump({"config": config}), encoding="utf-8")
    engine.run("stack", "init")
    return engine


@pytest.fixture(scope="module")
def run(small: Engine) -> Run:
    """Run `pulumi` in the engine's workspace, and nothing else."""

    def in_workspace(argv: Sequence[str], *, shown: bool = False, given: str | None = None) -> Done:
        assert argv[0] == "pulumi"
        done = subprocess.run(
            ["pulumi", "--non-interactive", *argv[1:]],
            cwd=small.project,
            env=small.environment,
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        return Done(status=done.returncode, stdout=done.stdout, stderr=done.stderr + (done.stdout if shown else ""))

    return in_workspace


def test_the_small_stack_goes_up_under_the_policies_and_then_has_no_changes(run: Run) -> None:
    assert checks.goes_up(run) == "1 database host is up"
    checks.has_no_changes(run)


def test_after_the_marks_are_gone_destroy_deletes_all_that_was_made(
    small: Engine, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {(line["type"], line["name"]) for line in small.journal() if line["operation"] == "create"}
    assert any(resource.get("retainOnDelete") for resource in small.state())
    assert clean_up.cancel(run) == "the record is free"  # nothing was locked
    clean_up.unprotect_state(run)
    state = small.state()
    assert not [resource for resource in state if resource.get("protect") or resource.get("retainOnDelete")]
    known = [resource.get(part, {}) for resource in state for part in ("inputs", "outputs")]
    for key, value in clean_up.DELETION.items():
        assert {properties[key] for properties in known if key in properties} == {value}
    clean_up.destroy(run, "")
    gone = {(line["type"], line["name"]) for line in small.journal() if line["operation"] == "delete"}
    assert gone == made
    monkeypatch.setattr(settings, "file", lambda: tmp_path / "Pulumi.smoke.yaml")
    clean_up.forget(run)
