"""The page of backups, of an answer recorded from pgBackRest 2.55 and of hosts in trouble."""

import copy
import importlib
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest
import yaml
from platform_pages import backups
from platform_pages.drawing import epoch, lasted, size
from platform_pages.table import columns

ROOT = Path(__file__).resolve().parents[3]

drill = importlib.import_module("freelance_drill")

INFO = json.loads((Path(__file__).parent / "pgbackrest_info.json").read_text(encoding="utf-8"))
NOW = 1_795_930_204.0  # two hours after the recorded backup
SPAN = {"first": NOW - 7200, "last": NOW - 30, "segment": INFO[0]["archive"][0]["max"], "newest": True}
HOURS_MAX = {"full": 192, "diff": 48, "incr": 12, "dump": 48, "verify": 192}
LIMITS = {"drill_days_max": 8, "backup_age_hours_max": HOURS_MAX}
DUMP = {"name": "full_backup_自由职业<1>.dump", "bytes": 2048, "finished": NOW - 60}


def look(**told: Any) -> dict[str, Any]:
    """Make what a host says."""
    quiet = {"host": "db1", "info": INFO, "error": "", "status": {}, "dumps": []}
    return {**quiet, "drill_since": None, "jobs": [], "jobs_since": None, "shipped": {"1": {}}, **told}


def reach(*spans: dict[str, Any], repository: int = 1) -> dict[str, Any]:
    """Make what is known of how far a repository reaches."""
    return {"repository": repository, "error": "", "spans": list(spans)}


def overview(looks: list[dict[str, Any]], *recoverable: dict[str, Any], now: float = NOW) -> dict[str, Any]:
    """Put in order what hosts say; unless something else is told, the repository reaches from its set to now."""
    return backups.overview(looks, recoverable or [reach(SPAN)], now, LIMITS)


def rendered(told: dict[str, Any]) -> tuple[str, str]:
    """Return the page and the table of the terminal."""
    loader = jinja2.FileSystemLoader(ROOT / "ansible/playbooks/templates")
    environment = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, trim_blocks=True)  # noqa: S701 - as Ansible
    environment.filters["columns"] = columns
    play = yaml.safe_load((ROOT / "ansible/playbooks/show_backups.yml").read_text(encoding="utf-8"))[1]
    values = {"backups": told, "backups_heads": play["vars"]["backups_heads"]}
    values |= {"platform_environment": "lab", "environment_directory": ".lab"}
    page, words = (environment.get_template(f"backups.{kind}.j2").render(values) for kind in ("html", "txt"))
    return page, words


def drawings(page: str) -> list[ET.Element]:
    """Return the drawings of a page; one that is not well-formed raises."""
    return [ET.fromstring(text) for text in re.findall(r"(?s)<svg.*?</svg>", page)]  # noqa: S314 - our own


def test_window_set_job_and_dump_are_told() -> None:
    status = {"dump": {"host": "db1", "exit_status": 0, "duration_seconds": 0.5, "finished_timestamp_seconds": NOW}}
    told = overview([look(status=status, dumps=[DUMP])])
    assert told["problems"] == []
    assert told["windows"] == [["1", "2026-11-29 03:30", "2026-11-29 05:29", INFO[0]["archive"][0]["max"]]]
    (held,) = told["sets"]
    assert held == ["20261129-033002F", "full", "1", "2026-11-29 03:30", "2.0 h", "2.0 s", "22.4 MiB", "2.7 MiB"]
    assert told["jobs"][0][:3] == ["dump", "db1", "good"]
    page, words = rendered(told)
    assert "none yet" in words
    assert "20261129-033002F  full" in words
    (drawing,) = drawings(page)
    said = [title.text for title in drawing.iter("{http://www.w3.org/2000/svg}title")]
    assert any("自由职业<1>" in str(text) for text in said)


def test_dumps_of_whole_runs_in_a_repository_are_listed_once_and_also_where_no_host_holds_any() -> None:
    whole, half = "20261129_020000", "20261128_020000"
    names = [f"{what}_{whole}.{form}" for what, form in (("full_backup_shop", "dump"), ("globals", "sql.gz"))]
    files = {name: {"type": "file", "size": 2048, "time": NOW - 60} for name in names}
    files |= {f"sums_{whole}.sha256": {"type": "file", "size": 90, "time": NOW - 50}, ".": {"type": "path"}}
    files |= {f"full_backup_shop_{half}.dump": {"type": "file", "size": 1, "time": NOW - 86400}}
    told = overview([look(shipped={"1": files, "2": {}}), look(shipped={"1": files})])
    assert told["dumps"] == [[name, "repository 1", "2.0 KiB", "2026-11-29 05:29"] for name in names]
    page, words = rendered(told)
    assert names[0] in words
    assert names[0] in page


def test_words_of_hosts_are_escaped_and_the_page_needs_nothing_from_elsewhere() -> None:
    page, _ = rendered(overview([look(dumps=[DUMP], status={"<b>": None})]))
    assert "自由职业&lt;1&gt;" in page
    assert "<b>" not in page
    assert not re.search(r"<script|src=|href=|url\(|@import", page)


