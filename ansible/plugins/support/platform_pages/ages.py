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


def of_sets(info: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Take each good set for its job's success: the host that made it may be gone, with all that it left."""
    return [
        {"job": backup["type"], "last_success_timestamp_seconds": backup["timestamp"]["stop"]}
        for stanza in info
        for backup in stanza["backup"]
        if not backup.get("error")
    ]


def last_success(job: str, outcomes: Iterable[Mapping[str, Any]]) -> float:
    """Return when a job, or one that is as good, was last successful on whichever host; 0 where none is known."""
    good = [each for each in outcomes if each["job"] in AS_GOOD_AS.get(job, (job,))]
    return max((each.get("last_success_timestamp_seconds") or 0 for each in good), default=0)


def success(job: str, outcomes: Iterable[Mapping[str, Any]], since: float, hours_max: float, now: float) -> list[str]:
    """Judge a job's last success. Where none is known, the job's own age counts: its newest host has it since then."""
    newest = last_success(job, outcomes)
    if (age := (now - (newest or since)) / HOUR_S) <= hours_max:
        return []
    told = f"last successful {age:.1f} h ago" if newest else f"no host knows of a success, the job is {age:.1f} h old"
    return [f"{job}: {told}; at most {hours_max}"]
