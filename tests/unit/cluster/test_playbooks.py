"""The site's playbooks: whatever a role refuses is refused first, for the same hosts, and a failure ends the run."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

PLAYBOOKS = Path(__file__).resolve().parents[3] / "ansible/playbooks"
DOCS = Path(__file__).resolve().parents[3] / "docs"
CHANGING = ["site.yml", "renew_certificates.yml", "rebuild_cluster.yml"]
# Their plays count as the site's own.
PARTS = ("prepare_site.yml", "site.yml")
IMPORT = "ansible.builtin.import_role"


def plays(name: str) -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = yaml.safe_load((PLAYBOOKS / name).read_text(encoding="utf-8"))
    found = []
    for play in read:
        part = play.get("ansible.builtin.import_playbook", "")
        found += plays(part) if part in PARTS else [play]
    return found


def groups(hosts: str) -> set[str]:
    return {re.sub(r"\[0\]$", "", group) for group in hosts.split(":")}


def whole_roles(name: str) -> list[tuple[str, set[str]]]:
    """Roles that a playbook plays from their beginning, with the groups."""
    found = []
    for play in plays(name):
        for task in play.get("tasks", []):
            role = task.get(IMPORT, {})
            if role and "tasks_from" not in role:
                found.append((role["name"], groups(play["hosts"])))
    return found


def checked() -> dict[str, set[str]]:
    """Roles whose own checks check_site.yml plays, with the groups."""
    found: dict[str, set[str]] = {}
    for play in plays("check_site.yml"):
        tasks = play.get("tasks", [])
        typed = {role for task in tasks for role in (task.get("vars") or {}).get("check_arguments_roles", [])}
        named = {task[IMPORT]["name"] for task in tasks if task.get(IMPORT, {}).get("tasks_from") == "preflight"}
        assert typed == named, play["name"]
        for role in named:
            found.setdefault(role, set()).update(groups(play["hosts"]))
    return found


@pytest.mark.parametrize("name", CHANGING)
def test_a_playbook_that_changes_hosts_begins_with_the_checks(name: str) -> None:
    assert plays(name)[0]["ansible.builtin.import_playbook"] == "check_site.yml"
    assert plays(name)[0]["tags"] == ["always"]


@pytest.mark.parametrize("name", CHANGING)
def test_each_role_is_checked_on_all_its_hosts_before_the_first_change(name: str) -> None:
    roles = whole_roles(name)
    assert roles
    unchecked = [role for role, hosts in roles if not hosts <= checked().get(role, set())]
    assert unchecked == []


def test_checks_run_with_any_tag_and_any_limit() -> None:
    for play in plays("check_site.yml"):
        assert {"always", "check_site"} <= set(play["tags"]), play["name"]
        # --limit leaves localhost out.
        assert play["hosts"] != "localhost", play["name"]


@pytest.mark.parametrize("name", CHANGING)
def test_a_failure_on_one_host_ends_the_run_on_all(name: str) -> None:
    assert [play["name"] for play in plays(name) if "hosts" in play and play.get("any_errors_fatal") is not True] == []


@pytest.mark.parametrize("name", CHANGING)
def test_types_are_looked_at_once(name: str) -> None:
    imports = [task[IMPORT] for play in plays(name) for task in play.get("tasks", []) if IMPORT in task]
    assert [
        role["name"] for role in imports if role.get("rolespec_validate") is not False and "tasks_from" not in role
    ] == []


def test_the_lead_is_handed_over_before_anybody_learns_that_a_host_leaves() -> None:
    names = [play["name"] for play in plays("site.yml")]
    assert names[1] == "Let a retiring host hand over its lead"
    assert names.index("Let retiring hosts leave the cluster") > names.index("Open the ways to PostgreSQL")


def test_nothing_runs_postgresql_before_an_older_cluster_was_looked_for() -> None:
    (play,) = (play for play in plays("site.yml") if play["name"] == "Run PostgreSQL")
    assert [task.get("ansible.builtin.import_tasks") for task in play["tasks"]] == [
        "tasks/refuse_new_cluster.yml",
        None,
    ]
    assert [play["name"] for play in plays("prepare_site.yml") if "patroni" in str(play.get("tasks"))] == [
        "Let a retiring host hand over its lead"
    ]


def test_a_rebuild_restores_between_the_preparation_and_the_site() -> None:
    names = [play.get("ansible.builtin.import_playbook", play["name"]) for play in plays("rebuild_cluster.yml")]
    restore = names.index("restore_cluster.yml")
    assert names[restore - 1] == "Install PostgreSQL and its archive"
    assert "Run PostgreSQL" in names[restore:]
    assert "Run PostgreSQL" not in names[:restore]


def test_the_archive_is_proven_as_soon_as_somebody_leads() -> None:
    names = [play["name"] for play in plays("site.yml")]
    assert names.index("Prove the archive and take the first backup") == names.index("Run PostgreSQL") + 1


def test_a_restore_ends_when_each_member_streams_and_a_new_full_backup_is_there() -> None:
    streaming = "wait_until_streaming.yml"
    join: list[dict[str, Any]] = yaml.safe_load((PLAYBOOKS / "tasks/restore_cluster/join.yml").read_text("utf-8"))
    assert join[-1]["ansible.builtin.import_tasks"] == f"../{streaming}"
    restore, backup = plays("restore_from_dump.yml")
    assert restore["tasks"][-1]["ansible.builtin.import_tasks"] == f"tasks/{streaming}"
    (proof,) = (play for play in plays("site.yml") if play["name"] == "Prove the archive and take the first backup")
    assert backup["hosts"] == proof["hosts"]
    (full,) = backup["tasks"]
    assert full["ansible.builtin.command"]["argv"][1:] == ["full", "--here"]
    assert {task["when"] for task in (restore["tasks"][-1], full)} == {"not ansible_check_mode"}


def test_a_member_that_is_made_anew_loses_nothing_before_its_wal_is_archived() -> None:
    (play,) = plays("remake_member.yml")
    names = [task["name"].removeprefix("Remake | ") for task in play["tasks"]]
    refusals = [name for name in names if name.startswith("Refuse")]
    assert names.index(refusals[2]) < names.index("Stop the member")
    assert names.index("Archive what waits") + 1 == names.index(refusals[3])
    # Once more, as what waited may have taken long.
    empty = names.index("Empty what a copy of the leader is to fill")
    assert names[empty - 2 : empty] == ["Ask again who leads", refusals[4]]
    again, first = play["tasks"][empty - 1], play["tasks"][names.index(refusals[2])]
    assert again["ansible.builtin.assert"]["that"] == first["ansible.builtin.assert"]["that"]
    assert play["tasks"][empty - 2]["register"] == play["tasks"][names.index("Ask who leads")]["register"]


@pytest.mark.parametrize("path", sorted(PLAYBOOKS.rglob("*.yml")), ids=lambda path: path.name)
def test_a_failure_that_counts_for_nothing_gives_its_reason(path: Path) -> None:
    assert re.findall(r"failed_when: false(?! *#).*", path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "path", [*sorted(PLAYBOOKS.rglob("*.yml")), *sorted(DOCS.glob("backups*.md"))], ids=lambda p: p.name
)
def test_a_remedy_names_its_environment(path: Path) -> None:
    # Without one it would be run for the lab, which ansible.cfg names.
    assert re.findall(r"ansible-playbook (?!-i ).*", path.read_text(encoding="utf-8")) == []
