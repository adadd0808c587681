"""`make status`: roles, lag and services of hosts, some of which do not answer."""

import json
import subprocess
from typing import Any

import pytest

from lab import members
from lab.commands import status
from lab.errors import LabError

LISTED = [
    {"Member": "db1", "Role": "Leader", "State": "running", "TL": 3},
    {"Member": "db2", "Role": "Quorum Standby", "State": "streaming", "TL": 3, "Lag in MB": 0},
    {"Member": "db3", "Role": "Replica", "State": "streaming", "TL": 2, "Lag in MB": 16},
]


def hosts() -> dict[str, dict[str, Any]]:
    """Three database hosts and one for repository and cache."""
    made: dict[str, dict[str, Any]] = {
        f"db{number}": {"address": f"10.99.0.1{number}", "serves": [], "etcd_member": True, "state": "active"}
        for number in (1, 2, 3)
    }
    made["service1"] = {
        "address": "10.99.0.21", "serves": ["repository", "cache"], "etcd_member": False, "state": "active",
    }  # fmt: skip
    return made


class Hosts:
    """Hosts that answer, but for those that are down; `listed` is what patronictl prints."""

    def __init__(self, *, down: tuple[str, ...] = (), listed: str | None = None, dead: str = "") -> None:
        self.down, self.dead = down, dead
        self.listed = json.dumps(LISTED) if listed is None else listed
        self.asked: list[str] = []

    def ask(self, host: Any, text: str, timeout: float) -> str | None:
        """As lab.members.ask."""
        assert timeout < 30
        name = next(name for name, one in hosts().items() if one["address"] == host["address"])
        if name in self.down:
            return None
        if "patronictl" in text:
            assert "timeout" in text
            self.asked.append(name)
            return self.listed
        units = [word for word in text.split() if word.endswith(".service")]
        return "".join("failed\n" if self.dead and unit.startswith(self.dead) else "active\n" for unit in units)


def states() -> dict[str, str]:
    return dict.fromkeys(hosts(), "running")


def test_each_member_has_role_state_lag_and_timeline() -> None:
    cluster = Hosts()
    live = members.look(hosts(), cluster.ask)
    assert (live["db1"].role, live["db1"].state, live["db1"].lag, live["db1"].timeline) == (
        "leader",
        "running",
        "",
        "3",
    )
    assert (live["db2"].role, live["db2"].lag) == ("quorum standby", "0 MB")
    assert (live["db3"].role, live["db3"].lag, live["db3"].timeline) == ("replica", "16 MB", "2")
    assert list(live["db1"].services) == ["patroni", "pgbouncer", "haproxy", "etcd"]
    assert live["service1"].services == {"repository": "active", "cache": "active"}
    assert cluster.asked == ["db1"]
    assert status.problems(hosts(), states(), live) == []


def test_a_host_that_does_not_answer_leaves_the_question_to_the_next() -> None:
    cluster = Hosts(down=("db1",))
    live = members.look(hosts(), cluster.ask)
    assert cluster.asked == ["db2"]
    assert not live["db1"].answers
    assert live["db2"].role == "quorum standby"
    assert "db1 does not answer over SSH" in status.problems(hosts(), states(), live)


@pytest.mark.parametrize("said", ["", "[", "null", "Error: etcd is not available"])
def test_without_quorum_the_services_are_shown_and_no_leader_is_known(said: str) -> None:
    live = members.look(hosts(), Hosts(listed=said).ask)
    assert {live[name].role for name in ("db1", "db2", "db3")} == {"unknown"}
    assert live["db1"].services["pgbouncer"] == "active"
    assert status.problems(hosts(), states(), live)[-1].startswith("no leader is known")


def test_a_service_that_failed_and_a_host_that_is_stopped_are_named() -> None:
    live = members.look({name: host for name, host in hosts().items() if name != "db3"}, Hosts(dead="haproxy").ask)
    wrong = status.problems(hosts(), {**states(), "db3": "exited"}, live)
    assert wrong == ["db3 is exited: `make up` starts it", "db1: haproxy is failed", "db2: haproxy is failed"]


def test_an_ssh_that_hangs_or_fails_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(*_: Any, **__: Any) -> None:
        raise LabError("no answer within 20 s")

    monkeypatch.setattr(members, "command", lambda *words: ["ssh", *map(str, words)])
    monkeypatch.setattr(members, "run", hangs)
    assert members.ask({}, "true", 1) is None
    monkeypatch.setattr(members, "run", lambda *_, **__: subprocess.CompletedProcess([], 255, "", "refused"))
    assert members.ask({}, "true", 1) is None
    # is-active exits with 3 when a unit is not: that is an answer.
    monkeypatch.setattr(members, "run", lambda *_, **__: subprocess.CompletedProcess([], 3, "inactive\n", ""))
    assert members.ask({}, "true", 1) == "inactive\n"


def test_the_processes_of_another_clones_lab_are_not_shown_as_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> None:
        raise LabError("the lab of /other runs on this machine")

    monkeypatch.setattr("lab.commands.status.sandbox.refuse_other_owner", refuse)
    with pytest.raises(LabError, match="/other"):
        status.main([])
    assert capsys.readouterr().out == ""


def test_columns_are_as_wide_as_what_is_in_them() -> None:
    assert status.table([("host", "role", "x"), ("service1", "", "y")]) == "host      role  x\nservice1        y"
