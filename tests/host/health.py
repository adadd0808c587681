"""When backups and the archive are healthy, as pure functions: each returns what is wrong, with value and limit."""

import datetime
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[2] / "ansible/plugins/support"))

from platform_pages import ages

# The page of backups goes by them too.
sets, of_sets, last_success, success = ages.sets, ages.of_sets, ages.last_success, ages.success

HOUR_S, DAY_S = ages.HOUR_S, 86400
SEGMENT_BYTES = 16 * 1024**2


def segment_number(name: str, segment_bytes: int = SEGMENT_BYTES) -> int:
    """Return where a segment stands in the WAL, whatever its timeline."""
    return int(name[8:16], 16) * (2**32 // segment_bytes) + int(name[16:24], 16)


def archive(
    queue: Mapping[str, Any], archiver: Mapping[str, Any], failed_now: int, limits: Mapping[str, Any]
) -> list[str]:
    """Judge the leader's archive; `failed_now` is the archiver's failed_count at a later look."""
    problems = []
    lag_max, segments_max = limits["archive_lag_seconds_max"], limits["spool_segments_max"]
    if queue["oldest_age_seconds"] > lag_max:
        problems.append(f"a segment has waited {queue['oldest_age_seconds']} s for the archive; at most {lag_max}")
    if queue["segments"] > segments_max:
        problems.append(f"{queue['segments']} segments wait for the archive; at most {segments_max}")
    if not archiver["last_archived_wal"]:
        problems.append("no segment was archived since this host leads")
    else:
        # An idle server archives nothing: only a segment that is over may be missing.
        behind = segment_number(queue["current_wal"]) - segment_number(archiver["last_archived_wal"]) - 1
        if behind > 0 and archiver["age_seconds"] > lag_max:
            last = f"{archiver['last_archived_wal']} was archived {archiver['age_seconds']} s ago"
            problems.append(f"{last}, {behind} segments were completed since; at most {lag_max} s")
    if archiver["failing"]:
        problems.append(f"the archiver's last attempt failed; {archiver['failed_count']} attempts did")
    if failed_now > archiver["failed_count"]:
        problems.append(f"failed_count rises: from {archiver['failed_count']} to {failed_now}")
    return problems


def spool(paths: Iterable[str], segments_max: int) -> list[str]:
    """Judge what the asynchronous archiver has left of its work in its folder."""
    left = [path.rpartition("/")[2] for path in paths]
    problems = [f"{name}: this segment could not be archived" for name in left if name.endswith(".error")]
    if len(left) > segments_max:
        problems.append(f"the spool holds {len(left)} outcomes; at most {segments_max}")
    return problems


def disk_percent(listing: str, path: str) -> float:
    """Return how full the volume of a path is, of what `df -B1 --output=target,size,used` lists."""
    rows = [line.rsplit(maxsplit=2) for line in listing.splitlines()[1:]]
    holders = [row for row in rows if row[0] == "/" or f"{path}/".startswith(f"{row[0]}/")]
    target, size, used = max(holders, key=lambda row: len(row[0]))
    if not int(size):
        raise ValueError(f"{target}: df tells no size")
    return 100 * int(used) / int(size)


def checksums(rows: Iterable[Mapping[str, Any]], failures_max: int) -> list[str]:
    """Judge the pages that PostgreSQL has read and found broken."""
    return [
        f"{row['database']}: {row['failures']} pages with a wrong checksum; at most {failures_max}"
        if row["failures"] is not None
        else f"{row['database']}: page checksums are off"
        for row in rows
        if row["failures"] is None or row["failures"] > failures_max
    ]


def epoch(moment: float | str) -> float:
    """Return a time that was written as a number or by ISO 8601."""
    return datetime.datetime.fromisoformat(moment).timestamp() if isinstance(moment, str) else float(moment)


def drill(records: Iterable[Mapping[str, Any]], since: float, days_max: float, now: float) -> list[str]:
    """Judge when a backup was last restored as a rehearsal and found good; there are rehearsals since a time."""
    found = list(records)
    good = [epoch(each["finished"]) for each in found if each["ok"]]
    problems = []
    newest = max(found, key=lambda each: epoch(each["finished"]), default={"ok": True})
    if not newest["ok"]:
        problems.append(f"the last drill has failed: {newest.get('reason') or newest['checks']}")
    if (age := (now - max(good, default=since)) / DAY_S) > days_max:
        what = "the last good drill is" if good else "no drill has been good yet, the job is"
        problems.append(f"{what} {age:.1f} days old; at most {days_max}")
    return problems


POSTPONED = 75  # a job that waits for a backup or a migration; its next chance counts


def upkeep(job: str, outcomes: Iterable[Mapping[str, Any]], due: float | None) -> list[str]:
    """Judge a maintenance job: its newest run, and whether it succeeded since `due`, when it had to at the latest."""
    found = list(outcomes)
    newest = max(found, key=lambda each: float(each["finished_timestamp_seconds"]), default=None)
    problems = []
    if newest and newest["exit_status"] not in {0, POSTPONED}:
        problems.append(f"{job}: the last run has failed with status {newest['exit_status']}")
    success_s = max((each.get("last_success_timestamp_seconds") or 0 for each in found), default=0)
    if due is not None and success_s < due:
        problems.append(f"{job}: it was due at {due:.0f} and has not succeeded since; last at {success_s:.0f}")
    return problems
