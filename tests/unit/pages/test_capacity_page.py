"""The plan of capacity: trends, the day on which a limit is reached, and what is said where there is none."""

import importlib
import json
import os
import re
import time
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest
import yaml
from platform_pages import capacity
from platform_pages.table import columns

freelance_capacity = importlib.import_module("freelance_capacity")
ROOT = Path(__file__).resolve().parents[3]
DAY = 86400.0
NOW = 1_795_953_600.0  # 2026-11-29 12:00 UTC


def sample(days_ago: float, used: float = 1.0, **more: Any) -> dict[str, Any]:
    return {"at": NOW - days_ago * DAY, "host": "db1", "gauges": {"disk /data": [used, 100.0]}, **more}


THRESHOLDS = {"wal_volume_used_percent_max": 80, "repository_free_percent_min": 30}


def rows(*looks: list[dict[str, Any]], **purposes: str) -> dict[str, list[str]]:
    """Give the rows of a plan; `purposes`: the folders of db1's volumes."""
    volumes = {"db1": [{"purpose": purpose, "mount": mount} for purpose, mount in purposes.items()]}
    return {row[0]: row[1:] for row in capacity.plan(looks, NOW, THRESHOLDS, volumes)["rows"]}


def test_a_steady_growth_names_the_day_on_which_the_limit_is_reached() -> None:
    growing = [sample(10 - day, 50 + 4 * day) for day in range(11)]
    # 90 of 100 bytes today, four more each day: two days and a half.
    assert rows(growing) == {"db1 disk /data": ["90 B", "100 B", "90 %", "120 B", "2026-12-02"]}


@pytest.mark.parametrize(
    ("purpose", "limit", "used", "day"),
    [
        ("wal", "80 B", "75 %", "2026-12-04"),
        ("repository", "70 B", "86 %", "2026-12-02"),
        ("data", "100 B", "60 %", "2026-12-09"),
    ],
)
def test_a_volume_is_full_where_the_platform_says_so(purpose: str, limit: str, used: str, day: str) -> None:
    # 60 of 100 bytes today, four more each day.
    growing = [sample(10 - number, 20 + 4 * number) for number in range(11)]
    assert rows(growing, **{purpose: "/data"}) == {"db1 disk /data": ["60 B", limit, used, "120 B", day]}


def test_databases_and_tables_may_grow_by_what_is_free_on_the_volume_of_the_data() -> None:
    samples = [
        sample(2 - day, 30 + 10 * day, databases={"app": 20 + 10 * day}, tables={"orders": 5}) for day in range(3)
    ]
    found = rows(samples, data="/data")
    # 40 of its own and the 50 that are free, ten more each day.
    assert found["database app"] == ["40 B", "90 B", "44 %", "300 B", "2026-12-04"]
    assert found["table orders"] == ["5 B", "55 B", "9 %", "0 B", "not within 5 years"]
    assert rows(samples)["database app"][1] == ""


def test_the_last_ninety_days_are_what_goes_on() -> None:
    # 200 days of nothing, then five bytes a day for six days.
    quiet = [sample(290 - day, 1) for day in range(200)]
    growing = [sample(5 - day, 60 + 5 * day) for day in range(6)]
    assert rows(quiet + growing)["db1 disk /data"][-1] == rows(growing)["db1 disk /data"][-1] == "2026-12-02"


@pytest.mark.parametrize(
    ("used", "told"),
    [
        ([10, 10, 10, 10], "not within 5 years"),
        ([40, 30, 20, 10], "not within 5 years"),
        ([10, 10.001, 10.002, 10.003], "not within 5 years"),
        ([97, 98, 99, 100], "reached"),
        # Up and down again: the line through them has long passed the limit.
        ([0, 99, 200, 99], "2026-11-29"),
    ],
)
def test_what_does_not_grow_or_is_full_is_told(used: list[float], told: str) -> None:
    assert rows([sample(3 - day, value) for day, value in enumerate(used)])["db1 disk /data"][-1] == told