@pytest.mark.parametrize(
    ("looks", "problem"),
    [
        ([], "no host can ask the repository: no host has answered"),
        ([look(info=None, error="timed out")], "no host can ask the repository: db1: timed out"),
        ([look(shipped={})], "repository 1: no host can list the dumps in it"),
        ([look(status={"full": None})], "db1: the status file of full can't be read"),
        (
            [look(status={"full": {"host": "db1", "exit_status": 56, "finished_timestamp_seconds": NOW}})],
            "full: the last run has failed on db1; see journalctl there",
        ),
        (
            [look(status={"drill-record": {"finished": NOW - 9 * 86400, "ok": True, "backup_label": "x"}})],
            "the last restore drill is 9.0 d old; at most 8 d",
        ),
        (
            [look(drill_since=NOW - 9 * 86400), look(drill_since=NOW), look()],
            "no restore drill was done yet, the job is 9.0 d old; at most 8 d",
        ),
    ],
)
def test_what_is_wrong_is_told_on_a_page_that_still_renders(looks: list[dict[str, Any]], problem: str) -> None:
    told = overview(looks)
    assert told["problems"] == [problem]
    page, words = rendered(told)
    assert f"PROBLEM: {problem}" in words
    assert len(drawings(page)) == 1


def test_a_repository_that_is_out_of_reach_is_named_and_the_other_is_shown() -> None:
    info = copy.deepcopy(INFO)
    info[0]["repo"].append({"key": 2, "cipher": "none", "status": {"code": 99, "message": "host is down"}})
    told = overview([look(info=info)])
    assert told["problems"] == ["repository 2: host is down"]
    assert [window[:2] for window in told["windows"]] == [["1", "2026-11-29 03:30"], ["2", "can't be asked"]]
    # A host that reaches both is believed.
    assert overview([look(info=info), look()])["problems"] == []


def test_each_span_without_a_gap_is_told_and_a_gap_that_no_backup_has_closed_is_a_problem() -> None:
    late = {**SPAN, "last": NOW - 301, "segment": "000000010000000000000008", "newest": False}
    told = overview([look()], reach(late, SPAN))
    assert [window[3] for window in told["windows"]] == [late["segment"], SPAN["segment"]]
    assert told["problems"] == []
    told = overview([look()], {"repository": 1, "error": "refused", "spans": []}, reach(late))
    lost = "WAL is missing after 000000010000000000000008, and no good backup was taken since"
    assert told["problems"] == [f"repository 1: {lost}: run freelance-backup full"]
    # A segment that came before the one before it is none.
    assert overview([look()], reach({**late, "last": NOW - 299}))["problems"] == []


def test_a_repository_whose_archive_nobody_can_list_is_told() -> None:
    told = overview([look()], {"repository": 1, "error": "refused", "spans": []})
    assert told["windows"] == [["1", "unknown", "unknown", "unknown"]]
    assert told["problems"] == ["repository 1: no host can list its archive"]


def left(job: str, hours: float | None) -> dict[str, Any]:
    """Make the outcome of a job that was last successful so many hours ago; None: it never was."""
    success = None if hours is None else NOW - hours * 3600
    return {job: {"exit_status": 0, "finished_timestamp_seconds": NOW, "last_success_timestamp_seconds": success}}


@pytest.mark.parametrize(
    ("hours", "told", "problems"),
    [
        # A platform of minutes: what did not come due yet is missing, and the full backup counts for all sets.
        (0, {"status": left("dump", 0)}, []),
        (9, {"status": left("dump", 48) | left("incr", 12)}, []),
        (0, {"status": left("dump", 49)}, ["dump: last successful 49.0 h ago; at most 48"]),
        # Of a job without any success its own age counts.
        (9, {"status": left("verify", None)}, []),
        (9, {"jobs_since": NOW - 49 * 3600}, ["dump: no host knows of a success, the job is 49.0 h old; at most 48"]),
        # The sets of a host that is gone are still there, and count for more than what another one did long ago.
        (9, {"status": left("full", 2000) | left("incr", 12.1)}, []),
        (40, {"status": left("incr", 1)}, ["repository 1: the newest incr is 42.0 h old; at most 12"]),
        (40, {"status": left("incr", 1), "jobs": ["full", "diff"]}, []),
    ],
)
def test_sets_and_jobs_that_are_older_than_their_limits_are_told_though_every_run_was_good(
    hours: float, told: dict[str, Any], problems: list[str]
) -> None:
    info = copy.deepcopy(INFO)
    for backup in info[0]["backup"]:
        backup["timestamp"]["stop"] -= hours * 3600
    jobs = {"jobs": [*HOURS_MAX], "jobs_since": NOW - 600}
    # Who has the jobs may be another host than who has run them.
    left_behind = left("incr", 1) if told.get("jobs_since") else {}
    found = overview([look(info=info, **{**jobs, **told}), look(status=left_behind)])
    assert found["problems"] == problems
    assert all(f"PROBLEM: {problem}" in rendered(found)[1] for problem in problems)


