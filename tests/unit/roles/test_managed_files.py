"""The module `managed_files`: what one run could not act on, the next one does; a file has to please its program."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.loading import load

from .role_files import ROOT

managed = load(ROOT / "roles/host_baseline/library/managed_files.py")


class EndedError(Exception):
    """The module ended; `args[0]` is its answer."""


class Host:
    """Stands in for AnsibleModule."""

    check_mode = False

    def __init__(self, given: dict[str, Any], folder: Path) -> None:
        self.params = given
        self.tmpdir = str(folder)

    def run_command(self, command: str) -> tuple[int, str, str]:
        run = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
        return run.returncode, run.stdout, run.stderr

    def atomic_move(self, source: str, target: str, **_: Any) -> None:
        shutil.move(source, target)

    def exit_json(self, **answer: Any) -> None:
        raise EndedError(answer)

    def fail_json(self, **answer: Any) -> None:
        raise EndedError(answer | {"failed": True})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tmp").mkdir()
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, content: str, validate: str | None = None) -> dict[str, Any]:
    file = {"path": str(folder / "etc/a.conf"), "content": content, "mode": "0644", "validate": validate}
    host = Host({"files": [file], "pending": str(folder / "pending")}, folder / "tmp")
    monkeypatch.setattr(managed, "AnsibleModule", lambda **_: host)
    with pytest.raises(EndedError) as ended:
        managed.main()
    answer: dict[str, Any] = ended.value.args[0]
    return answer


def test_a_change_is_told_until_somebody_has_acted_on_it(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    path = str(folder / "etc/a.conf")
    assert run(monkeypatch, folder, "one\n")["changed_paths"] == [path]
    # Broken off before its handlers ran: the file is as declared, and still it counts.
    assert run(monkeypatch, folder, "one\n")["changed_paths"] == [path]
    shutil.rmtree(folder / "pending")
    assert run(monkeypatch, folder, "one\n")["changed_paths"] == []


def test_a_file_that_its_program_refuses_changes_nothing(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    run(monkeypatch, folder, "good\n", "grep good %s")
    shutil.rmtree(folder / "pending")
    answer = run(monkeypatch, folder, "bad\n", "grep -H good %s >&2 || { echo no good >&2; exit 1; }")
    assert answer["failed"]
    assert "no good" in answer["msg"]
    assert (folder / "etc/a.conf").read_text() == "good\n"
    assert not (folder / "pending").exists()
