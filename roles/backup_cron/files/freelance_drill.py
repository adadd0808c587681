"""Rehearse a restore: the newest set of a repository comes back in a scratch folder, is replayed, checked and removed.

Two steps on one private server that nobody but the user postgres reaches (a socket in the scratch folder, no TCP):
paused at the chosen time, read-only, it shows that recovery ends where it was told to (every marker before the time,
none after it); then it goes on to the archive's end and is promoted, because only that end tells what a disaster would
have cost (RPO), and because pg_amcheck brings its extension along. The private timeline is never archived.
"""

import json
import shutil
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from freelance_drill_server import Scratch, Server
from freelance_dumps import RESERVE_PERCENT, Config
from freelance_jobs import JobError, write
from freelance_markers import Marker, Socket, read_markers
from freelance_physical import named_damage, pgbackrest

RECORD = "drill-record.json"
ARCHIVED_SECONDS_MAX = 120
MARKER_SECONDS_MAX = 3600  # one is written every few minutes
POLL_SECONDS = 2.0
DIFFERENCES_MAX = 20
NO_APPLICATION = "left out: no command of an application is configured (backup_cron_drill_application_command)"
NEXT_TRANSACTION = "SELECT pg_snapshot_xmax(pg_current_snapshot())"
FIGURES = ("rto_seconds", "rpo_seconds", "bytes", "bytes_per_second")


def next_repository(config: Config) -> int:
    """Number the repository whose turn it is: each is rehearsed in turn."""
    try:
        last = json.loads((Path(config.status_dir) / RECORD).read_text(encoding="utf-8"))
        return int(last["repository"]) % config.repositories + 1
    except (OSError, ValueError, LookupError, TypeError):
        return 1


def held(config: Config, repository: int) -> Mapping[str, Any]:
    """Ask what a repository holds of the stanza."""
    [stanza] = json.loads(pgbackrest(config, repository, "--output=json", "info"))
    return dict(stanza)


def archived_up_to(stanza: Mapping[str, Any]) -> str:
    """Name the newest archived segment of the cluster as it is now, on whichever timeline; empty: none."""
    newest = max(stanza["archive"], key=lambda archive: int(archive["database"]["id"]), default={"max": None})
    return str(newest["max"] or "")


def refuse_old(markers: Sequence[Marker]) -> None:
    """Raise JobError where markers are no longer written: the sets since then would never be rehearsed."""
    age = time.time() - max((marker.written_at_seconds for marker in markers), default=time.time())
    if age > MARKER_SECONDS_MAX:
        raise JobError(
            f"the newest marker is {age:.0f} s old, at most {MARKER_SECONDS_MAX}: `journalctl -t freelance-backup`"
            " on the leader tells why none is written"
        )


def choose(config: Config, repository: int, markers: Sequence[Marker]) -> tuple[Marker, Mapping[str, Any], str]:
    """Choose the newest marker, the newest set that ended before it was written, and name the archive's end.

    The time to recover to is the marker's own: it is committed a moment later, so that it stays out, and its commit in
    the archive is what tells recovery that the time was reached.
    """
    if not markers[:-1]:
        # With nothing to find before the target, a restore of whatever else would be good.
        raise JobError(
            f"no marker row {'before the newest one ' if markers else ''}yet: `freelance-backup marker` on the host"
            " that leads writes one every few minutes"
        )
    marker, deadline = markers[-1], time.monotonic() + ARCHIVED_SECONDS_MAX
    # Timelines (the first eight digits) fork, positions in the WAL only grow.
    while (newest := archived_up_to(stanza := held(config, repository)))[8:] < marker.segment[8:]:
        if time.monotonic() > deadline:
            raise JobError(
                f"WAL segment {marker.segment} with the newest marker has not come within {ARCHIVED_SECONDS_MAX} s,"
                f" the archive ends with {newest or 'nothing'}: see pg_stat_archiver on the leader"
            )
        time.sleep(POLL_SECONDS)
    fitting = [
        one for one in stanza["backup"] if not one["error"] and one["timestamp"]["stop"] < marker.written_at_seconds
    ]
    if not fitting:
        raise JobError(
            "no backup ended before the newest marker was written: run `freelance-backup full`, then `marker`"
        )
    return marker, max(fitting, key=lambda one: int(one["timestamp"]["stop"])), newest


