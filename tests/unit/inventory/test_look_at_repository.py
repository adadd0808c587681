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


# The one set is whole within its timeline; timeline 2 goes on from it where it is of timeline 1.
MISSING = "unable to open 00000002.history"
ON_FIRST, ON_SECOND = [f"{1:08X}{0:08X}{place:08X}" for place in (2, 3)], [f"{2:08X}{0:08X}{4:08X}"]


@pytest.mark.parametrize("as_of", ["-", "2026-11-29 12:00:00+00"])
@pytest.mark.parametrize(
    ("names", "has_history"),
    # Added on timeline 2, a repository never got its history; with segments of timeline 1 it had one, and lost it.
    [([*ON_FIRST, *ON_SECOND], True), (ON_SECOND, False), ([*ON_FIRST, *ON_SECOND], False)],
)
def test_the_history_of_a_timeline_is_wanted_where_there_was_one_before(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, as_of: str, names: list[str], has_history: bool
) -> None:
    backup = {"label": "20261129-120000F", "archive": {"start": names[0], "stop": names[0]}}
    stanza = {"archive": [{"id": "17-1", "max": names[-1]}], "backup": [backup]}
    inner: dict[str, dict[str, Any]] = {}
    for name in names:
        inner.setdefault(name[:16], {})[f"{name}-{'ab' * 20}.zst"] = {"type": "file", "time": 7}
    top: dict[str, Any] = {".": {"type": "path"}, **{folder: {"type": "path"} for folder in inner}}
    top |= {"00000002.history": {"type": "file", "time": 6}} if has_history else {}
    nested = {f"{folder}/{name}": entry for folder, found in inner.items() for name, entry in found.items()}

    def pgbackrest(_: str, *words: str) -> str:
        assert (f"--repo-target-time={as_of}" in words) == (as_of != "-")
        if "repo-get" in words:
            if not has_history:
                raise module.RefusedError(MISSING)
            return HISTORY
        if "info" in words:
            return json.dumps([stanza])
        return json.dumps({**top, **nested} if "--recurse" in words else inner.get(words[-1][-16:], top))

    monkeypatch.setattr(module, "pgbackrest", pgbackrest)
    seen = module.main("main", 2, 0, names[-1], as_of)
    lost = not has_history and names != ON_SECOND
    assert (seen["error"], seen["history"]) == (MISSING if lost else "", HISTORY if has_history else "")
    assert [end["segment"] for end in seen["reach"].values()] == ([] if lost else [names[-1]])