def test_two_days_are_no_trend() -> None:
    plan = capacity.plan([[sample(1), sample(0.9), sample(0, databases={"app": 5})]], NOW, THRESHOLDS, {})
    assert plan["note"] == "There is no trend yet: samples of 2 day(s), at least 3 are needed."
    assert plan["rows"][-1][-2:] == ["no trend yet", "no trend yet"]


def test_without_any_sample_the_page_says_so() -> None:
    plan = capacity.plan([[]], NOW, THRESHOLDS, {})
    assert plan["rows"] == []
    assert plan["note"].endswith("No host leads: nothing new is known of the databases.")


def test_a_database_goes_on_when_another_host_leads() -> None:
    first = [sample(2, databases={"app": 100}, tables={"orders": 40})]
    second = [
        {"at": NOW - day * DAY, "host": "db2", "gauges": {}, "databases": {"app": 300 - 100 * day}} for day in (1, 0)
    ]
    found = rows(first, second)
    assert found["database app"] == ["300 B", "", "", "2.9 KiB", ""]
    assert found["table orders"][0] == "40 B"


def test_queries_are_shown_by_the_day_and_not_before_there_are_two() -> None:
    # 100 ms is not slow. The second statement is mended on the second day; the third is new, the first began anew.
    counters: list[dict[str, list[float]]] = [
        {"1": [50, 500.0], "2": [10, 90_000.0]},
        {"1": [150, 10_500.0], "2": [20, 91_010.0]},
        {"1": [150, 10_500.0], "2": [30, 91_030.0]},
        {"1": [5, 50.0], "2": [30, 91_030.0], "3": [2, 300.0]},
    ]
    samples: list[dict[str, Any]] = []
    for day, found in enumerate(counters):
        # What is in between, and an hour later: both since the day before.
        freelance_capacity.add(samples, sample(3 - day, counters=counters[max(day - 1, 0)]))
        freelance_capacity.add(samples, sample(3 - day - 1 / 24, counters=found))
    assert [one.get("queries") for one in samples] == [
        None,
        {"calls": 110, "total_ms": 11_010.0, "slow": 1},
        {"calls": 10, "total_ms": 20.0, "slow": 0},
        {"calls": 7, "total_ms": 350.0, "slow": 1},
    ]
    assert ["counters" in one for one in samples] == [False, False, True, True]
    shown = capacity.series(samples, THRESHOLDS, {})
    assert [value for _, value in shown["queries slower than 100 ms on average"]["points"]] == [1, 0, 1]
    assert [round(value) for _, value in shown["queries, mean time"]["points"]] == [100, 2, 50]


def test_a_day_without_queries_has_no_mean_time_and_one_without_counters_tells_of_none() -> None:
    samples: list[dict[str, Any]] = []
    told: list[dict[str, Any]] = [{"counters": {"1": [1, 1.0]}}, {"counters": {"1": [1, 1.0]}}, {}, {"counters": {}}]
    for day, found in enumerate(told):
        freelance_capacity.add(samples, sample(3 - day) | found)
    assert [one.get("queries") for one in samples] == [None, {"calls": 0, "total_ms": 0, "slow": 0}, None, None]
    assert "queries, mean time" not in capacity.series(samples, THRESHOLDS, {})


def test_the_application_and_the_plan_agree_on_what_a_slow_query_is() -> None:
    config = ROOT / "files/app/config"
    limit = f"SLOW_QUERY_MS = {freelance_capacity.SLOW_MS}\n"
    assert limit in (config / "monitoring.py").read_text(encoding="utf-8")
    patterns = re.findall(r"~\* ('[^']+')", freelance_capacity.STATEMENTS)
    assert len(patterns) == 2
    queries = (config / "monitoring_sql.py").read_text(encoding="utf-8")
    assert [pattern for pattern in patterns if pattern not in queries] == []


