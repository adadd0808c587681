"""The physical layer of freelance-backup: backups of pgBackRest, and whether what its repositories hold is whole."""

import itertools
import json
import re
import time
from collections.abc import Callable
from typing import Any

from freelance_dumps import Config
from freelance_jobs import JobError, Postponed, run_tool

BACKUPS = ("full", "diff", "incr")  # each takes the place of those behind it
NAMED_MAX = 20
SEGMENTS_PER_LOG = 256  # of 16 MiB each
ARRIVED_SECONDS_MAX = 5  # after a look at the whole repository
POLL_SECONDS = 1.0
LOCKED = 50  # of pgBackRest: another of its processes works on the stanza, here or on a host that this one needs
# What `pgbackrest verify` says of a file, and of the segments that follow each other without a gap.
DAMAGED = re.compile(r" INFO: (invalid .+|file missing .+)")
RANGE = re.compile(r"archiveId: (\S+), wal start: ([0-9A-F]{24}), wal stop: ([0-9A-F]{24})")


def pgbackrest(config: Config, repository: int, *words: str) -> str:
    """Run pgBackRest on one repository, as itself numbers them."""
    return run_tool(["pgbackrest", f"--stanza={config.stanza}", f"--repo={repository}", *words])


def each_repository(config: Config, work: Callable[[int], int]) -> int:
    """Work on all repositories, also when one fails, and add up the bytes; a failure names its repository."""
    total, errors, postponed = 0, [], []
    for repository in range(1, config.repositories + 1):
        try:
            total += work(repository)
        except JobError as error:
            errors.append((repository, error))
        except Postponed as why:
            postponed.append(f"repository {repository}: {why}")
    if errors:
        raise JobError("\n".join(f"repository {number}: {error}" for number, error in errors), errors[0][1].status)
    if postponed:
        raise Postponed("\n".join(postponed))
    return total


def held(config: Config, repository: int) -> list[dict[str, Any]]:
    """List the backups that a repository holds, the newest last."""
    [stanza] = json.loads(pgbackrest(config, repository, "--output=json", "info"))
    return list(stanza["backup"])


def refuse_broken(config: Config, repository: int, backup: dict[str, Any]) -> None:
    """Raise JobError for a backup of pages with a wrong checksum: pgBackRest itself ends well."""
    if not backup.get("error"):
        return
    label = str(backup["label"])
    [stanza] = json.loads(pgbackrest(config, repository, "--output=json", f"--set={label}", "info"))
    files = stanza["backup"][0].get("error-list") or []
    named = [*files[:NAMED_MAX], *([f"{len(files)} in all"] if len(files) > NAMED_MAX else [])]
    raise JobError("\n".join([f"backup {label} holds pages with a wrong checksum, as the database does:", *named]))


def back_up(config: Config, job: str) -> dict[str, float]:
    """Take a full, differential or incremental backup; measure the bytes that it added to the repositories."""

    def take(repository: int) -> int:
        try:
            pgbackrest(config, repository, f"--type={job}", "backup")
        except JobError as error:
            if error.status == LOCKED:
                raise Postponed(str(error)) from error
            raise
        backup = held(config, repository)[-1]
        refuse_broken(config, repository, backup)
        return int(backup["info"]["repository"]["delta"])

    return {"bytes": each_repository(config, take)}


def segments(config: Config, repository: int) -> list[str]:
    """List the files of all archived segments in order, as ARCHIVE/FOLDER/SEGMENT-CHECKSUM."""
    words = ["--recurse", "--output=json", "repo-ls", f"archive/{config.stanza}"]
    files = json.loads(pgbackrest(config, repository, *words))
    return sorted(name for name in files if re.fullmatch(r"[^/]+/[0-9A-F]{16}/[0-9A-F]{24}-[0-9a-f]{40}.*", name))


def gaps(config: Config, repository: int, found: str) -> list[str]:
    """Name the gaps in the archive by the segments around them: pgBackRest itself calls an archive with gaps valid."""
    left = [
        (archive, stop, start)
        for (archive, _, stop), (following, start, _) in itertools.pairwise(RANGE.findall(found))
        if archive == following and stop[:8] == start[:8]
    ]
    # Segments are sent side by side, so that one may have come just after pgBackRest listed the one behind it.
    deadline = time.monotonic() + ARRIVED_SECONDS_MAX
    while left:
        there = [
            (archive, file[:24]) for archive, _, file in (name.split("/") for name in segments(config, repository))
        ]
        left = [
            (archive, stop, start)
            for archive, stop, start in left
            if sum(own == archive and stop < name < start for own, name in there) < place(start) - place(stop) - 1
        ]
        if time.monotonic() > deadline:
            break
        time.sleep(POLL_SECONDS)
    return [f"{archive}: WAL is missing after {stop} and before {start}" for archive, stop, start in left]


def place(segment: str) -> int:
    """Return the place of a segment in the WAL, counted in segments: its name is timeline, log, segment."""
    return int(segment[8:16], 16) * SEGMENTS_PER_LOG + int(segment[16:24], 16)


def first_segments(config: Config, repository: int) -> str:
    """Name the oldest segment of each archive: pgBackRest reads it first, and what ends it there has no name."""
    return ", ".join({name.partition("/")[0]: name for name in reversed(segments(config, repository))}.values())


def verify(config: Config) -> dict[str, float]:
    """Read every file of the repositories and compare its checksum; what is damaged or missing is named."""

    def check(repository: int) -> int:
        # Its exit status is 0 whatever it found, and it names files in its log alone.
        words = ["--output=text", "--verbose", "--log-level-console=detail", "verify"]
        try:
            found = pgbackrest(config, repository, *words)
        except JobError as error:
            first = first_segments(config, repository)
            raise JobError(f"{error}\nThe oldest segments are read before all else: {first}", error.status) from error
        damaged = DAMAGED.findall(found) + gaps(config, repository, found)
        if damaged or "status: ok" not in found:
            named = [*damaged[:NAMED_MAX], *([f"{len(damaged)} in all"] if len(damaged) > NAMED_MAX else [])]
            raise JobError("\n".join(["what it holds can't be restored as a whole:", *(named or found.splitlines())]))
        return sum(int(backup["info"]["repository"]["delta"]) for backup in held(config, repository))

    return {"bytes": each_repository(config, check)}


def named_damage(config: Config, repository: int, label: str) -> list[str]:
    """Name the files of one backup that are damaged or missing; what can't be found out is no reason to fail."""
    words = ["--output=text", "--verbose", "--log-level-console=detail", f"--set={label}", "verify"]
    try:
        return DAMAGED.findall(pgbackrest(config, repository, *words))[:NAMED_MAX]
    except JobError:
        return []


def is_held(config: Config, job: str, due: float) -> bool:
    """Say whether each repository holds a backup since a time that does what this job would have done."""
    if job not in BACKUPS:
        return False
    enough = BACKUPS[: BACKUPS.index(job) + 1]
    try:
        return all(
            any(backup["type"] in enough and backup["timestamp"]["start"] >= due for backup in held(config, repository))
            for repository in range(1, config.repositories + 1)
        )
    except JobError:
        return False  # the job itself will tell
