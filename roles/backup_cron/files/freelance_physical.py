"""The physical layer of freelance-backup: backups of pgBackRest, and whether what its repositories hold is whole."""

import itertools
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from freelance_dumps import Config
from freelance_jobs import JobError, Postponed, run_tool

BACKUPS = ("full", "diff", "incr")  # each takes the place of those behind it
NAMED_MAX = 20
SEGMENT_BYTES = 16 * 1024**2
SEGMENTS_PER_LOG = 2**32 // SEGMENT_BYTES
ARRIVED_SECONDS_MAX = 30  # one that was sent beside it; a gap is told no sooner
POLL_SECONDS = 1.0
LOCKED = 50  # of pgBackRest: another of its processes works on the stanza, here or on a host that this one needs
# It takes the time of a processor that nobody else wants: beside a bucket it runs on a host with PostgreSQL's clients.
GIVES_WAY = ("chrt", "--idle", "0")
DAMAGED = re.compile(r" INFO: (invalid .+|file missing .+)")  # what `pgbackrest verify` says of a file
FORK = re.compile(r"^\s*(\d+)\s+([0-9A-F]+)/([0-9A-F]+)", re.MULTILINE)  # a timeline's history: where it left one


def pgbackrest(config: Config, repository: int, *words: str, before: tuple[str, ...] = ()) -> str:
    """Run pgBackRest on one repository, as itself numbers them; `before` it stands what starts it."""
    return run_tool(["pgbackrest", f"--stanza={config.stanza}", f"--repo={repository}", *words], before=before)


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
            pgbackrest(config, repository, f"--type={job}", "backup", before=GIVES_WAY)
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


class Span(NamedTuple):
    """Segments of an archive that follow each other on one timeline, by the names of the first and the last."""

    archive: str
    first: str
    last: str


def place(segment: str) -> int:
    """Return the place of a segment in the WAL, counted in segments: its name is timeline, log, segment."""
    return int(segment[8:16], 16) * SEGMENTS_PER_LOG + int(segment[16:24], 16)


def segment_at(timeline: str, number: int) -> str:
    """Name the segment of a timeline at a place."""
    return f"{timeline}{number // SEGMENTS_PER_LOG:08X}{number % SEGMENTS_PER_LOG:08X}"


def archived(config: Config, repository: int) -> dict[str, list[str]]:
    """List the names of the segments that each archive holds, in order."""
    found: dict[str, list[str]] = {}
    for archive, _, file in (name.split("/") for name in segments(config, repository)):
        found.setdefault(archive, []).append(file[:24])
    return found


def turns(timeline: str, history: str) -> Iterator[str]:
    """Name the first and the last segment of each timeline on the way to one; one that was left early has none."""
    begin = 0
    for number, high, low in FORK.findall(history):
        # The segment in which a timeline was left is the next one's, too, and whole only there.
        own, end = f"{int(number):08X}", ((int(high, 16) << 32) + int(low, 16)) // SEGMENT_BYTES
        if begin < end:
            yield from (segment_at(own, begin), segment_at(own, end - 1))
        begin = end
    yield segment_at(timeline, begin)


def ways(config: Config, repository: int, archive: str, timelines: set[str]) -> tuple[set[str], list[str]]:
    """Name the segments at which the ways to some timelines turn, and the histories that are missing or unreadable."""
    found: set[str] = set()
    problems: list[str] = []
    folder = f"archive/{config.stanza}/{archive}"
    # After their segments: PostgreSQL sends a history before them.
    listed = json.loads(pgbackrest(config, repository, "--output=json", "repo-ls", folder)) if timelines else {}
    for timeline in sorted(timelines, reverse=True):
        file = f"{timeline}.history"
        if file not in listed:
            problems.append(f"{archive}/{file} is missing")
        # The way to a later one leads over earlier ones; a restore to one of these asks for its own history.
        elif timeline not in {name[:8] for name in found}:
            try:
                found |= set(turns(timeline, pgbackrest(config, repository, "repo-get", f"{folder}/{file}")))
            except JobError as error:
                problems.append(f"{archive}/{file}: {error}")
    return found, problems


def holes(span: Span, there: Mapping[str, list[str]]) -> list[Span]:
    """Say what the archives lack of a span."""
    timeline = span.first[:8]
    inside = [place(name) for name in there.get(span.archive, []) if span.first <= name <= span.last]
    around = itertools.pairwise([place(span.first) - 1, *inside, place(span.last) + 1])
    return [
        Span(span.archive, segment_at(timeline, before + 1), segment_at(timeline, after - 1))
        for before, after in around
        if after - before > 1
    ]


def needed(
    config: Config, repository: int, sets: list[Span], there: Mapping[str, list[str]]
) -> tuple[list[Span], list[str]]:
    """Say what the archives must hold, from the first to the last segment of each timeline, and what can't be read."""
    spans: list[Span] = []
    problems: list[str] = []
    for archive in sorted({*there, *(span.archive for span in sets)}):
        own = [span for span in sets if span.archive == archive]
        names = {*there.get(archive, []), *(span.first for span in own), *(span.last for span in own)}
        if own:
            # pgBackRest lets go whatever is named before it.
            oldest = min(span.first for span in own)
            turning, unread = ways(config, repository, archive, {name[:8] for name in names if name[:8] > oldest[:8]})
            names |= {name for name in turning if name >= oldest}
            problems += unread
        timelines = [list(group) for _, group in itertools.groupby(sorted(names), key=lambda name: name[:8])]
        spans += [Span(archive, timeline[0], timeline[-1]) for timeline in timelines]
    return spans, problems


def gaps(config: Config, repository: int) -> list[str]:
    """Name the WAL that is missing and the segments around it, and the backups that lack WAL of their own.

    pgBackRest itself calls an archive with gaps valid, and never asks whether the WAL of a backup is there.
    """
    # Before the segments are listed: pgBackRest tells of a backup when its WAL has come.
    [stanza] = json.loads(pgbackrest(config, repository, "--output=json", "info"))
    archives = {one["id"]: f"{one['version']}-{one['id']}" for one in stanza["db"]}
    sets = {
        str(one["label"]): Span(archives[one["database"]["id"]], one["archive"]["start"], one["archive"]["stop"])
        for one in stanza["backup"]
    }
    there = archived(config, repository)
    left, problems = needed(config, repository, list(sets.values()), there)
    left = [hole for span in left for hole in holes(span, there)]
    # Segments are sent side by side, so that one may have come just after pgBackRest listed the one behind it.
    deadline = time.monotonic() + ARRIVED_SECONDS_MAX
    while left and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        there = archived(config, repository)
        left = [hole for span in left for hole in holes(span, there)]
    for archive, first, last in left:
        before, after = segment_at(first[:8], place(first) - 1), segment_at(last[:8], place(last) + 1)
        missing = first if first == last else f"{first} to {last}"
        problems.append(f"{archive}: WAL {missing} is missing (after {before}, before {after})")
    lacking = [label for label, span in sets.items() if holes(span, there)]
    return problems + [f"backup {label} can't be restored: it lacks WAL of its own" for label in lacking]


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
        damaged = DAMAGED.findall(found) + gaps(config, repository)
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
