"""The settings in a stack's file are judged without an engine, as the program judges them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pulumi_recorder import ROOT

DECLARED = (ROOT / "Pulumi.lab.yaml").read_text(encoding="utf-8")


def check(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a copy of the project whose lab has this file."""
    shutil.copy(ROOT / "Pulumi.yaml", folder)
    shutil.copytree(ROOT / "pulumi", folder / "pulumi", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "Pulumi.lab.yaml").write_text(text, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "pulumi/check_settings.py", "lab"], cwd=folder, capture_output=True, text=True, check=False
    )


def test_the_labs_own_settings_are_accepted(tmp_path: Path) -> None:
    done = check(tmp_path, DECLARED)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("  freelance-platform:database_hosts: 2", "database_hosts: 2; 1 or at least 3 are possible"),
        ("  freelance-platform:database_hosts: three", "database_hosts: 'three'; a whole number is needed"),
        ("  freelance-platform:databse_hosts: 3", "did you mean freelance-platform:database_hosts?"),
        ("  freelance-platform:ssh_proxy_command: {secure: v1:x}", "ssh_proxy_command: kept as a secret"),
        ("[", "Pulumi.lab.yaml"),
    ],
    ids=["impossible", "no number", "misspelt", "a secret", "no YAML"],
)
def test_a_setting_that_cannot_work_is_refused_by_name(tmp_path: Path, line: str, message: str) -> None:
    done = check(tmp_path, DECLARED.replace("config:\n", f"config:\n{line}\n"))
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("text", ["", "encryptionsalt: v1:x\n"], ids=["empty", "no settings"])
def test_a_stack_without_settings_is_told_what_is_missing(tmp_path: Path, text: str) -> None:
    done = check(tmp_path, text)
    assert done.returncode == 1
    assert "Settings of stack lab refused (Pulumi.lab.yaml)" in done.stderr
    assert "Traceback" not in done.stderr
