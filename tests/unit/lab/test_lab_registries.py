"""A package archive or index that is down: tried again, then a clear error that says what to do."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab import environment, packages
from lab.errors import LabError


def test_a_machine_with_every_package_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []

    def run(argv: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        calls.append(argv)
        return subprocess.CompletedProcess(argv, 0, "".join(f"{name} installed\n" for name in packages.PACKAGES), "")

    monkeypatch.setattr(packages, "run", run)
    assert packages.ensure() == []
    assert [call[0] for call in calls] == ["dpkg-query"]


def test_an_archive_that_is_down_is_tried_again_and_then_named(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []

    def run(argv: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        calls.append(argv)
        status = 100 if "install" in argv else 1
        return subprocess.CompletedProcess(argv, status, "podman config-files\n", "Could not connect to the mirror")

    monkeypatch.setattr(packages, "run", run)
    monkeypatch.setattr(packages, "as_root", list)
    with pytest.raises(LabError, match=r"(?s)podman.*after 3 tries.*Could not connect.*`make up` goes on"):
        packages.ensure()
    assert all("Acquire::Retries=3" in call for call in calls if "apt-get" in call)


def test_an_index_that_is_down_is_named_after_uv_and_pip_failed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(argv: list[Any], **_: Any) -> subprocess.CompletedProcess[str]:
        if "uv==" in str(argv[-1]):
            raise LabError("no route to the index")
        return subprocess.CompletedProcess(argv, 0, "", "")

    monkeypatch.setattr(environment, "run", run)
    monkeypatch.setattr(environment, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(environment, "VENV", tmp_path / "venv")
    monkeypatch.setattr(environment, "STAMP", tmp_path / "venv" / ".requirements")
    monkeypatch.setattr("lab.environment.subprocess.run", lambda *_, **__: subprocess.CompletedProcess([], 1))
    with pytest.raises(LabError, match=r"pip can't install .*requirements.txt after 3 tries.*`make up` goes on"):
        environment.ensure()
    assert "uv did not do it" in capsys.readouterr().out
    assert not (tmp_path / "venv" / ".requirements").exists()
