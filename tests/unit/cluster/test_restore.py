"""What restore_cluster.yml and rebuild_cluster.yml decide by what they see on the members."""

import itertools
import json
import os
import subprocess
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


@pytest.mark.parametrize(
    ("waiting", "archived"), [([], False), ([""], False), (["", "00000001000000000000000F"], True)]
)
def test_a_refusal_before_the_outage_tells_whether_wal_was_archived(waiting: list[str], archived: bool) -> None:
    archives = [json.dumps({"waits": name, "torn": False, "problem": ""}) for name in waiting]
    hosts = {
        host: {"__restore_archive": {"stdout_lines": [said]}} for host, said in zip(MEMBERS, archives, strict=False)
    }
    known = judge({}, {}, groups={"database": list(hosts)}, hostvars=hosts)
    told = (
        "No data were changed; of the WAL that waited, what could be archived was."
        if archived
        else "Nothing was changed."
    )
    assert known.template(load("restore_cluster.yml")[0]["vars"]["__restore_untouched"]) == told
    for name in ("Plan | Refuse what can't be restored", "Plan | Refuse volumes without room"):
        assert "__restore_untouched" in task(name, "plan")["ansible.builtin.assert"]["fail_msg"]


@pytest.mark.parametrize(
    ("statuses", "code"), [([0, 0, 3], 0), ([4], 0), ([0, 1], 1), ([], 1)], ids=["ends", "no data", "odd", "no program"]
)
def test_only_a_server_that_says_so_has_ended(statuses: list[int], code: int, tmp_path: Path) -> None:
    stubs = {"runuser": 'shift 3\nexec "$@"', "sleep": ":"}
    if statuses:
        given = " ".join(map(str, statuses))
        stubs["pg_ctl"] = f"cd {tmp_path}\necho >> asked\nset -- {given}\nshift $(($(wc -l < asked) - 1))\nexit $1"
    for name, text in stubs.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{text}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    (found,) = load("tasks/wait_until_stopped.yml")
    known = judge(found, {}, wait_bin_dir=str(tmp_path), wait_data_dir="/d")
    command = ["bash", "-c", known.template(found["ansible.builtin.shell"]["cmd"])]
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=20)
    assert (done.returncode, "can't be told" in done.stderr) == (code, code == 1), done.stderr
    if statuses:
        assert len((tmp_path / "asked").read_text(encoding="utf-8")) == len(statuses)


GIB = 2**30
# Where an earlier try with restore_keep_old=false may have come to. The last two are of a time before that was noted.
LEFT = {**BEGUN, "archived": True, "kept": False}
STOPPED, OVERWRITING = {**LEFT, "overwriting": False}, {**LEFT, "overwriting": True}
OLD_STOPPED, OLD_OVERWRITING = {**LEFT, "archived": False}, LEFT


def earlier(state: dict[str, Any]) -> dict[str, Any]:
    return {"db1": {**WHOLE, "state": state, "began_here": True}, "db2": {**WHOLE, "state": state}}


def planned(seen: dict[str, dict[str, Any]], **given: Any) -> dict[str, Any]:
    """What the plan notes about the data from before."""
    found = task("Plan | Plan the restore", "plan")
    known = judge(found, seen, **given)
    notes = found["ansible.builtin.set_fact"]["__restore_state"]
    return {name: known.template(notes[name]) for name in ("kept", "overwriting")}


def message(found: dict[str, Any], known: Templar) -> str:
    return " ".join(known.template(found["ansible.builtin.assert"]["fail_msg"]).split())


@pytest.mark.parametrize(
    ("keep", "state", "rooms", "told"),
    [
        # (free for data, for WAL; both with what is there overwritten), of the fuller of two. 10 GiB are restored.
        (True, None, (12, 1, 20, 2), ""),
        (True, None, (11, 1, 20, 2), "11264 MiB and 512 MiB are needed. Enlarge the volumes, or have"),
        (True, None, (12, 0, 20, 2), "room for 12288 MiB of data and 0 MiB of WAL beside the old data"),
        # Overwriting is no way out where that does not fit either.
        (True, None, (2, 1, 11, 2), "Enlarge the volumes. Nothing was changed."),
        (True, None, (2, 0, 20, 0), "Enlarge the volumes. Nothing was changed."),
        (False, None, (2, 0, 12, 1), ""),
        (False, None, (2, 0, 10, 1), "10240 MiB of data and 1024 MiB of WAL in the place of the old; 11264 MiB"),
        (False, None, (2, 0, 12, 0), "11264 MiB and 512 MiB are needed. Enlarge the volumes. Nothing was changed."),
        # An earlier try that keeps the old data counts as it began, one that does not once it overwrites.
        (False, BEGUN, (2, 0, 11, 0), ""),
        (True, STOPPED, (2, 0, 11, 1), "beside the old data"),
        (True, OLD_STOPPED, (2, 0, 11, 1), "beside the old data"),
        (True, OVERWRITING, (2, 0, 11, 1), ""),
        (True, OLD_OVERWRITING, (2, 0, 11, 1), ""),
    ],
)
def test_what_does_not_fit_is_refused_before_any_data_go(
    keep: bool, state: dict[str, Any] | None, rooms: tuple[int, ...], told: str
) -> None:
    found = task("Plan | Refuse volumes without room", "plan")
    names = ("free_bytes", "wal_free_bytes", "room_bytes", "wal_room_bytes")
    seen: dict[str, dict[str, Any]] = earlier(state) if state else {"db1": {**WHOLE}, "db2": {**WHOLE}}
    for host, more_gib in (("db1", 1), ("db2", 0)):
        seen[host].update({name: (gib + more_gib) * GIB for name, gib in zip(names, rooms, strict=True)})
    noted = planned(seen, restore_keep_old=keep)
    known = judge(found, seen, __restore_state=noted, __restore_plan={"bytes": 10 * GIB}, restore_keep_old=keep)
    assert known.evaluate_conditional(found["ansible.builtin.assert"]["that"]) is (told == "")
    assert told in message(found, known)