def test_the_page_is_whole_and_escaped() -> None:
    named = [sample(day, tables={"订单<1>": 10 - day}, databases={"app": 1}) for day in (3, 2, 1, 0)]
    plan = capacity.plan([named], NOW, THRESHOLDS, {})
    loader = jinja2.FileSystemLoader(ROOT / "ansible/playbooks/templates")
    environment = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, trim_blocks=True)  # noqa: S701 - as Ansible
    environment.filters["columns"] = columns
    play = yaml.safe_load((ROOT / "ansible/playbooks/show_capacity.yml").read_text(encoding="utf-8"))[1]
    values = {"capacity": plan, "capacity_heads": play["vars"]["capacity_heads"]}
    values |= {"platform_environment": "lab", "environment_directory": ".lab"}
    page, words = (environment.get_template(f"capacity.{kind}.j2").render(values) for kind in ("html", "txt"))
    drawings = [ET.fromstring(text) for text in re.findall(r"(?s)<svg.*?</svg>", page)]  # noqa: S314 - our own
    titles = [drawing.findtext("{http://www.w3.org/2000/svg}title") for drawing in drawings]
    assert titles == ["database app", "db1 disk /data", "table 订单<1>"]
    assert "订单<1>" not in page
    assert not re.search(r"<script|src=|href=|url\(|@import", page)
    assert "table 订单<1>   10 B" in words
    assert "no trend" not in words


def test_a_run_adds_one_line_and_drops_what_is_old_or_cut_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: NOW)
    file = tmp_path / "capacity.jsonl"
    file.write_text(f'{json.dumps(sample(401))}\n{json.dumps(sample(1))}\n{{"at": 17', encoding="utf-8")
    arguments = (str(file), "app", "0", "-", f"{tmp_path},{tmp_path}/none")
    assert freelance_capacity.main("db1", "read", *arguments) == [sample(1)]
    old, new = freelance_capacity.main("db1", "write", *arguments)
    assert old == sample(1)
    assert set(new) == {"at", "host", "gauges"}
    assert set(new["gauges"]) == {"memory", f"disk {tmp_path}"}
    assert all(0 < used <= total for used, total in new["gauges"].values())
    assert [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] == [old, new]
    assert os.listdir(tmp_path) == ["capacity.jsonl"]  # noqa: PTH208 - names alone


def test_the_samples_of_a_day_become_one_with_the_highest_of_each_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "capacity.jsonl"
    taken = [
        {"at": NOW - DAY, "host": "db1", "gauges": {"pool main": [50, 50]}},
        {"at": NOW, "host": "db1", "gauges": {"pool main": [9, 50], "connections": [7, 460]}, "databases": {"app": 5}},
        {"at": NOW + 3600, "host": "db1", "gauges": {"pool main": [2, 60], "memory": [3, 4]}, "problems": ["one"]},
    ]
    for one in taken:
        monkeypatch.setattr(freelance_capacity, "sample", lambda *_, one=one: one)
        monkeypatch.setattr("time.time", lambda one=one: one["at"])
        kept = freelance_capacity.main("db1", "write", str(file), "app", "0", "-", "/")
    # What it told of databases as the leader is another host's to tell now.
    gauges = {"pool main": [9, 60], "connections": [7, 460], "memory": [3, 4]}
    assert kept == [taken[0], {"at": NOW + 3600, "host": "db1", "gauges": gauges, "problems": ["one"]}]
    assert [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] == kept


def test_a_day_keeps_what_its_last_hour_could_not_ask_of_the_server() -> None:
    silent: dict[str, Any] = {"problems": [f"{freelance_capacity.SILENT}: {FAILURE}"]}
    told: dict[str, Any] = {"databases": {"app": 5}, "tables": {"orders": 4}, "counters": {"1": [3, 9.0]}}
    samples = [sample(1, counters={"1": [1, 1.0]})]
    freelance_capacity.add(samples, sample(0.2, **told))
    freelance_capacity.add(samples, sample(0.1, 7, **silent))
    cost = {"calls": 2, "total_ms": 8.0, "slow": 0}
    assert samples[-1] == sample(0.1, 7, **told, **silent, queries=cost)
    # The answers of a server that was lost halfway through them go before.
    freelance_capacity.add(samples, sample(0, databases={"app": 6}, **silent))
    assert samples[-1] == sample(0, 7, **(told | {"databases": {"app": 6}}), **silent, queries=cost)
    # The next day's queries are told, too.
    freelance_capacity.add(samples, sample(-1, counters={"1": [4, 9.5]}))
    assert samples[-1]["queries"] == {"calls": 1, "total_ms": 0.5, "slow": 0}


