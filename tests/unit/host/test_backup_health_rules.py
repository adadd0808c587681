"""Each rule of the backups' health: what it lets pass and what it tells."""

from pathlib import Path
from typing import Any

import pytest

from tests.host import health, plan
from tests.host.environment import Environment

NOW = 1_795_923_000.0
LIMITS = {"archive_lag_seconds_max": 300, "spool_segments_max": 64}
QUEUE = {"segments": 0, "oldest_age_seconds": 0, "current_wal": "000000010000000000000010"}
ARCHIVER = {"last_archived_wal": "00000001000000000000000F", "age_seconds": 9000, "failed_count": 3, "failing": False}


def test_an_idle_archive_is_healthy_however_old_its_last_segment_is() -> None:
    assert health.archive(QUEUE, ARCHIVER, 3, LIMITS) == []


@pytest.mark.parametrize(
    ("queue", "archiver", "failed_now", "told"),
    [
        ({"oldest_age_seconds": 301}, {}, 3, "a segment has waited 301 s for the archive; at most 300"),
        ({"segments": 65}, {}, 3, "65 segments wait for the archive; at most 64"),
        ({"current_wal": "000000010000000000000011"}, {}, 3, "1 segments were completed since; at most 300 s"),
        ({"current_wal": "000000020000000100000000"}, {}, 3, "240 segments were completed since"),
        ({}, {"failing": True}, 3, "the archiver's last attempt failed; 3 attempts did"),
        ({}, {}, 4, "failed_count rises: from 3 to 4"),
        ({}, {"last_archived_wal": None, "age_seconds": None}, 3, "no segment was archived since this host leads"),
    ],
)
def test_an_archive_in_trouble_is_told(
    queue: dict[str, Any], archiver: dict[str, Any], failed_now: int, told: str
) -> None:
    (problem,) = health.archive(QUEUE | queue, ARCHIVER | archiver, failed_now, LIMITS)
    assert told in problem


def test_a_segment_that_was_just_archived_has_its_successor_under_way() -> None:
    queue = QUEUE | {"current_wal": "000000010000000000000012"}
    assert health.archive(queue, ARCHIVER | {"age_seconds": 5}, 3, LIMITS) == []


def test_a_spool_with_a_failed_segment_or_too_many_is_told() -> None:
    folder = "/var/spool/pgbackrest/archive/main/out/"
    assert health.spool([f"{folder}00A.ok"], 1) == []
    assert health.spool([f"{folder}00A.error"], 1) == ["00A.error: this segment could not be archived"]
    assert health.spool([f"{folder}00A.ok", f"{folder}00B.ok"], 1) == ["the spool holds 2 outcomes; at most 1"]


def info(*backups: tuple[str, float, int], codes: tuple[int, ...] = (0,)) -> list[dict[str, Any]]:
    """Make what `pgbackrest info` says: backups as (type, hours ago, repository)."""
    return [
        {
            "repo": [
                {"key": key, "status": {"code": code, "message": "unreachable"}} for key, code in enumerate(codes, 1)
            ],
            "backup": [
                {"type": kind, "timestamp": {"stop": NOW - hours * 3600}, "database": {"repo-key": key}}
                for kind, hours, key in backups
            ],
        }
    ]


@pytest.mark.parametrize(
    ("job", "found", "told"),
    [
        ("full", info(("full", 10, 1)), []),
        ("diff", info(("full", 10, 1)), []),
        ("incr", info(("full", 90, 1), ("diff", 40, 1), ("incr", 2, 1)), []),
        ("full", info(("diff", 10, 1)), ["repository 1: no backup that is as good as full"]),
        ("diff", info(("full", 90, 1), ("incr", 1, 1)), ["repository 1: the newest diff is 90.0 h old; at most 48"]),
        ("diff", info(("full", 9, 1), codes=(0, 0)), ["repository 2: no backup that is as good as diff"]),
        ("diff", info(("full", 9, 1), codes=(0, 99)), ["repository 2: unreachable"]),
        ("diff", [], ["pgBackRest knows no stanza"]),
    ],
)
def test_the_newest_set_of_each_repository_counts(job: str, found: list[dict[str, Any]], told: list[str]) -> None:
    assert health.sets(found, job, 48, NOW) == told


