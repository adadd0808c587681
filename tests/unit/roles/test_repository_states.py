"""What `verify` of wal_archive concludes from what repositories hold, and which repositories the contract's become."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
RUNNING = 7713430527827088178
CONCLUSIONS = ("stanza_missing", "foreign", "upgraded", "full_missing")


def database(repository: int, number: int, system_id: int, version: str) -> dict[str, Any]:
    return {"id": number, "repo-key": repository, "system-id": system_id, "version": version}


def full(repository: int, number: int = 1, kind: str = "full") -> dict[str, Any]:
    return {"type": kind, "label": "20261122-033000F", "database": {"id": number, "repo-key": repository}}


def info(codes: list[int], databases: list[dict[str, Any]], backups: list[dict[str, Any]]) -> str:
    states = [{"key": number, "status": {"code": code}} for number, code in enumerate(codes, start=1)]
    return json.dumps([{"name": "main", "repo": states, "db": databases, "backup": backups}])


OLD = database(1, 1, 11, "16")
OURS = database(1, 1, RUNNING, "17")
# What info says, and: is a stanza missing, which are another cluster's, was it upgraded, which have no full backup.
CASES: dict[str, tuple[str, list[Any]]] = {
    "nothing yet": (info([1], [], []), [True, [], False, [1]]),
    "made, without a backup": (info([2], [OURS], []), [False, [], False, [1]]),
    "in order": (info([0], [OURS], [full(1)]), [False, [], False, []]),
    "only a differential is left": (info([0], [OURS], [full(1, kind="diff")]), [False, [], False, [1]]),
    "a second one was added": (info([0, 1], [OURS], [full(1)]), [True, [], False, [2]]),
    "two in order": (info([0, 0], [OURS, database(2, 1, RUNNING, "17")], [full(1), full(2)]), [False, [], False, []]),
    "a major upgrade": (info([0], [OLD], [full(1)]), [False, [], True, [1]]),
    "upgraded, its first full failed": (
        info([0], [database(1, 2, RUNNING, "17"), OLD], [full(1)]),
        [False, [], False, [1]],
    ),
    "upgraded": (info([0], [OLD, database(1, 2, RUNNING, "17")], [full(1), full(1, 2)]), [False, [], False, []]),
    "another cluster": (info([0], [database(1, 1, 12, "17")], [full(1)]), [False, [1], True, [1]]),
    "a newer cluster": (info([0], [database(1, 1, 12, "18")], [full(1)]), [False, [1], True, [1]]),
    "another cluster in the second": (
        info([0, 0], [OURS, database(2, 1, 12, "17")], [full(1), full(2)]),
        [False, [2], True, [1, 2]],
    ),
    "a new one before a major upgrade": (
        info([1, 0], [database(2, 1, 11, "16")], [full(2)]),
        [True, [], True, [1, 2]],
    ),
}
# By case, what a new cluster is refused with, empty where it may begin.
FORGET = "pgbackrest --stanza=main stop; pgbackrest --stanza=main --repo={} --force stanza-delete; "
NEW: dict[str, tuple[str, list[str]]] = {
    "nothing yet": (CASES["nothing yet"][0], []),
    "no pgBackRest yet": ("", []),
    "made, without a backup": (
        CASES["made, without a backup"][0],
        ["without any backup: an empty", FORGET.format(1) + "pgb"],
    ),
    "the second alone": (
        info([1, 2], [database(2, 1, 12, "17")], []),
        ["(repository 2, ", "'" + FORGET.format(2) + "pgb"],
    ),
    "two in order": (
        info([0, 0], [OURS, database(2, 1, RUNNING, "17")], [full(1), full(2) | {"label": "20261129-033000F"}]),
        [
            "with backups, the newest 20261129-033000F: an empty cluster was not begun. Rebuild it from there: PLAY/re",
            f"on service1: sudo -u postgres sh -c '{FORGET.format(1)}{FORGET.format(2)}pgbackrest --stanza=main start'",
            "the dumps that were shipped stay (freelance-dumps/main)",
        ],
    ),
}
BUCKET = {"bucket": "one", "region": "eu-central-1", "kms_key_arn": "arn:1"}
SECOND = {"bucket": "two", "region": "eu-west-1", "kms_key_arn": "arn:2"}
ONE = {"type": "s3", "retention_days": 30, "second": None, **BUCKET}
TWO = ONE | {"second": SECOND}
# The contract's repository, which one the environment declares lost, and the list.
CONTRACTS: dict[str, tuple[dict[str, Any], Any, list[dict[str, Any]]]] = {
    "host": ({"type": "host", "host": "service1", "retention_days": 30}, 0, [{"type": "host", "host": "service1"}]),
    "bucket": (ONE, 0, [{"type": "s3", **BUCKET}]),
    "two": (TWO, 0, [{"type": "s3", **BUCKET}, {"type": "s3", **SECOND}]),
    "the first of two is lost": (TWO, 1, [{"type": "s3", **SECOND}]),
    "the second of two is lost, said by -e": (TWO, "2", [{"type": "s3", **BUCKET}]),
    "there is no third": (TWO, 3, [{"type": "s3", **BUCKET}, {"type": "s3", **SECOND}]),
    "the only one can't be lost": (ONE, 1, [{"type": "s3", **BUCKET}]),
}
(TOGETHER,) = (
    task
    for task in yaml.safe_load((ROOT / "roles/wal_archive/tasks/identify.yml").read_text(encoding="utf-8"))
    if task["name"] == "Identify | Refuse to take one along and to make another at once"
)
(CHECK,) = (
    task
    for play in yaml.safe_load((ROOT / "ansible/playbooks/check_site.yml").read_text(encoding="utf-8"))
    for task in play.get("tasks", [])
    if task["name"] == "Check | Refuse to lose the only repository"
)

(BEGIN,) = (
    task
    for task in yaml.safe_load((ROOT / "ansible/playbooks/tasks/refuse_new_cluster.yml").read_text(encoding="utf-8"))
    if task["name"] == "New cluster | Refuse to begin an empty one"
)


def told(folder: Path, vars_file: str, cases: dict[str, tuple[dict[str, Any], str]]) -> dict[str, Any]:
    """Evaluate an expression for each case in one run of Ansible: starting it takes longer than a case."""
    tasks = [
        {"copy": {"dest": str(folder / name), "content": f"{{{{ {shown} | to_json }}}}", "mode": "0600"}, "vars": given}
        for name, (given, shown) in cases.items()
    ]
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    (folder / "play.json").write_text(json.dumps([play | {"vars_files": [str(ROOT / vars_file)]}]), encoding="utf-8")
    played = subprocess.run(
        ["ansible-playbook", "-i", "localhost,", str(folder / "play.json")],
        cwd=ROOT,
        env=os.environ | {"ANSIBLE_INVENTORY_ENABLED": "host_list"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert played.returncode == 0, played.stdout[-3000:] + played.stderr[-3000:]
    return {name: json.loads((folder / name).read_text(encoding="utf-8")) for name in cases}


@pytest.fixture(scope="module")
def conclusions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    internal = {name: f"__wal_archive_{name}" for name in CONCLUSIONS}
    numbers = f"{internal['foreign']} | map(attribute='repo-key') | list"
    refusal = TOGETHER["ansible.builtin.assert"]
    shown = f"[{internal['stanza_missing']}, {numbers}, {internal['upgraded']}, {internal['full_missing']},"
    shown += f" ({refusal['that']}), refusal]"
    cases = {
        name: (
            {
                "__wal_archive_info": {"stdout": said},
                "__wal_archive_identity": {"stdout": f"{RUNNING} 17"},
                "wal_archive_stanza": "main",
                "refusal": refusal["fail_msg"],
            },
            shown,
        )
        for name, (said, _) in CASES.items()
    }
    check = BEGIN["ansible.builtin.assert"]
    # What Ansible itself calls by this name is not for a test to say.
    refusal = check["fail_msg"].replace("groups[", "platform_groups[")
    given = {"wal_archive_stanza": "main", "__platform_play": "PLAY", "refusal": refusal} | BEGIN["vars"]
    given["platform_groups"] = {"database": ["db1"], "repository": ["service1"]}
    cases |= {
        f"begin: {name}": (given | {"__new_cluster_info": {"stdout": said}}, f"[({check['that']}), refusal]")
        for name, (said, _) in NEW.items()
    }
    return told(tmp_path_factory.mktemp("states"), "roles/wal_archive/vars/main.yml", cases)


@pytest.fixture(scope="module")
def wired(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    check = CHECK["ansible.builtin.assert"]
    shown = f"[wal_archive_repositories, ({check['that']}), refusal]"
    cases = {
        name: (
            {
                "platform_repository": given,
                "platform_environment": "lab",
                "environment_lost_repository": lost,
                "refusal": check["fail_msg"],
            },
            shown,
        )
        for name, (given, lost, _) in CONTRACTS.items()
    }
    return told(tmp_path_factory.mktemp("wired"), "ansible/playbooks/group_vars/database.yml", cases)


@pytest.mark.parametrize("name", NEW)
def test_an_empty_cluster_is_begun_only_where_the_stanza_knows_no_other(conclusions: dict[str, Any], name: str) -> None:
    may, refusal = conclusions[f"begin: {name}"]
    assert may == (NEW[name][1] == [])
    assert [words for words in NEW[name][1] if words not in refusal] == []


@pytest.mark.parametrize("name", CASES)
def test_a_state_leads_to_what_it_needs(conclusions: dict[str, Any], name: str) -> None:
    assert conclusions[name][:4] == CASES[name][1]


@pytest.mark.parametrize("name", CASES)
def test_a_stanza_is_not_taken_along_while_another_is_missing(conclusions: dict[str, Any], name: str) -> None:
    missing, _, upgraded, _, accepted, _ = conclusions[name]
    assert accepted is not (missing and upgraded)


def test_what_to_leave_out_for_an_upgrade_is_told(conclusions: dict[str, Any]) -> None:
    refusal = conclusions["a new one before a major upgrade"][-1]
    assert refusal.startswith(
        "Stanza main: repository 2 holds PostgreSQL 16, 17 runs here, and repository 1 has no stanza"
    )
    assert "Leave the new one out of wal_archive_repositories" in refusal


@pytest.mark.parametrize("name", CONTRACTS)
def test_the_contracts_repository_and_its_second_become_the_list(wired: dict[str, Any], name: str) -> None:
    assert wired[name][0] == CONTRACTS[name][2]


@pytest.mark.parametrize("name", [name for name, (_, lost, _) in CONTRACTS.items() if lost])
def test_a_lost_repository_is_left_out_or_refused(wired: dict[str, Any], name: str) -> None:
    kept, accepted, refusal = wired[name]
    given, lost, _ = CONTRACTS[name]
    declared = 2 if given.get("second") else 1
    assert accepted == (len(kept) < declared)
    assert refusal.startswith(f"environment_lost_repository={lost}: the stack has {declared} of at most 2 repositories")
    assert "Take the setting out of inventories/lab/group_vars" in refusal
