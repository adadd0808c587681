"""Folders, files and links are brought to what is declared; what can't be is told and nothing is lost."""

import grp
import os
import pwd
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.loading import load

from .role_files import ROOT

OWNER, GROUP = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name


@pytest.fixture(scope="module")
def layout() -> ModuleType:
    return load(ROOT / "ansible/plugins/modules/file_layout.py")


def run(argv: list[str]) -> tuple[int, str, str]:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def item(path: Path, **values: Any) -> dict[str, Any]:
    return {"path": str(path), "owner": OWNER, "group": GROUP, "mode": "0640", "type": "file", "content": "", **values}


def test_a_second_call_finds_nothing_to_do(layout: ModuleType, tmp_path: Path) -> None:
    items = [
        item(tmp_path / "made/here", type="directory", mode="0750"),
        item(tmp_path / "made/here/file", content="words\n"),
        {"path": str(tmp_path / "link"), "type": "link", "target": "/dev/null"},
    ]
    assert all(layout.apply(one, False, run) for one in items)
    assert (tmp_path / "made/here/file").read_text() == "words\n"
    assert (tmp_path / "made/here/file").stat().st_mode & 0o7777 == 0o640
    assert [layout.apply(one, False, run) for one in items] == [None, None, None]


def test_a_check_changes_nothing_and_tells_the_difference(layout: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    change = layout.apply(item(file, content="new"), True, run)
    assert (change["before"]["content"], change["after"]["content"]) == ("old", "new")
    assert file.read_text() == "old"


def test_a_file_that_is_refused_leaves_the_old_one(layout: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    with pytest.raises(layout.LayoutError, match=r"file: `grep .*` refused the new file, the old one stays"):
        layout.apply(item(file, content="new", validate="grep --quiet 'what is not there' %s"), False, run)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert file.read_text() == "old"
    layout.apply(item(file, content="new", validate="grep --quiet new %s"), False, run)
    assert file.read_text() == "new"


def test_other_line_ends_are_a_difference(layout: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "file"
    layout.apply(item(file, content="one\ntwo\n"), False, run)
    file.write_bytes(b"one\r\ntwo\r\n")
    assert layout.apply(item(file, content="one\ntwo\n"), False, run)
    assert file.read_bytes() == b"one\ntwo\n"


def test_a_folder_is_never_replaced(layout: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(layout.LayoutError, match="holds a directory, a file is declared; move it away"):
        layout.apply(item(tmp_path / "there"), False, run)


def test_an_unknown_owner_is_named(layout: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(layout.LayoutError, match="make the users first"):
        layout.apply(item(tmp_path / "file", owner="nobody-here"), False, run)
    assert layout.apply(item(tmp_path / "file", owner="nobody-here"), True, run)