def test_backups_that_have_stopped_for_weeks_are_told_for_each_set_and_job() -> None:
    status = {job: left(job, 500)[job] for job in HOURS_MAX}
    problems = overview([look(status=status, jobs=[*HOURS_MAX])], now=NOW + 500 * 3600)["problems"]
    sets = ("full", "diff", "incr")
    assert [problem.partition(" h ")[0] for problem in problems if problem.startswith("repo")] == [
        f"repository 1: the newest {job} is 502.0" for job in sets
    ]
    assert [problem.partition(" h ")[0] for problem in problems if "last successful" in problem] == [
        f"{job}: last successful {502.0 if job in sets else 1000.0}" for job in HOURS_MAX
    ]
    # Once each, also what is told of a repository besides its age.
    unreached = [{**INFO[0], "repo": [{"key": 1, "cipher": "none", "status": {"code": 99, "message": "down"}}]}]
    assert overview([look(info=unreached, jobs=["full", "diff"])])["problems"] == ["repository 1: down"]
    # Of sets that nobody can list nothing is said.
    assert overview([look(info=None, error="timed out", jobs=["full"])])["problems"] == [
        "no host can ask the repository: db1: timed out"
    ]


def test_what_a_full_backup_or_a_young_host_makes_good_is_told_of_nobody() -> None:
    # Nobody can ask the repository: what hosts have left is all there is.
    unasked = {"info": None, "error": "timed out", "jobs": ["full", "diff", "incr", "verify"]}
    silent = "no host can ask the repository: db1: timed out"
    old = NOW - 1000 * 3600
    status = left("full", 10) | left("diff", 49) | left("incr", 300) | left("verify", 1)
    assert overview([look(**unasked, jobs_since=old, status=status)])["problems"] == [silent]
    status |= left("full", 20)
    assert overview([look(**unasked, jobs_since=old, status=status)])["problems"] == [
        silent,
        "incr: last successful 20.0 h ago; at most 12",
    ]
    # The host that always acted was made anew: what others stood aside for is not due from their first day on.
    hosts = [look(jobs=["verify"], jobs_since=old), look(jobs=["verify"], jobs_since=NOW - 3600)]
    assert overview(hosts)["problems"] == []
    assert overview(hosts[:1])["problems"] == [
        "verify: no host knows of a success, the job is 1000.0 h old; at most 192"
    ]
    # A set of broken pages is no success.
    info = copy.deepcopy(INFO)
    info[0]["backup"][0]["error"] = True
    told = overview([look(info=info, jobs=["incr"], jobs_since=old, status=left("incr", 13))])["problems"]
    assert told[1:] == ["incr: last successful 13.0 h ago; at most 12"]


def test_an_empty_stanza_restores_nothing() -> None:
    info = copy.deepcopy(INFO)
    info[0] |= {"backup": [], "archive": [], "status": {"code": 2, "message": "no valid backups"}}
    told = overview([look(info=info)], reach())
    assert told["windows"] == [["1", "nothing can be restored yet", "unknown", "none"]]
    assert told["problems"] == ["no backup can be restored: no valid backups"]
    rendered(told)


def test_a_failed_drill_tells_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record is the one that the drill itself leaves."""

    def perform(*_: object) -> None:
        raise drill.JobError("markers written before noon are missing: [7]\nthe tool's last line")

    monkeypatch.setattr(drill, "perform", perform)
    with pytest.raises(drill.JobError):
        drill.rehearse(SimpleNamespace(status_dir=str(tmp_path), repositories=1))
    record = json.loads((tmp_path / drill.RECORD).read_text(encoding="utf-8"))
    told = overview([look(status={"drill-record": record})], now=epoch(record["finished"]))
    (problem,) = told["problems"]
    assert "has failed: markers written before noon are missing: [7]" in problem
    rendered(told)


def test_a_drill_that_is_not_due_yet_is_no_problem() -> None:
    assert overview([look(drill_since=NOW - 7 * 86400)])["problems"] == []


def test_a_good_drill_shows_its_figures() -> None:
    record = {"finished": "2026-11-29T05:00:00+00:00", "ok": True, "backup_label": "20261129-033002F"}
    record |= {
        "target_time": "2026-11-29 04:59",
        "rto_seconds": 30,
        "rpo_seconds": 1.5,
        "bytes_per_second": 3 * 1024**2,
    }
    told = overview([look(status={"drill-record": record})])
    assert told["problems"] == []
    assert {"when": "2026-11-29 05:00", "RTO": "30.0 s", "RPO": "1.5 s", "rate": "3.0 MiB/s"}.items() <= told[
        "drill"
    ].items()


def test_sizes_and_times_are_written_for_people() -> None:
    assert [size(amount) for amount in (0, 1023, 1024, 5 * 1024**5, 2**70)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "5.0 PiB",
        "1048576.0 PiB",
    ]
    assert [lasted(seconds) for seconds in (0.5, 300, 10_000, 200_000)] == ["0.5 s", "5.0 min", "2.8 h", "2.3 d"]
