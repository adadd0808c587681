"""When sets and jobs are too old: one rule for the page of backups and for the verification of hosts."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

HOUR_S = 3600
# A full backup is as good as any other, a differential one as good as an incremental one.
AS_GOOD_AS = {"full": ("full",), "diff": ("full", "diff"), "incr": ("full", "diff", "incr")}


def sets(info: Sequence[Mapping[str, Any]], job: str, hours_max: float, now: float) -> list[str]:
    """Judge the age of the newest backup set that a job would make, in each repository."""
    problems = []
    for stanza in info:
        for repository in stanza["repo"]:
            key, status = repository["key"], repository["status"]
            if status["code"]:
                problems.append(f"repository {key}: {status['message']}")
                continue
            ends = [
                backup["timestamp"]["stop"]
                for backup in stanza["backup"]
                if backup["database"]["repo-key"] == key and backup["type"] in AS_GOOD_AS[job]
            ]
            if not ends:
                problems.append(f"repository {key}: no backup that is as good as {job}")
            elif now - max(ends) > hours_max * HOUR_S:
                age = (now - max(ends)) / HOUR_S
                problems.append(f"repository {key}: the newest {job} is {age:.1f} h old; at most {hours_max}")
    return problems or ([] if info else ["pgBackRest knows no stanza"])


def success(job: str, outcomes: Iterable[Mapping[str, Any]], hours_max: float, now: float) -> list[str]:
    """Judge when a job was last successful on whichever host."""
    newest = max((each.get("last_success_timestamp_seconds") or 0 for each in outcomes), default=0)
    if not newest:
        return [f"{job}: it has never succeeded"]
    age = (now - newest) / HOUR_S
    return [f"{job}: last successful {age:.1f} h ago; at most {hours_max}"] if age > hours_max else []