def test_a_job_without_a_young_success_is_told() -> None:
    def left(hours: float, job: str = "dump") -> dict[str, Any]:
        return {"job": job, "exit_status": 1, "last_success_timestamp_seconds": NOW - hours * 3600}

    def success(*found: dict[str, Any], job: str = "dump", since: float = 99) -> list[str]:
        return health.success(job, found, NOW - since * 3600, 48, NOW)

    assert success(left(50), left(47)) == []
    assert success(left(50), left(1, "full"), since=1) == ["dump: last successful 50.0 h ago; at most 48"]
    nevers: list[list[dict[str, Any]]] = [[], [{"job": "dump", "last_success_timestamp_seconds": None}]]
    for never in [*nevers, [{"job": "dump"}]]:
        assert success(*never) == ["dump: no host knows of a success, the job is 99.0 h old; at most 48"]
        assert success(*never, since=48) == []
    # What does more has done this, too; so has a set whose host is gone.
    assert success(left(50, "diff"), left(47, "full"), job="diff") == []
    assert success(left(50, "full"), left(1, "diff"), job="full") == ["full: last successful 50.0 h ago; at most 48"]
    sets = health.of_sets(info(("full", 50, 1), ("diff", 40, 1)))
    assert success(left(90, "diff"), *sets, job="diff") == []
    assert success(left(90, "full"), *sets, job="full") == ["full: last successful 50.0 h ago; at most 48"]


def test_the_volume_of_a_path_is_the_nearest_mount() -> None:
    listing = (
        "Mounted on 1B-blocks Used\n/ 100 10\n/var/lib/postgresql 100 20\n/var/lib/postgresql-wal 200 150\n/x y 0 0\n"
    )
    assert health.disk_percent(listing, "/var/lib/postgresql-wal") == 75
    assert health.disk_percent(listing, "/var/lib/postgresql/17") == 20
    assert health.disk_percent(listing, "/var/lib/pgbackrest") == 10
    with pytest.raises(ValueError, match="/x y: df tells no size"):
        health.disk_percent(listing, "/x y/z")


def test_a_broken_page_and_checksums_that_are_off_are_told() -> None:
    rows: list[dict[str, Any]] = [{"database": "app", "failures": 2}, {"database": "shared", "failures": None}]
    assert health.checksums([{"database": "app", "failures": 0}], 0) == []
    assert health.checksums(rows, 2) == ["shared: page checksums are off"]
    assert health.checksums(rows[:1], 1) == ["app: 2 pages with a wrong checksum; at most 1"]


def test_a_drill_that_failed_or_is_old_is_told() -> None:
    def record(days: float, ok: bool) -> dict[str, Any]:
        return {"finished": NOW - days * 86400, "ok": ok, "checks": {"amcheck": ok}}

    def drill(*records: dict[str, Any], since: float = 99) -> list[str]:
        return health.drill(records, NOW - since * 86400, 8, NOW)

    assert drill(record(9, False), record(7, True)) == []
    assert drill(record(9, True)) == ["the last good drill is 9.0 days old; at most 8"]
    assert drill(record(7, True), record(1, False)) == ["the last drill has failed: {'amcheck': False}"]
    assert drill(record(7, True), record(1, False) | {"reason": "a page"}) == ["the last drill has failed: a page"]
    assert drill(record(9, True) | {"finished": "2026-11-29T03:30:00+00:00"}) == []
    # Before the first one: a platform that is younger than the limit can't have had it.
    assert drill(since=7) == []
    assert drill(since=9) == ["no drill has been good yet, the job is 9.0 days old; at most 8"]
    assert drill(record(1, False), since=7) == ["the last drill has failed: {'amcheck': False}"]


def test_every_kind_of_host_knows_the_limits_and_what_they_need_is_looked_at(environment: Environment) -> None:
    for name in environment.hosts("all"):
        limits = environment.declared(name)["platform_thresholds"]
        assert set(limits["backup_age_hours_max"]) == {"full", "diff", "incr", "dump", "verify"}
        assert limits["archive_lag_seconds_max"] > 60
    asked = plan.of(environment, "db1")
    assert {"archive_queue", "checksums", "archiver"} <= set(asked["queries"])
    assert "/var/lib/freelance-backup/*.json" in asked["contents"]


def test_an_environment_sets_a_limit_of_its_own_and_keeps_the_others(environment: Environment) -> None:
    inventory = Path(environment.name)
    values = inventory / "group_vars/all.yml"
    before = values.read_text(encoding="utf-8")
    try:
        values.write_text(
            f"{before}\nenvironment_thresholds: {{backup_age_hours_max: {{diff: 3}}}}\n", encoding="utf-8"
        )
        limits = Environment(environment.name).declared("db1")["platform_thresholds"]
    finally:
        values.write_text(before, encoding="utf-8")
    assert (limits["backup_age_hours_max"]["diff"], limits["backup_age_hours_max"]["full"]) == (3, 192)
    assert limits["drill_days_max"] == 8