def refuse_without_room(scratch: Path, size: int, wal_room: int) -> None:
    """Raise JobError when the restored bytes, their WAL and a reserve don't fit on the volume."""
    usage = shutil.disk_usage(scratch)
    wanted = size + wal_room + usage.total * RESERVE_PERCENT // 100
    if usage.free < wanted:
        raise JobError(
            f"{scratch}: {usage.free} bytes free, {wanted} wanted ({size} of the set, {wal_room} for WAL,"
            f" {RESERVE_PERCENT} % of the volume in reserve): make room, or give a folder on a larger"
            " volume: backup_cron_drill_scratch_dir"
        )


def compare(live: Sequence[Marker], restored: Sequence[Marker], target: Marker) -> int:
    """Compare restored markers with the live ones; raise JobError for any that is missing, late or altered."""
    expected = {marker.id: marker for marker in live if marker.id < target.id}
    found = {marker.id: marker for marker in restored if marker.id >= live[0].id}
    if late := [marker.id for marker in restored if marker.written_at_seconds >= target.written_at_seconds]:
        raise JobError(f"markers written at or after {target.written_at} were restored: {late}")
    if missing := sorted(expected.keys() - found.keys()):
        raise JobError(f"markers written before {target.written_at} are missing after the restore: {missing}")
    if altered := sorted(number for number, one in found.items() if one != expected.get(number) or not one.is_whole):
        raise JobError(f"markers differ from those of the live cluster, or from their checksums: {altered}")
    return len(found)


def found_rows(config: Config, server: Socket, database: str, target_time: str) -> set[str]:
    """Ask a server's database for the rows that are compared, as who reads for a dump.

    A view of the database's owner must not run as the superuser.
    """
    query = str(config.drill["compare_query"]).replace("{target}", target_time)
    return set(server.ask(query, database=database, user=config.dump_role).splitlines())


def compare_rows(
    config: Config, live: Socket, restored: Socket, target_time: str, databases: Sequence[str]
) -> Mapping[str, int]:
    """Compare what a query finds in databases, live and restored; count the rows of each."""
    query, counts = str(config.drill["compare_query"]), {}
    for database in databases if query else []:
        expected, found = (found_rows(config, each, database, target_time) for each in (live, restored))
        if different := sorted(expected ^ found):
            raise JobError(
                f"{database}: {query} ({target_time}): the live cluster and the restored one differ:"
                f" {different[:DIFFERENCES_MAX]}"
            )
        counts[database] = len(found)
    return counts


def readers(config: Config) -> Sequence[str]:
    """Name the roles that read in the restored cluster besides the superuser: who dumps, and the application's."""
    return [role for role in (config.dump_role, config.drill["application"]["role"]) if role]


def live_committed_seconds(live: Socket, restored: Socket) -> float:
    """Tell when this host's live server last took a commit; a leader doesn't know, so that now counts.

    Where it has ended none newer than those that came back, nothing is lost, however long ago they were.
    """
    if live.ask("SELECT pg_is_in_recovery()") == "t":
        return float(live.ask("SELECT extract(epoch FROM pg_last_xact_replay_timestamp())") or time.time())
    return time.time() if int(live.ask(NEXT_TRANSACTION)) > int(restored.ask(NEXT_TRANSACTION)) else 0.0