def test_who_takes_a_sample_waits_for_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "capacity.jsonl"
    arguments = ("db1", "write", str(file), "app", "0", "-", "/")
    taken: list[float] = []

    def slow(*_: Any) -> dict[str, Any]:
        taken.append(NOW + len(taken) * DAY)
        time.sleep(0.3)
        return {"at": taken[-1], "host": "db1", "gauges": {}}

    monkeypatch.setattr(freelance_capacity, "sample", slow)
    with ThreadPoolExecutor(2) as both:
        kept = [running.result() for running in [both.submit(freelance_capacity.main, *arguments) for _ in range(2)]]
    assert sorted(len(one) for one in kept) == [1, 2]
    assert [one["at"] for one in freelance_capacity.main(arguments[0], "read", *arguments[2:])] == taken


FAILURE = "psql: error: connection to server on socket failed"
POOLS = "name,current_connections,max_connections\nmain,3,50\npgbouncer,0,0"
LEADER = {
    "show databases": POOLS,
    freelance_capacity.SERVER: '{"connections": 7, "connections_max": 460, "databases": {"app": 9}}',
    freelance_capacity.TABLES: '{"orders": 4}',
    freelance_capacity.EXTENSION: "own",
    freelance_capacity.STATEMENTS.format("own"): '{"-7": [2, 3.5]}',
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Answer as LEADER does, a word that is not there with an error; returns the command lines."""
    lines: list[list[str]] = []

    def run(argv: list[str], **_: Any) -> Any:
        lines.append(argv)
        said = LEADER.get(argv[-1])
        return SimpleNamespace(
            returncode=0 if said is not None else 2, stdout=said or "", stderr=f"{FAILURE}\n\tIs the server running?"
        )

    monkeypatch.setattr(freelance_capacity.subprocess, "run", run)
    return lines


def test_a_leader_tells_of_its_databases_and_a_pooler_of_its_connections(asked: list[list[str]]) -> None:
    taken = freelance_capacity.sample("db1", "app", "6433", "/run/other:5433", [])
    assert taken["gauges"]["pool main"] == [3, 50]
    assert taken["gauges"]["connections"] == [7, 460]
    assert (taken["databases"], taken["tables"]) == ({"app": 9}, {"orders": 4})
    assert taken["counters"] == {"-7": [2, 3.5]}
    assert "problems" not in taken
    pooler, *server = [" ".join(line) for line in asked]
    assert "--port=6433" in pooler
    assert all("--host=/run/other --port=5433" in line for line in server)


def test_a_replica_tells_of_its_pooler_alone(asked: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LEADER, freelance_capacity.SERVER, "")
    taken = freelance_capacity.sample("db1", "app", "6432", "/run/postgresql:5432", [])
    assert set(taken) == {"at", "host", "gauges"}
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("silent", "who", "left"),
    [
        ("show databases", "PgBouncer", {"memory", "connections"}),
        (freelance_capacity.SERVER, "PostgreSQL", {"memory", "pool main"}),
    ],
)
@pytest.mark.usefixtures("asked")
def test_who_was_expected_to_answer_and_did_not_is_told(
    silent: str, who: str, left: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(LEADER, silent)
    taken = freelance_capacity.sample("db1", "app", "6432", "/run/postgresql:5432", [])
    assert set(taken["gauges"]) == left
    assert taken["problems"] == [f"{who} could not be asked: {FAILURE}"]
    plan = capacity.plan([[taken]], NOW, THRESHOLDS, {})
    assert plan["problems"] == [f"db1: {who} could not be asked: {FAILURE}"]
    assert "No host leads" not in plan["note"]


@pytest.mark.usefixtures("asked")
def test_a_leader_without_counters_of_statements_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LEADER, freelance_capacity.EXTENSION, "")
    taken = freelance_capacity.sample("db1", "app", "0", "/run/postgresql:5432", [])
    assert taken["tables"] == {"orders": 4}
    assert taken["problems"] == ["PostgreSQL could not be asked: app lacks the extension pg_stat_statements"]
