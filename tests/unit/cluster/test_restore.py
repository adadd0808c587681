"""What restore_cluster.yml and rebuild_cluster.yml decide by what they see on the members."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import filter_loader
from ansible.template import Templar

PLAYBOOKS = Path(__file__).resolve().parents[3] / "ansible/playbooks"
MEMBERS = ("db1", "db2", "db3")
BEGUN = {"host": "db1", "stamp": "20261129T120000", "timeline": 1, "request": {}, "replayed": False, "kept": True}
EMPTY = {"state": None, "began_here": False, "identifier": "", "holds_data": False, "running": False, "leads": False}
WHOLE = {**EMPTY, "identifier": "77", "holds_data": True}
# One full set, and an archive that reaches the newest segment.
SET = {
    "archive": {"stop": "000000010000000000000006"},
    "database": {"id": 1, "repo-key": 1},
    "info": {"size": 1},
    "label": "full",
    "lsn": {"stop": "0/6000050"},
    "timestamp": {"stop": 10},
}
STANZA = {"backup": [SET], "db": [{"id": 1, "system-id": 77}], "repo": [{"key": 1, "status": {"code": 0}}]}
REPOSITORY = {
    "error": "",
    "info": json.dumps([STANZA]),
    "arrived": True,
    "timeline": 1,
    "history": "",
    "reach": {"full": {"segment": "00000001000000000000000E", "time": 20, "newest": True}},
    "now": 30,
}

filter_loader.add_directory(str(PLAYBOOKS.parent / "plugins/filter"))


def load(name: str) -> list[dict[str, Any]]:
    """Plays or tasks whose texts Ansible takes as templates."""
    found: list[dict[str, Any]] = DataLoader().load_from_file(str(PLAYBOOKS / name), trusted_as_template=True)
    return found


def task(name: str, where: str) -> dict[str, Any]:
    return next(found for found in load(f"tasks/restore_cluster/{where}.yml") if found["name"] == name)


def judge(found: dict[str, Any], seen: dict[str, dict[str, Any]], **given: Any) -> Templar:
    """What the first play knows at a task, by what was seen on each member."""
    looks = {host: {"stdout_lines": [json.dumps({"host": host, **look})]} for host, look in seen.items()}
    variables = {
        **load("restore_cluster.yml")[0]["vars"],
        **found.get("vars", {}),
        "groups": {"database": list(seen)},
        "hostvars": {host: {"__restore_look": look} for host, look in looks.items()},
        **given,
    }
    return Templar(loader=DataLoader(), variables=variables)


@pytest.mark.parametrize(
    ("seen", "passes"),
    [
        ([EMPTY, EMPTY, EMPTY], True),
        # After a power loss: all data are there, and nobody leads.
        ([WHOLE, WHOLE, WHOLE], False),
        ([EMPTY, EMPTY, WHOLE], False),
        # Patroni on a new host answers with what etcd keeps of the cluster.
        ([{**EMPTY, "identifier": "77"}, EMPTY, EMPTY], True),
        # Somebody leads: there is nothing to restore.
        ([{**WHOLE, "running": True, "leads": True}, EMPTY, EMPTY], True),
        # A rebuild that was killed goes on, whatever it has restored.
        ([{**WHOLE, "state": BEGUN, "began_here": True}, {**EMPTY, "state": BEGUN}, EMPTY], True),
        # The note of one that came to its end.
        ([{**WHOLE, "state": {**BEGUN, "finished": True}, "began_here": True}, WHOLE, WHOLE], False),
    ],
)
def test_a_rebuild_does_not_restore_over_data(seen: list[dict[str, Any]], passes: bool) -> None:
    found = task("Look | Refuse to rebuild where data are", "look")
    condition = found["ansible.builtin.assert"]["that"]
    members = dict(zip(MEMBERS, seen, strict=True))
    rebuild = judge(found, members, __restore_only_without_data=True, restore_target="latest")
    assert rebuild.evaluate_conditional(condition) is passes
    assert judge(found, members, restore_target="latest").evaluate_conditional(condition)


@pytest.mark.parametrize(
    ("switched", "waiting", "awaited"),
    [
        ([], ["", ""], "-"),
        (["4711", "00000002000000000000000A"], [], "00000002000000000000000A"),
        # Nobody leads: the newest of what a stopped leader, and one before it, had not archived.
        ([], ["00000001000000000000000F", "000000020000000000000004", ""], "000000020000000000000004"),
    ],
)
def test_the_newest_segment_of_all_members_is_awaited(switched: list[str], waiting: list[str], awaited: str) -> None:
    found = task("Ask | Ask the repository what it holds", "ask_repository")
    archives = [{"waits": name, "torn": False, "problem": ""} for name in waiting]
    hosts = {
        host: {"__restore_archive": {"stdout_lines": [json.dumps(archive)]} if archive else {"skipped": True}}
        for host, archive in itertools.zip_longest(MEMBERS, archives)
    }
    known = judge(
        found,
        dict.fromkeys(MEMBERS, WHOLE),
        hostvars=hosts,
        __restore_switched={"stdout_lines": switched} if switched else {"skipped": True},
        __restore_request={"repository": 1},
        __restore_timeline=0,
        wal_archive_stanza="main",
        playbook_dir=str(PLAYBOOKS),
    )
    assert known.template(found["ansible.builtin.script"]["cmd"]).split()[3:] == ["0", awaited, "-"]


def test_what_the_leader_could_not_archive_as_it_stopped_is_not_lost_without_a_word() -> None:
    found = task("Archive | Refuse to lose it", "archive_end")
    given = {"kind": "latest", "value": "", "repository": 1, "repository_time": "", "set": "", "without_newest": False}
    for change, request, torn, passes in (
        ({}, {}, False, True),
        ({"arrived": False}, {}, False, False),
        ({}, {}, True, False),
        ({"arrived": False}, {"without_newest": True}, True, True),
        # What was written after the target goes in any case.
        ({"arrived": False}, {"kind": "lsn", "value": "0/B000000"}, True, True),
    ):
        known = judge(
            found,
            dict.fromkeys(MEMBERS, WHOLE),
            __restore_repository_look={"stdout_lines": [json.dumps({**REPOSITORY, **change})]},
            __restore_torn=torn,
            __restore_request={**given, **request},
        )
        assert known.evaluate_conditional(found["ansible.builtin.assert"]["that"]) is passes, (change, request, torn)


def test_pages_are_read_before_the_data_count_as_whole() -> None:
    (copied,) = (found for found in load("restore_cluster.yml")[0]["tasks"] if "loop" in found)
    for kind, steps in (("time", ["copy", "replay", "whole"]), ("undo", ["put_back", "replay", "whole"])):
        assert judge({}, {}, __restore_request={"kind": kind}).template(copied["loop"]) == steps
    names = [found["name"] for found in load("tasks/restore_cluster/whole.yml")]
    assert names == ["Whole | Read every page", "Whole | Refuse broken pages", "Whole | Note that the data are whole"]
    assert not any("Note" in found["name"] for found in load("tasks/restore_cluster/replay.yml"))
    broken = {"rc": 1, "stderr": 'pg_checksums: error: checksum verification failed in file "base/5/1"'}
    without = {"rc": 1, "stderr": "pg_checksums: error: data checksums are not enabled in cluster"}
    found = task("Whole | Refuse broken pages", "whole")
    for said, passes in (({"rc": 0, "stderr": ""}, True), (broken, False), (without, True)):
        known = judge(found, {}, __restore_pages=said)
        assert known.evaluate_conditional(found["ansible.builtin.assert"]["that"]) is passes


@pytest.mark.parametrize(("errors", "passes"), [([False], True), ([True, False], True), ([False, True], False)])
def test_a_new_backup_of_broken_pages_is_no_reason_to_let_the_old_data_go(errors: list[bool], passes: bool) -> None:
    found = task("Back up | Refuse one of broken pages", "back_up")
    sets = [{"label": str(number), "error": error} for number, error in enumerate(errors)]
    said = {"stdout": json.dumps([{"name": "main", "backup": sets}]), "item": 1}
    known = judge(found, {}, item=said)
    assert known.evaluate_conditional(found["ansible.builtin.assert"]["that"]) is passes


@pytest.mark.parametrize(
    ("states", "passes"),
    [
        (["running", "streaming", "streaming"], True),
        # A replica that runs and does not stream holds nothing of what is written now.
        (["running", "streaming", "running"], False),
        (["running", "in archive recovery", "streaming"], False),
        (["stopped", "streaming", "streaming"], False),
        (["running", "streaming"], False),
    ],
)
def test_each_replica_has_to_stream_before_the_old_data_go(states: list[str], passes: bool) -> None:
    (found,) = load("tasks/wait_until_streaming.yml")
    roles = ["Leader", "Sync Standby", "Replica"]
    listed = [
        {"Member": name, "Role": role, "State": state}
        for name, role, state in zip(MEMBERS, roles, states, strict=False)
    ]
    known = judge(found, dict.fromkeys(MEMBERS, WHOLE), __streaming_listed={"rc": 0, "stdout": json.dumps(listed)})
    assert known.evaluate_conditional(found["until"]) is passes
    alone = {"rc": 0, "stdout": json.dumps(listed[:1])}
    known = judge(found, {"db1": WHOLE}, __streaming_listed=alone)
    assert known.evaluate_conditional(found["until"]) is (states[0] == "running")


@pytest.mark.parametrize(
    ("seen", "goes"),
    [
        (WHOLE, True),
        ({**WHOLE, "running": True, "leads": True}, False),
        # Refused as the leader stopped: its data are still in their place.
        ({**WHOLE, "state": {**BEGUN, "archived": False}, "began_here": True}, True),
        # Killed later: what is there is half of a restore, or its outcome.
        ({**WHOLE, "state": {**BEGUN, "archived": True}, "began_here": True}, False),
        ({**WHOLE, "state": {**BEGUN, "archived": True, "kept": False}, "began_here": True}, False),
    ],
)
def test_what_waits_is_archived_where_the_leaders_own_data_are(seen: dict[str, Any], goes: bool) -> None:
    found = task("Plan | Have members archive what a leader has left", "plan")
    known = judge(found, {"db1": seen}, ansible_check_mode=False, restore_target="latest")
    assert all(known.evaluate_conditional(condition) for condition in found["when"]) is goes


@pytest.mark.parametrize(
    ("leads", "replayed", "settled"), [(False, False, True), (True, False, False), (True, True, True)]
)
def test_a_leader_that_runs_has_more_to_archive_as_it_stops(leads: bool, replayed: bool, settled: bool) -> None:
    found = task("Plan | Plan the restore", "plan")
    seen = {"db1": {**WHOLE, "leads": leads}}
    known = judge(found, seen, __restore_replayed=replayed)
    assert known.template(found["ansible.builtin.set_fact"]["__restore_state"]["archived"]) is settled
