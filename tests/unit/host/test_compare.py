"""Comparisons of the host verification: what is as declared passes, each single alteration is told."""

import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from tests.host import collect, compare
from tests.host.environment import Environment


@pytest.fixture
def wanted(environment: Environment) -> list[dict[str, Any]]:
    """The declared rules in PostgreSQL's words."""
    return [compare.hba_row(rule) for rule in environment.declared("db1")["postgresql_access_hba_rules"]]


def test_rules_as_declared_differ_in_nothing(wanted: list[dict[str, Any]]) -> None:
    assert compare.rows([{**row, "error": None} for row in wanted], wanted) == []


def test_a_rule_is_put_in_postgresqls_words() -> None:
    rule = {"type": "hostssl", "databases": ["all"], "roles": ["x"], "address": "10.99.0.0/24", "method": "reject"}
    row = compare.hba_row({**rule, "options": {"map": "platform", "clientcert": "verify-full"}})
    assert (row["address"], row["netmask"]) == ("10.99.0.0", "255.255.255.0")
    assert row["options"] == ["clientcert=verify-full", "map=platform"]
    assert compare.hba_row({**rule, "address": "all"})["netmask"] is None
    assert compare.hba_row({**rule, "address": "fd00::/8"})["netmask"] == "ff00::"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("type", "host"),
        ("database", ["all"]),
        ("user_name", ["all"]),
        ("address", "0.0.0.0"),  # noqa: S104  compared, not bound
        ("netmask", "0.0.0.0"),  # noqa: S104  the same
        ("auth_method", "trust"),
        ("options", ["clientcert=verify-ca"]),
    ],
)
def test_each_column_of_a_rule_counts(wanted: list[dict[str, Any]], column: str, value: Any) -> None:
    live = [dict(row) for row in wanted]
    live[4][column] = value
    [difference] = compare.rows(live, wanted)
    assert difference["row"] == 5
    assert difference["found"][column] == value


def test_order_missing_and_extra_rules_count(wanted: list[dict[str, Any]]) -> None:
    assert compare.rows([wanted[1], wanted[0], *wanted[2:]], wanted)
    assert compare.rows(wanted[:-1], wanted)[0]["found"] is None
    assert compare.rows([*wanted, wanted[0]], wanted)[0]["wanted"] is None


def test_a_map_of_system_users_counts() -> None:
    row = compare.ident_row({"map": "platform", "system_user": "postgres", "role": "backup"})
    assert compare.rows([{**row, "error": None}], [row]) == []
    assert compare.rows([{**row, "pg_username": "postgres", "error": None}], [row])


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_the_hosts_own_resolver_is_no_foreign_listener(protocol: str) -> None:
    stub = {"protocol": protocol, "address": "127.0.0.53", "port": 53, "program": "systemd-resolve"}
    assert compare.is_stub_resolver(stub)
    for change in ({"address": "10.99.0.11"}, {"port": 5355}, {"program": "dnsmasq"}):
        assert not compare.is_stub_resolver({**stub, **change})


CHRONY = """\
^,+,time-a.example,2,6,17,8,0.000000120,-0.000000075,0.000003051
^,{},169.254.169.123,3,6,17,8,0.000000056,-0.000000146,0.000002842
"""  # as chronyc 4.3 prints them


def test_the_clock_goes_by_the_source_that_chrony_has_selected() -> None:
    assert compare.time_source(CHRONY.format("*")) == "169.254.169.123"


@pytest.mark.parametrize("answer", [CHRONY.format("?"), "", "506 Cannot talk to daemon\n"])
def test_a_clock_without_a_selected_source_goes_by_none(answer: str) -> None:
    assert compare.time_source(answer) is None


KERNEL = {"vm.swappiness": 1, "net.core.somaxconn": 4096}


@pytest.mark.parametrize(
    ("virtual", "pages", "wanted"),
    [
        ("vm", 4300, {"vm.swappiness": "1", "net.core.somaxconn": "4096", "vm.nr_hugepages": "4300"}),
        ("vm", 0, {"vm.swappiness": "1", "net.core.somaxconn": "4096"}),
        ("container", 4300, {"net.core.somaxconn": "4096"}),
    ],
)
def test_huge_pages_are_a_kernel_setting_of_a_host_with_its_own_kernel(
    virtual: str, pages: int, wanted: dict[str, str]
) -> None:
    declared = {"host_baseline_sysctl": KERNEL, "host_baseline_huge_pages": pages, "host_baseline_virtual": virtual}
    assert compare.kernel_settings(declared) == wanted


def at(text: str) -> float:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC).timestamp()


@pytest.mark.parametrize(
    ("schedule", "due"),
    [
        ("0 2 * * *", "2026-11-24T02:00"),
        ("30 3 * * 0", "2026-11-22T03:30"),
        ("30 3 * * 7", "2026-11-22T03:30"),
        ("30 3 * * 1-6", "2026-11-24T03:30"),
        ("*/15 * * * *", "2026-11-24T19:00"),
        ("5 1,18 * * *", "2026-11-24T18:05"),
        ("0 4 20 * 1", "2026-11-23T04:00"),  # either day is enough
        ("0 4 20 11 *", "2026-11-20T04:00"),
    ],
)
def test_a_schedule_was_last_due(schedule: str, due: str) -> None:
    found = compare.last_due(schedule, at("2026-11-24T19:04:30"), 0)  # a Tuesday
    assert found == at(due)


def test_a_schedule_counts_in_the_hosts_own_zone() -> None:
    # Two in the morning in Shanghai is six in the evening of the day before in UTC.
    assert compare.last_due("0 2 * * *", at("2026-11-24T19:04"), 8 * 3600) == at("2026-11-24T18:00")


def test_a_schedule_that_has_not_come_yet_was_never_due() -> None:
    assert compare.last_due("0 4 1 1 *", at("2026-11-24T19:04"), 0) is None


def test_a_line_that_is_no_schedule_is_refused() -> None:
    with pytest.raises(ValueError, match="5 fields"):
        compare.last_due("0 2 * *", at("2026-11-24T19:04"), 0)


def test_a_query_without_an_answer_ends_in_the_servers_words() -> None:
    answers = compare.Answers({"hba": [], "roles": "psql: error: connection refused"})
    assert answers["hba"] == []
    with pytest.raises(AssertionError, match="query roles: psql: error: connection refused"):
        answers["roles"]
    with pytest.raises(AssertionError, match="query ident: it was not asked"):
        answers["ident"]


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (f'[{{"a": 1}}]\n{collect.MARK}\n[]\n{collect.MARK}\n', {"x": [{"a": 1}], "y": []}),
        (f'[{{"a": 1}}]\n{collect.MARK}\n', {"x": [{"a": 1}], "y": "it is down"}),
        ("", {"x": "it is down", "y": "it is down"}),
    ],
)
def test_each_query_has_rows_or_a_reason(monkeypatch: pytest.MonkeyPatch, said: str, wanted: dict[str, Any]) -> None:
    done = SimpleNamespace(stdout=said, stderr="it is down\n")
    monkeypatch.setattr(collect, "subprocess", SimpleNamespace(run=lambda *_, **__: done))
    assert collect.queries({"x": ["postgres", "select 1"], "y": ["postgres", "select 2"]}) == wanted