def look(config: Config, server: Server, target: Marker, live: Sequence[Marker], record: dict[str, Any]) -> None:
    """Look at the server at the target and at the archive's end; fill the record as far as it gets."""
    checks, began = record["checks"], time.monotonic() - record["restore_seconds"]
    server.start(target.written_at)
    server.wait_until("pg_get_wal_replay_pause_state() = 'paused'")
    record["rto_seconds"] = round(time.monotonic() - began, 3)
    checks["markers"] = compare(live, read_markers(server.socket), target)
    checks["compared_rows"] = compare_rows(config, server.live, server.socket, target.written_at, config.databases)
    application = config.drill["application"]
    checks["application"] = server.checked_by(application) if application["command"] else NO_APPLICATION
    server.stop()
    server.start("")
    server.wait_until("NOT pg_is_in_recovery()")
    live_seconds = live_committed_seconds(server.live, server.socket)
    checks["replayed_to"], committed_seconds, segment = server.replayed_to()
    checks["replayed_segment"] = segment
    if segment < record["archive_end"][8:]:
        raise server.scratch.told(
            f"the WAL ended in segment {segment}, though the archive goes on to {record['archive_end']}"
        )
    # Now, and not when the archive was first asked: by now that end would be here, however long its way had been.
    record["rpo_seconds"] = round(max(0.0, live_seconds - committed_seconds), 3)
    if target not in read_markers(server.socket):
        raise server.scratch.told(
            f"marker {target.id}, whose segment {target.segment} is archived, is missing at the archive's end"
        )
    databases = ["postgres", *(name for name in config.databases if name != "postgres")]
    server.amcheck(databases)
    checks["amcheck"] = databases


def perform(config: Config, record: dict[str, Any]) -> None:
    """Restore, replay, look, remove; fill the record as far as it gets."""
    live = Socket(folder=config.socket_dir, port=config.port)
    scratch = Scratch(
        Path(config.drill["scratch_dir"]),
        stanza=config.stanza,
        repository=record["repository"],
        timeout_seconds=config.drill["timeout_seconds"],
    )
    scratch.clear()  # of a drill that was killed
    markers = read_markers(live)
    refuse_old(markers)
    target, backup, record["archive_end"] = choose(config, record["repository"], markers)
    size = int(backup["info"]["size"])
    record |= {"backup_label": backup["label"], "target_time": target.written_at, "bytes": size}
    refuse_without_room(scratch.folder, size, int(config.drill["wal_room_mib"]) << 20)
    try:
        started = time.monotonic()
        try:
            scratch.restore(str(backup["label"]))
        except JobError as error:
            damaged = named_damage(config, record["repository"], str(backup["label"]))
            raise JobError("\n".join([str(error), *damaged]), error.status) from error
        record["restore_seconds"] = round(time.monotonic() - started, 3)
        record["bytes_per_second"] = round(size / max(record["restore_seconds"], 0.001))
        look(config, Server(scratch, live, readers(config)), target, markers, record)
    finally:
        scratch.clear()


def _interrupted(number: int, _frame: FrameType | None) -> NoReturn:
    raise JobError(f"stopped by signal {number}", 128 + number)


def rehearse(config: Config) -> Mapping[str, float]:
    """Run the drill, leave its record, whether it passed or not, and return its figures."""
    record: dict[str, Any] = {
        "finished": "",
        "ok": False,
        "reason": "",
        "repository": next_repository(config),
        "backup_label": "",
        "target_time": "",
        **dict.fromkeys(FIGURES, 0),
        "checks": {},
    }
    before = signal.signal(signal.SIGTERM, _interrupted)
    try:
        perform(config, record)
        record["ok"] = True
    except Exception as error:
        record["reason"] = str(error) if isinstance(error, JobError) else f"{type(error).__name__}: {error}"
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
        record["finished"] = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
        write(Path(config.status_dir) / RECORD, json.dumps(record, indent=2) + "\n")
    return {f"drill_{name}": float(record[name]) for name in FIGURES} | {"drill_days_max": config.drill["days_max"]}