@pytest.mark.parametrize(
    ("state", "overwriting"),
    [
        (None, False),
        (BEGUN, False),
        ({**BEGUN, "archived": True}, False),
        ({**BEGUN, "archived": True, "overwriting": False}, False),
        (STOPPED, False),
        (OLD_STOPPED, False),
        (OVERWRITING, True),
        (OLD_OVERWRITING, True),
    ],
)
def test_a_restore_is_taken_back_until_it_overwrites(state: dict[str, Any] | None, overwriting: bool) -> None:
    """What is refused is what the next try to a target notes again."""
    seen = earlier(state) if state else {"db1": WHOLE}
    assert planned(seen)["overwriting"] is overwriting
    found = task("Plan undo | Refuse where the data from before were overwritten", "plan_undo")
    known = judge(found, seen, restore_target="undo")
    assert known.evaluate_conditional(found["ansible.builtin.assert"]["that"]) is not overwriting
    found = task("Plan undo | Plan to put the data from before back", "plan_undo")
    undone = judge(found, seen, restore_target="undo").template(found["ansible.builtin.set_fact"]["__restore_state"])
    assert (undone["request"]["kind"], undone["overwriting"]) == ("undo", False)


def test_that_it_overwrites_is_noted_just_before_it_does() -> None:
    settle, note, copied = load("tasks/restore_cluster/copy.yml")
    assert "pgbackrest" in copied["ansible.builtin.command"]["argv"]
    assert note["ansible.builtin.copy"]["content"] == "{{ __restore_state | to_json }}"
    for state, goes in ((STOPPED, True), ({**STOPPED, "kept": True}, False)):
        known = judge(settle, {}, __restore_state=state)
        assert [known.evaluate_conditional(found["when"]) for found in (settle, note)] == [goes, goes]
        settled = known.template(settle["ansible.builtin.set_fact"]["__restore_state"])
        assert settled == {**state, "overwriting": True}


@pytest.mark.parametrize(
    ("kind", "kept", "overwriting", "told"),
    [
        ("latest", True, False, False),
        ("latest", False, False, True),
        ("latest", False, True, True),
        # Puts back what has not been overwritten.
        ("undo", False, False, False),
    ],
)
def test_who_types_the_name_knows_that_there_is_no_way_back(
    kind: str, kept: bool, overwriting: bool, told: bool
) -> None:
    (asks,) = (found for found in load("restore_cluster.yml")[0]["tasks"] if "restore_warning" in found.get("vars", {}))
    state = {"kept": kept, "overwriting": overwriting}
    known = judge({}, {}, restore_target=kind, __restore_state=state, patroni_scope="lab-main")
    assert ("there is no way back" in known.template(asks["vars"]["restore_warning"])) is told


@pytest.mark.parametrize(("kept", "overwriting"), [(True, False), (False, False), (False, True)])
def test_undo_is_a_remedy_only_where_it_works(kept: bool, overwriting: bool) -> None:
    state = {"kept": kept, "overwriting": overwriting, "request": {"kind": "latest"}}
    given = {
        "groups": {"database": ["db1"]},
        "hostvars": {
            "db1": {
                "__restore_look": {"stdout_lines": [json.dumps({"host": "db1", **WHOLE})]},
                "__restore_state": state,
            }
        },
        "item": {"stdout": json.dumps([{"backup": [{"label": "full"}]}]), "item": 1},
        "wal_archive_stanza": "main",
        "__restore_end": {"problem": ""},
        "__restore_pages": {"stderr_lines": []},
        "__restore_plan": {"sets": ["full"]},
        "__restore_reached": {"stdout": ""},
        "__restore_state": state,
    }
    for name, where, works in (
        ("Archive | Refuse to lose it", "archive_end", not overwriting),
        ("Replay | Refuse a target that was not met", "replay", not overwriting),
        ("Whole | Refuse broken pages", "whole", not overwriting),
        # The copy is over.
        ("Back up | Refuse one of broken pages", "back_up", kept),
    ):
        found = task(name, where)
        told = message(found, judge(found, {"db1": WHOLE}, **given))
        assert ("restore_target=undo" in told) is works, told
