"""`make psql` asks every database host who leads, and goes to that one."""

import shutil
from pathlib import Path

import pytest

from lab import stack
from lab.commands import psql
from lab.errors import LabError

GOLDEN = Path(__file__).resolve().parents[2] / "golden/lab/contract.json"


class ReplacedError(Exception):
    """This process would be another program now."""


@pytest.fixture
def going(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of answers to who leads, one file for each host that gives one; going on by ssh raises ReplacedError."""

    def replace(_program: str, argv: list[str]) -> None:
        raise ReplacedError(" ".join(argv))

    (tmp_path / "ssh").write_text(
        '#!/bin/sh\nfor word; do case $word in ansible@*) exec cat "$ANSWERS/${word#ansible@}" ;; esac; done\n'
    )
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{Path(shutil.which('cat') or '').parent}")
    monkeypatch.setenv("ANSWERS", str(tmp_path))
    monkeypatch.setattr(stack, "CONTRACT", GOLDEN)
    monkeypatch.setattr("lab.commands.psql.os.execvp", replace)
    return tmp_path


def answer(folder: Path, **hosts: str) -> None:
    for name, text in hosts.items():
        (folder / f"10.99.0.1{name.removeprefix('db')}").write_text(f"{text}\n")


def test_a_terminal_on_the_leader_whoever_else_is_silent(going: Path) -> None:
    answer(going, db1="t", db2="f")
    with pytest.raises(
        ReplacedError, match=r"^ssh -t .* ansible@10\.99\.0\.12 .*sudo -u postgres psql -d freelance_platform$"
    ):
        psql.main([])


def test_further_words_are_psqls(going: Path) -> None:
    answer(going, db1="t", db2="t", db3="f")
    with pytest.raises(
        ReplacedError, match=r"^ssh -o .* ansible@10\.99\.0\.13 .*sudo -u postgres psql -XAtc 'select 1'$"
    ):
        psql.main(["-XAtc", "select 1"])


def test_without_a_leader_each_answer_is_shown(going: Path) -> None:
    answer(going, db1="t", db3="t")
    with pytest.raises(LabError, match=r"no database host leads \(db1: t, db2: cat: .*No such file.*, db3: t\)"):
        psql.main([])
