"""The plan of a restore: which set serves which target, and what is refused before anything changes."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.loading import load

PATH = Path(__file__).resolve().parents[3] / "ansible/plugins/filter/recovery_plan.py"
# 2026-11-29 03:30:04+00 and an hour later.
FIRST, SECOND = 1795923004, 1795926604
NOW = SECOND + 600
LAST = "00000001000000000000000E"
REACH = {label: {"segment": LAST, "time": NOW, "newest": True} for label in ("old", "new")}
SHORT = {"segment": "000000010000000000000008", "time": FIRST + 60, "newest": False}
HISTORY = "1\t0/7000000\tno recovery target specified\n\n"


@pytest.fixture(scope="module")
def module() -> ModuleType:
    return load(PATH)


def backup(label: str, stop: int, lsn: str, timeline: int = 1) -> dict[str, Any]:
    return {
        "archive": {"stop": f"{timeline:08X}0000000000000006"},
        "database": {"id": 1, "repo-key": 1},
        "error": False,
        "info": {"size": 23483924},
        "label": label,
        "lsn": {"stop": lsn},
        "timestamp": {"stop": stop},
    }


def info(*backups: dict[str, Any]) -> str:
    stanza = {
        "archive": [{"database": {"id": 1, "repo-key": 1}, "max": "00000001000000000000000E"}],
        "backup": list(backups) or [backup("old", FIRST, "0/6000050"), backup("new", SECOND, "0/A000050")],
        "db": [{"id": 1, "system-id": 77, "repo-key": 1}],
        "repo": [{"key": 1, "status": {"code": 0, "message": "ok"}}],
    }
    return json.dumps([stanza])


def broken(message: str) -> str:
    return json.dumps([{"repo": [{"key": 1, "status": {"code": 99, "message": message}}]}])


def plan(module: ModuleType, kind: str, value: str = "", **given: Any) -> dict[str, Any]:
    look = {"error": "", "info": info(), "reach": REACH, "arrived": True, "timeline": 1, "history": "", "now": NOW}
    request = {"kind": kind, "value": value, "repository": 1, "repository_time": "", "set": "", "cluster": "77"}
    request |= {"without_newest": False}
    found: dict[str, Any] = module.recovery_plan(
        {name: given.get(name, known) for name, known in look.items()},
        {name: given.get(name, known) for name, known in request.items()},
    )
    return found


@pytest.mark.parametrize(
    ("kind", "value", "label"),
    [
        ("latest", "", "new"),
        ("time", "2026-11-29 03:40:00+00:00", "old"),
        ("time", "2026-11-29 12:35:00+08:00", "new"),
        ("lsn", "0/7000000", "old"),
        ("lsn", "0/B000000", "new"),
        ("xid", "1234", "new"),
        ("name", "before_release", "new"),
    ],
)
def test_the_newest_set_before_the_target_serves_it(module: ModuleType, kind: str, value: str, label: str) -> None:
    found = plan(module, kind, value)
    assert (found["problem"], found["set"]) == ("", label)
    assert f"--set={label}" in found["arguments"]


def test_a_time_goes_to_the_tool_in_utc(module: ModuleType) -> None:
    arguments = plan(module, "time", "2026-11-29 11:40:00+08:00", timeline=3, history=HISTORY)["arguments"]
    assert "--target=2026-11-29 03:40:00.000000+00" in arguments
    assert {"--type=time", "--target-action=promote", "--target-timeline=3"} <= set(arguments)


@pytest.mark.parametrize(
    ("kind", "value", "given", "reason"),
    [
        ("time", "2030-01-01 00:00:00+00:00", {}, "future"),
        ("time", "2026-11-29 03:00:00+00:00", {}, "before the window"),
        ("time", "2026-11-29 04:39:00+00:00", {"reach": {"old": {**REACH["old"], "time": SECOND}}}, "newest WAL"),
        ("time", "2026-11-29 03:40:00+00:00", {"reach": {**REACH, "old": SHORT}}, "lacks WAL after segment 0"),
        ("lsn", "0/9800000", {"reach": {**REACH, "old": SHORT}}, "lacks WAL after segment 0"),
        ("latest", "", {"reach": {"old": SHORT}}, "restore_without_newest"),
        ("latest", "", {"reach": {}}, "no usable set"),
        ("time", "yesterday", {}, "zone"),
        ("time", "2026-11-29 03:40:00", {}, "zone"),
        ("lsn", "F/0", {}, "outside"),
        ("lsn", "0/1", {}, "outside"),
        ("lsn", "x", {}, "no position"),
        ("xid", "12a", {}, "digits"),
        ("name", "a b", {}, "blanks"),
        ("latest", "x", {}, "no value"),
        ("noon", "", {}, "one of"),
        ("latest", "", {"set": "none"}, "old, new"),
        ("latest", "", {"cluster": "78"}, "cluster 77"),
        ("latest", "", {"repository": 2}, "repository 2 offers nothing"),
        ("time", "2026-11-29 03:40:00+00:00", {"set": "new"}, "finished after the target"),
        ("latest", "", {"arrived": False}, "restore_without_newest"),
        ("latest", "", {"error": "TLS error: certificate has expired"}, "renew_certificates.yml"),
        ("latest", "", {"error": "[CryptoError] unable to flush"}, "repository_cipher_passphrase"),
        ("latest", "", {"info": broken("[FormatError] line 1: \x0c\ufffd")}, "repository_cipher_passphrase"),
        ("latest", "", {"info": broken("[CryptoError] [10] certificate has expired")}, "renew_certificates.yml"),
        ("latest", "", {"info": broken("[AccessError] access denied")}, "does not hold this stanza"),
        ("latest", "", {"info": "[]"}, "no answer"),
        ("latest", "", {"error": "'x' is not valid for 'repo-target-time' option"}, "a bucket that keeps versions"),
        ("latest", "", {"error": "key '2' is not valid for 'repo' option"}, "no repository of this number"),
    ],
)
def test_what_cannot_be_restored_is_refused(
    module: ModuleType, kind: str, value: str, given: dict[str, Any], reason: str
) -> None:
    found = plan(module, kind, value, **given)
    assert reason in found["problem"]
    assert (found["set"], found["arguments"]) == ("", [])


def test_a_bucket_may_be_read_as_it_was(module: ModuleType) -> None:
    assert "--repo-target-time" not in " ".join(plan(module, "latest")["arguments"])
    found = plan(module, "latest", repository_time="2026-11-29 04:30:00+00")
    assert found["arguments"][-1] == "--repo-target-time=2026-11-29 04:30:00+00"


def test_a_set_of_a_branch_that_was_left_is_not_offered(module: ModuleType) -> None:
    found = plan(module, "latest", timeline=2, history=HISTORY)
    assert (found["sets"], found["set"]) == (["old"], "old")


def test_a_timeline_whose_history_a_repository_never_got_is_that_of_its_sets(module: ModuleType) -> None:
    sets = info(backup("new", SECOND, "0/A000050", timeline=2))
    found = plan(module, "latest", info=sets, timeline=2, reach={"new": REACH["new"]})
    assert (found["problem"], found["set"]) == ("", "new")
    assert "--target-timeline=current" in found["arguments"]


def test_what_is_refused_inside_a_window_tells_the_window(module: ModuleType) -> None:
    problem = plan(module, "time", "2030-01-01 00:00:00+00:00")["problem"]
    assert "The window is 2026-11-29 03:30:04+00 to 2026-11-29 04:40:04+00 (WAL 0/6000050 to 0/F000000)" in problem


def test_a_gap_at_the_end_may_be_accepted_and_counts_for_no_time(module: ModuleType) -> None:
    assert plan(module, "latest", arrived=False, without_newest=True)["problem"] == ""
    assert plan(module, "time", "2026-11-29 03:40:00+00:00", arrived=False)["problem"] == ""


def test_a_cluster_that_is_gone_is_compared_with_nothing(module: ModuleType) -> None:
    found = plan(module, "latest", cluster="")
    assert (found["problem"], found["system"]) == ("", "77")


def test_what_can_be_restored_ends_at_a_gap_and_begins_anew_after_it(module: ModuleType) -> None:
    sets = [backup(label, SECOND, "0/A000050") for label in ("broken", "new", "newest")]
    sets[0]["error"] = True
    look = {"error": "", "info": info(backup("old", FIRST, "0/6000050"), *sets), "timeline": 1, "history": ""}
    look["reach"] = {**REACH, "old": SHORT, "newest": REACH["new"], "broken": REACH["new"]}
    found = module.recovery_spans(look)
    assert found["spans"] == [
        {"first": FIRST, "last": SHORT["time"], "newest": False, "segment": SHORT["segment"]},
        {"first": SECOND, "last": NOW, "newest": True, "segment": LAST},
    ]
    assert (found["repository"], found["error"]) == (1, "")


@pytest.mark.parametrize("stanzas", ["[]", info()])
def test_a_repository_without_an_answer_has_nothing_to_restore(module: ModuleType, stanzas: str) -> None:
    look = {"error": "refused", "info": stanzas, "reach": {}, "timeline": 0, "history": ""}
    assert (module.recovery_spans(look)["spans"], module.recovery_spans(look)["error"]) == ([], "refused")
