"""Modules of the role `etcd`: a restart that waits for the others, and a join that an earlier run began."""

import json
from typing import Any

import pytest

from .modules import role_module

restart = role_module("etcd", "etcd_restart")
join = role_module("etcd", "etcd_join")
leave = role_module("etcd", "etcd_leave")
OTHERS = ["https://10.0.0.12:2379", "https://10.0.0.13:2379"]


class EndedError(Exception):
    """The module ended; `args[0]` is its answer."""


class Host:
    """Stands in for AnsibleModule: answers of commands by their first words, and what was called."""

    def __init__(self, given: dict[str, Any], answers: dict[str, tuple[int, str, str]]) -> None:
        self.params = given | {"connection": {"ca_file": "/ca.crt", "root_password": "x"}}
        self.answers = answers
        self.check_mode = False
        self.called: list[str] = []

    def run_command(self, words: list[str], **_: Any) -> tuple[int, str, str]:
        line = " ".join(words)
        self.called.append(line)
        return next(answer for start, answer in self.answers.items() if line.startswith(start))

    def exit_json(self, **answer: Any) -> None:
        raise EndedError(answer)

    def fail_json(self, **answer: Any) -> None:
        raise EndedError(answer | {"failed": True})


def play(monkeypatch: pytest.MonkeyPatch, module: Any, host: Host) -> dict[str, Any]:
    monkeypatch.setattr(module, "AnsibleModule", lambda **_: host)
    with pytest.raises(EndedError) as ended:
        module.main()
    answer: dict[str, Any] = ended.value.args[0]
    return answer


AUTH = {"etcdctl auth status": (0, '{"enabled": true}', "")}
RESTART = {"systemctl restart": (0, "", "")}


def health(*ill: str) -> dict[str, tuple[int, str, str]]:
    listed = [{"endpoint": url, "health": url not in ill} for url in OTHERS]
    return {"etcdctl endpoint health": (1 if ill else 0, json.dumps(listed), "unhealthy cluster" if ill else "")}


def test_a_member_restarts_while_all_others_are_well(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host({"others": OTHERS, "wait_seconds": 0}, AUTH | health() | RESTART)
    assert play(monkeypatch, restart, host) == {"changed": True}
    assert host.called[-1] == "systemctl restart etcd.service"


@pytest.mark.parametrize(
    "answers",
    [AUTH | health(OTHERS[1]), {"etcdctl auth status": (1, "", "Error: context deadline exceeded")}],
    ids=["one-is-down", "none-answers"],
)
def test_a_member_stays_up_while_another_is_down(monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any]) -> None:
    host = Host({"others": OTHERS, "wait_seconds": 0}, answers | RESTART)
    answer = play(monkeypatch, restart, host)
    assert answer["failed"]
    assert OTHERS[1] in answer["msg"]
    assert not [line for line in host.called if line.startswith("systemctl")]


def test_a_member_alone_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host({"others": [], "wait_seconds": 0}, RESTART)
    assert play(monkeypatch, restart, host) == {"changed": True}


def test_a_restart_that_fails_says_that_the_others_were_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host({"others": [], "wait_seconds": 0}, {"systemctl restart": (1, "", "Job for etcd.service failed.")})
    assert "other members were left alone" in play(monkeypatch, restart, host)["msg"]


JOINING = {"look": False, "name": "db2", "peer_url": "https://10.0.0.12:2380", "endpoints": ["https://10.0.0.11:2379"]}
FIRST = {"ID": 4711, "name": "db1", "peerURLs": ["https://10.0.0.11:2380"]}
ANNOUNCED = {"ID": 4712, "peerURLs": ["https://10.0.0.12:2380"]}
SILENCE = {"etcdctl auth status": (1, "", "Error: etcdserver: request timed out")}


def remembered(monkeypatch: pytest.MonkeyPatch, *members: dict[str, Any]) -> None:
    listed = join.Etcdctl.__init__.__globals__["described"]({"members": list(members)})
    monkeypatch.setattr(join.Etcdctl, "members_without_quorum", lambda _: listed)


def test_a_join_that_was_broken_off_goes_on_although_nobody_has_a_quorum(monkeypatch: pytest.MonkeyPatch) -> None:
    remembered(monkeypatch, FIRST, ANNOUNCED)
    answer = play(monkeypatch, join, Host(JOINING, SILENCE))
    assert answer["initial_cluster"] == "db1=https://10.0.0.11:2380,db2=https://10.0.0.12:2380"


@pytest.mark.parametrize(
    "members", [[], [FIRST], [FIRST, ANNOUNCED | {"name": "db2"}]], ids=["none-answers", "stranger", "started-before"]
)
def test_a_member_that_nobody_announced_does_not_join_without_a_quorum(
    monkeypatch: pytest.MonkeyPatch, members: list[dict[str, Any]]
) -> None:
    remembered(monkeypatch, *members)
    assert "request timed out" in play(monkeypatch, join, Host(JOINING, SILENCE))["msg"]


def test_a_member_that_was_announced_is_found_without_a_quorum(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {}
    for name, members in {"announced": [FIRST, ANNOUNCED], "started": [FIRST, ANNOUNCED | {"name": "db2"}]}.items():
        remembered(monkeypatch, *members)
        found[name] = play(monkeypatch, join, Host(JOINING | {"look": True}, {}))
    assert found["announced"] == {"changed": False, "announced": True}
    assert found["started"] == {"changed": False, "announced": False}


def test_ids_of_both_ways_to_ask_are_the_same() -> None:
    described = join.Etcdctl.__init__.__globals__["described"]
    assert described({"members": [FIRST]}) == described({"members": [FIRST | {"ID": "4711"}]})


def test_members_of_other_names_leave_and_one_that_is_about_to_join_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leave.Path, "exists", lambda _: True)
    gone = {"ID": 255, "name": "db4", "peerURLs": ["https://10.0.0.14:2380"]}
    answers = AUTH | {
        "etcdctl member list": (0, json.dumps({"members": [FIRST, ANNOUNCED, gone]}), ""),
        "etcdctl member remove": (0, "", ""),
    }
    host = Host({"staying": ["db1", "db2"], "endpoints": JOINING["endpoints"]}, answers)
    assert play(monkeypatch, leave, host) == {"changed": True, "left": ["db4"]}
    assert [line for line in host.called if "remove" in line] == ["etcdctl member remove ff"]
