"""`lab/engine/build` takes an official engine where there is one, and says where its own lies."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from pulumi_recorder import ROOT

BUILD = ROOT / "lab/engine/build"
FILES = (
    "pulumi",
    "pulumi-language-python",
    "language_host.py",
    "pulumi-language-python-exec",
    "pulumi-resource-pulumi-python",
    "VERSION",
)


def run(cache: Path, *arguments: str, path: list[Path]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "PATH": ":".join([*map(str, path), *system()])}
    return subprocess.run([BUILD, *arguments], env=environment, capture_output=True, text=True, check=True, timeout=20)


def system() -> list[str]:
    """PATH without any engine."""
    return [part for part in os.environ["PATH"].split(":") if part and not Path(part, "pulumi").exists()]


def programs(directory: Path, *names: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        program = directory / name
        program.write_text("#!/bin/sh\nexit 1\n")
        program.chmod(0o755)
    return directory


@pytest.mark.parametrize("apart", [False, True], ids=["language host beside it", "language host elsewhere on PATH"])
def test_an_official_engine_is_taken_and_nothing_is_built(tmp_path: Path, apart: bool) -> None:
    path = (
        [programs(tmp_path / "a", "pulumi"), programs(tmp_path / "b", "pulumi-language-python")]
        if apart
        else [programs(tmp_path / "a", "pulumi", "pulumi-language-python")]
    )
    done = run(tmp_path / "cache", path=path)
    assert done.stdout == ""
    assert done.stderr == f"engine: using {tmp_path}/a/pulumi with its own language host\n"
    assert not (tmp_path / "cache").exists()


def test_an_engine_without_a_language_host_is_not_taken(tmp_path: Path) -> None:
    done = run(tmp_path / "cache", "--path", path=[programs(tmp_path / "a", "pulumi")])
    assert (done.stdout, done.stderr) == ("", "")  # not built yet, and --path builds nothing


def own_directory(cache: Path) -> Path:
    """Find out where the build would go, from the script's own recipe of the key."""
    script = BUILD.read_text(encoding="utf-8").replace(
        'if ! complete "$directory"; then', 'echo "$directory"; exit\nif :; then'
    )
    shown = subprocess.run(
        ["bash", "-c", script, str(BUILD)],
        env={**os.environ, "XDG_CACHE_HOME": str(cache), "PATH": ":".join(system())},
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(shown.stdout.strip())


def test_our_own_engine_is_found_again_and_never_taken_for_an_official_one(tmp_path: Path) -> None:
    own = programs(own_directory(tmp_path / "cache"), *FILES)
    assert re.fullmatch(r"[0-9a-f]{16}", own.name)
    for path in ([], [own]):  # before and after `source activate.sh`
        assert run(tmp_path / "cache", "--path", path=path).stdout == f"{own}\n"


def test_half_an_engine_is_not_found(tmp_path: Path) -> None:
    programs(own_directory(tmp_path / "cache"), *FILES[:-1])
    assert run(tmp_path / "cache", "--path", path=[]).stdout == ""


@pytest.mark.parametrize("away", [1, 3], ids=["for a moment", "for good"])
def test_a_module_proxy_that_is_away_is_asked_again_and_then_named(tmp_path: Path, away: int) -> None:
    go = programs(tmp_path / "go", "go") / "go"
    count = f"echo >>{tmp_path}/asked; [ $(wc -l <{tmp_path}/asked) -gt {away} ] || {{ echo refused >&2; exit 1; }}"
    go.write_text(f"#!/bin/sh\ncase $1 in env) echo go99.0 ;; list) {count} ;; *) exit 1 ;; esac\n")
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "PATH": ":".join([str(go.parent), *system()])}
    done = subprocess.run([BUILD], env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert (tmp_path / "asked").read_text().count("\n") == min(away + 1, 3)
    named = (
        "can't fetch Go modules: see above. Is Go's module proxy (`go env GOPROXY` shows which) reachable? `make up`"
    )
    assert (named in done.stderr) is (away == 3)
    assert ("compile Pulumi" in done.stderr) is (away == 1)
