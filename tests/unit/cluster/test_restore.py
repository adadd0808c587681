"""What restore_cluster.yml and rebuild_cluster.yml decide by what they see on the members."""

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

PLAYBOOKS = Path(__file__).resolve().parents[3] / "ansible/playbooks"
MEMBERS = ("db1", "db2", "db3")
BEGUN = {"host": "db1", "stamp": "20261129T120000", "timeline": 1, "request": {}, "replayed": False, "kept": True}
EMPTY = {"state": None, "began_here": False, "identifier": "", "holds_data": False, "running": False, "leads": False}
WHOLE = {**EMPTY, "identifier": "77", "holds_data": True}


def load(name: str) -> list[dict[str, Any]]:
    """Plays or tasks whose texts Ansible takes as templates."""
    found: list[dict[str, Any]] = DataLoader().load_from_file(str(PLAYBOOKS / name), trusted_as_template=True)
    return found


def task(name: str, where: str) -> dict[str, Any]:
    return next(found for found in load(f"tasks/restore_cluster/{where}.yml") if found["name"] == name)


def holds(conditions: str | list[str], found: dict[str, Any], seen: dict[str, dict[str, Any]], **given: Any) -> bool:
    """Judge conditions of a task as the first play does, by what was seen on each member."""
    looks = {host: {"stdout_lines": [json.dumps({"host": host, **look})]} for host, look in seen.items()}
    variables = {
        **load("restore_cluster.yml")[0]["vars"],
        **found.get("vars", {}),
        "groups": {"database": list(seen)},
        "hostvars": {host: {"__restore_look": look} for host, look in looks.items()},
        **given,
    }
    judge = Templar(loader=DataLoader(), variables=variables)
    return all(judge.evaluate_conditional(one) for one in ([conditions] if isinstance(conditions, str) else conditions))


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
    assert holds(condition, found, members, __restore_only_without_data=True, restore_target="latest") is passes
    assert holds(condition, found, members, restore_target="latest")
