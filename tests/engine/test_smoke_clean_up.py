"""What the first proof takes away again, on the real engine: all of it, protected and retained resources too."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from engine_workspace import Engine
from smoke import clean_up, settings
from smoke.commands import Done


def test_after_the_marks_are_gone_destroy_deletes_all_that_was_made(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.up()
    made = {(line["type"], line["name"]) for line in engine.journal() if line["operation"] == "create"}
    assert any(resource.get("retainOnDelete") for resource in engine.state())

    def run(argv: Sequence[str], *, shown: bool = False, given: str | None = None) -> Done:
        assert argv[0] == "pulumi"
        words = [engine.stack if word == settings.NAME else word for word in argv]
        done = subprocess.run(
            ["pulumi", "--non-interactive", *words[1:]],
            cwd=engine.project,
            env=engine.environment,
            input=given,
            capture_output=not shown,
            text=True,
            check=False,
        )
        return Done(status=done.returncode, stdout=done.stdout or "", stderr=done.stderr or "")

    assert clean_up.cancel(run) == "the record is free"  # nothing was locked
    clean_up.unprotect_state(run)
    assert not [resource for resource in engine.state() if resource.get("protect") or resource.get("retainOnDelete")]
    clean_up.destroy(run, "")
    gone = {(line["type"], line["name"]) for line in engine.journal() if line["operation"] == "delete"}
    assert gone == made
    monkeypatch.setattr(settings, "file", lambda: tmp_path / "Pulumi.smoke.yaml")
    clean_up.forget(run)
