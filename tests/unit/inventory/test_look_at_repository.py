"""How far the archive of a repository reaches without a gap, over the timelines that lead to today's."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.loading import load

PATH = Path(__file__).resolve().parents[3] / "ansible/plugins/support/cluster_restore/look_at_repository.py"
# Timeline 2 branched off in segment 4.
HISTORY = "1\t0/4800000\tno recovery target specified\n"


@pytest.fixture(scope="module")
def module() -> ModuleType:
    return load(PATH)


def named(timeline: int, *places: int) -> dict[str, float]:
    return {f"{timeline:08X}{place // 256:08X}{place % 256:08X}": 1.0 for place in places}


@pytest.mark.parametrize(
    ("arrived", "timeline", "expected"),
    [
        (named(1, 2, 3, 4, 5), 1, named(1, 5)),
        (named(1, 2, 3, 5), 1, named(1, 3)),
        # The segment of the fork counts as the new timeline's, and what the old one wrote after it counts for nothing.
        ({**named(1, 2, 3, 4, 5), **named(2, 4, 5, 6)}, 2, named(2, 6)),
        ({**named(1, 2, 3, 4, 5), **named(2, 5, 6)}, 2, named(1, 3)),
        (named(1, *range(2, 258)), 1, named(1, 257)),
        (named(1, 3), 1, {"": 1.0}),
    ],
)
def test_the_archive_reaches_up_to_its_first_gap(
    module: ModuleType, arrived: dict[str, float], timeline: int, expected: dict[str, float]
) -> None:
    way = module.ends(timeline, HISTORY if timeline > 1 else "")
    assert module.reach("000000010000000000000002", arrived, way) == next(iter(expected))


@pytest.mark.parametrize("past", [False, True])
def test_an_archive_as_it_was_is_listed_folder_by_folder(module: ModuleType, past: bool) -> None:
    name = f"000000010000000000000002-{'ab' * 20}.zst"
    inner, file, folder = "0000000100000000", {"type": "file", "time": 7}, {"type": "path"}
    listed = {
        ("--recurse", "repo-ls", "archive"): {
            ".": folder,
            "0000000100000000": folder,
            f"0000000100000000/{name}": file,
        },
        ("repo-ls", "archive"): {".": folder, inner: folder, "00000002.history": file},
        ("repo-ls", f"archive/{inner}"): {".": folder, name: file},
    }

    def ask(form: str, *words: str) -> str:
        assert form == "--output=json"
        return json.dumps(listed[words])

    assert module.segments(module.files(ask, "archive", past=past)) == {"000000010000000000000002": 7}


@pytest.mark.parametrize("has_history", [False, True])
def test_a_repository_that_was_added_on_a_timeline_needs_no_history_of_it(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, has_history: bool
) -> None:
    start, stop = "000000020000000000000004", "000000020000000000000005"
    backup = {"label": "20261129-120000F", "archive": {"start": start, "stop": stop}}
    stanza = {"archive": [{"id": "17-1", "max": stop}], "backup": [backup]}
    listed: dict[str, Any] = {f"0000000200000000/{name}-{'ab' * 20}.zst": {"time": 7} for name in (start, stop)}
    listed |= {"00000002.history": {"time": 6}} if has_history else {}

    def pgbackrest(_: str, *words: str) -> str:
        if "repo-get" in words:
            assert has_history, "pgBackRest ends with an error for what is not there"
            return HISTORY
        return json.dumps(listed if "repo-ls" in words else [stanza])

    monkeypatch.setattr(module, "pgbackrest", pgbackrest)
    seen = module.main("main", 2, 0, stop, "-")
    assert (seen["error"], seen["history"]) == ("", HISTORY if has_history else "")
    assert seen["reach"] == {"20261129-120000F": {"segment": stop, "time": 7, "newest": True}}
