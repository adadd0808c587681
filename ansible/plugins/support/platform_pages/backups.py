"""The page of backups, of what look_at_backups.py has said on each host."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from platform_pages.ages import AS_GOOD_AS, of_sets, sets, success
from platform_pages.drawing import LEFT, TOP, WARNING, Canvas, epoch, lasted, moment, size

COLOURS = {"full": "#1b5e20", "diff": "#1565c0", "incr": "#6a1b9a", "dump": "#ef6c00"}
ROW_HEIGHT = 28
# Segments are archived side by side: one may come before the one before it.
ARRIVAL_SECONDS_MAX = 300
# What backup_cron calls a file of a run of dumps, and the one that comes last: with it the run is whole.
DUMPED = re.compile(r"(?!sums_).+_(\d{8}_\d{6})\.(dump|sql|sql\.gz)")
SUMS = "sums_{}.sha256"


def overview(
    looks: Sequence[Mapping[str, Any]],
    recoverable: Sequence[Mapping[str, Any]],
    now: float,
    limits: Mapping[str, Any],
) -> dict[str, Any]:
    """Put in order what hosts say: rows of words for tables, a timeline, and problems that a person has to know of.

    `recoverable` is what the filter recovery_spans makes of each look at a repository; `limits`: platform_thresholds.
    """
    answers = [look["info"] for look in looks if look["info"] is not None]
    problems = [] if answers else ["no host can ask the repository: " + (_errors(looks) or "no host has answered")]
    # Whoever reaches the most repositories is believed.
    info: Sequence[Mapping[str, Any]] = min(answers, key=lambda answer: len(_unreachable(answer)), default=[])
    problems += _unreachable(info) if answers else []
    problems += _unlisted(info, looks)
    backups = [backup for stanza in info for backup in stanza["backup"]]
    backups.sort(key=lambda backup: backup["timestamp"]["stop"], reverse=True)
    problems += [
        f"{backup['label']}: it holds pages with a wrong checksum" for backup in backups if backup.get("error")
    ]
    dumps = [{**dump, "where": look["host"]} for look in looks for dump in look["dumps"]]
    dumps += _shipped(looks)
    windows, lost = _windows(info, recoverable, now)
    jobs, failed = _jobs(looks, now)
    drill, bad = _drill(looks, now, limits["drill_days_max"])
    old = _old(info if answers else None, looks, now, limits["backup_age_hours_max"])
    return {
        "made": moment(now),
        "windows": windows,
        "sets": [_set(backup, now) for backup in backups],
        "jobs": jobs,
        "drill": drill,
        "dumps": [
            [dump["name"], dump["where"], size(dump["bytes"]), moment(dump["finished"])]
            for dump in sorted(dumps, key=lambda dump: float(dump["finished"]), reverse=True)
        ],
        "timeline": timeline(backups, dumps, now),
        # A repository that can't be asked is told of by more than one.
        "problems": list(dict.fromkeys(problems + lost + failed + old + bad)),
    }


def _errors(looks: Sequence[Mapping[str, Any]]) -> str:
    return "; ".join(f"{look['host']}: {look['error']}" for look in looks if look["error"])


def _unreachable(info: Sequence[Mapping[str, Any]]) -> list[str]:
    repositories = [repo for stanza in info for repo in stanza["repo"] if repo["status"]["code"]]
    named = [f"repository {repo['key']}: {repo['status']['message']}" for repo in repositories]
    nothing = [] if info else ["pgBackRest knows no stanza"]
    return (
        named
        + nothing
        + [
            f"no backup can be restored: {stanza['status']['message']}"
            for stanza in info
            if stanza["status"]["code"] and not any(repo["status"]["code"] for repo in stanza["repo"])
        ]
    )


def _shipped(looks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """List the dumps of whole runs in the repositories, each repository as one host has seen it."""
    listed = {key: files for look in looks for key, files in look["shipped"].items()}
    return [
        {"name": name, "where": f"repository {key}", "bytes": file["size"], "finished": file["time"]}
        for key, files in sorted(listed.items())
        for name, file in files.items()
        if (run := DUMPED.fullmatch(name)) and SUMS.format(run[1]) in files
    ]


def _unlisted(info: Sequence[Mapping[str, Any]], looks: Sequence[Mapping[str, Any]]) -> list[str]:
    listed = {key for look in looks for key in look["shipped"]}
    keys = [str(repo["key"]) for stanza in info for repo in stanza["repo"] if not repo["status"]["code"]]
    return [f"repository {key}: no host can list the dumps in it" for key in keys if key not in listed]


def _windows(
    info: Sequence[Mapping[str, Any]], recoverable: Sequence[Mapping[str, Any]], now: float
) -> tuple[list[list[str]], list[str]]:
    known = {each["repository"]: each["spans"] for each in recoverable if not each["error"]}
    rows, problems = [], []
    for repository in [repo for stanza in info for repo in stanza["repo"]]:
        key = repository["key"]
        if repository["status"]["code"]:
            rows.append([str(key), "can't be asked", "unknown", "unknown"])
        elif key not in known:
            rows.append([str(key), "unknown", "unknown", "unknown"])
            problems.append(f"repository {key}: no host can list its archive")
        elif spans := known[key]:
            rows += [[str(key), moment(each["first"]), moment(each["last"]), each["segment"]] for each in spans]
            if not spans[-1]["newest"] and now - spans[-1]["last"] > ARRIVAL_SECONDS_MAX:
                lost = f"WAL is missing after {spans[-1]['segment']}, and no good backup was taken since"
                problems.append(f"repository {key}: {lost}: run freelance-backup full")
        else:
            rows.append([str(key), "nothing can be restored yet", "unknown", "none"])
    return rows, problems


def _set(backup: Mapping[str, Any], now: float) -> list[str]:
    start, stop = backup["timestamp"]["start"], backup["timestamp"]["stop"]
    held = backup["info"]["repository"]
    return [
        backup["label"],
        backup["type"],
        str(backup["database"]["repo-key"]),
        moment(stop),
        lasted(now - stop),
        lasted(stop - start),
        size(backup["info"]["size"]),
        # Block incremental backups say what they add, and nothing of the sum.
        size(held["delta"]),
    ]


def _outcomes(looks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"job": name, **left}
        for look in looks
        for name, left in look["status"].items()
        if isinstance(left, dict) and "exit_status" in left and "finished_timestamp_seconds" in left
    ]


def _jobs(looks: Sequence[Mapping[str, Any]], now: float) -> tuple[list[list[str]], list[str]]:
    problems = [
        f"{look['host']}: the status file of {name} can't be read"
        for look in looks
        for name, left in look["status"].items()
        if left is None
    ]
    newest: dict[str, Any] = {}
    for outcome in sorted(_outcomes(looks), key=lambda each: float(each["finished_timestamp_seconds"])):
        newest[outcome["job"]] = outcome
    rows = []
    for job, last in sorted(newest.items()):
        success = last.get("last_success_timestamp_seconds")
        finished = float(last["finished_timestamp_seconds"])
        state = "good" if last["exit_status"] == 0 else f"failed ({last['exit_status']})"
        took = lasted(last["duration_seconds"]) if "duration_seconds" in last else ""
        host = str(last.get("host", ""))
        rows.append(
            [job, host, state, moment(finished), lasted(now - finished), took, moment(success) if success else ""]
        )
        if last["exit_status"]:
            problems.append(f"{job}: the last run has failed on {host}; see journalctl there")
    return rows, problems


def _old(
    info: Sequence[Mapping[str, Any]] | None,
    looks: Sequence[Mapping[str, Any]],
    now: float,
    hours_max: Mapping[str, float],
) -> list[str]:
    """Judge the ages of sets and jobs, as far as a host has the job."""
    problems = []
    done = _outcomes(looks) + of_sets(info or [])
    for job, hours in hours_max.items():
        if not (having := [look for look in looks if job in look["jobs"]]):
            continue
        if info is not None and job in AS_GOOD_AS:
            problems += sets(info, job, hours, now)
        since = max((look["jobs_since"] for look in having if look["jobs_since"]), default=now)
        problems += success(job, done, since, hours, now)
    return problems


def _drill(looks: Sequence[Mapping[str, Any]], now: float, days_max: float) -> tuple[dict[str, str], list[str]]:
    records = [look["status"]["drill-record"] for look in looks if look["status"].get("drill-record")]
    if not records:
        deployed = min((look["drill_since"] for look in looks if look["drill_since"]), default=now)
        late = now - deployed > days_max * 86400
        told = f"no restore drill was done yet, the job is {lasted(now - deployed)} old; at most {days_max} d"
        return {}, [told] if late else []
    last = max(records, key=lambda record: epoch(record["finished"]))
    finished = epoch(last["finished"])
    words = {"when": moment(finished), "result": "good" if last["ok"] else "failed", "set": str(last["backup_label"])}
    words |= {"restored to": str(last.get("target_time", ""))}
    for name in ("rto_seconds", "rpo_seconds"):
        if last.get(name) is not None:
            words[name[:3].upper()] = lasted(float(last[name]))
    if last.get("bytes_per_second"):
        words["rate"] = f"{size(float(last['bytes_per_second']))}/s"
    problems = [] if last["ok"] else [f"the last restore drill has failed: {last.get('reason') or last.get('checks')}"]
    if now - finished > days_max * 86400:
        problems.append(f"the last restore drill is {lasted(now - finished)} old; at most {days_max} d")
    return words, problems


def timeline(backups: Sequence[Mapping[str, Any]], dumps: Sequence[Mapping[str, Any]], now: float) -> str:
    """Draw when each set and dump was made."""
    marks = [
        (
            each["type"],
            each["timestamp"]["stop"],
            f"{each['label']}, {moment(each['timestamp']['stop'])}",
            each.get("error"),
        )
        for each in backups
    ]
    marks += [
        ("dump", each["finished"], f"{each['name']}, {moment(each['finished'])}, {size(each['bytes'])}", False)
        for each in dumps
    ]
    first = min((float(mark[1]) for mark in marks), default=now - 86400)
    canvas = Canvas("Backups by time", ROW_HEIGHT * len(COLOURS), first, now)
    for row, (kind, colour) in enumerate(COLOURS.items()):
        y = TOP + ROW_HEIGHT * (row + 0.5)
        canvas.text(4, y + 4, kind)
        canvas.line((LEFT, y), (canvas.x(canvas.last), y), colour)
        for name, at, words, broken in marks:
            if name == kind:
                canvas.dot(canvas.x(float(at)), y, WARNING if broken else colour, words)
    return str(canvas)
