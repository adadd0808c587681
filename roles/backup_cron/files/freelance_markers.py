"""Marker rows, which tell after a restore where it ended: written by whichever host leads, read by the drill.

A table of the platform's own in the database `postgres`, apart from the application's. Each row says in which segment
of the WAL it lies, which is closed at once: what the archive ends with tells the drill whether the marker is in it.
"""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from freelance_jobs import run_tool

SECONDS_MAX = 120  # a commit waits for a standby that is gone
DATABASE = "postgres"
THERE = "SELECT to_regclass('platform.restore_marker') IS NOT NULL"
MADE = (
    "CREATE SCHEMA IF NOT EXISTS platform",
    "REVOKE ALL ON SCHEMA platform FROM PUBLIC",
    "CREATE TABLE IF NOT EXISTS platform.restore_marker (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " written_at timestamptz NOT NULL, wal_segment text NOT NULL, checksum text NOT NULL)",
)
# The checksum is of what the row says, made by the server that wrote it.
WRITTEN = (
    "INSERT INTO platform.restore_marker (written_at, wal_segment, checksum)"
    " SELECT at, segment, encode(sha256(convert_to(extract(epoch FROM at)::text || ' ' || segment, 'UTF8')), 'hex')"
    " FROM (SELECT clock_timestamp() AS at, pg_walfile_name(pg_current_wal_insert_lsn()) AS segment) AS made",
    # 30 days: no restore goes back further.
    "DELETE FROM platform.restore_marker WHERE written_at < clock_timestamp() - interval '30 days'",
    # archive_timeout would close it within a minute: no segment more is made than without it.
    "SELECT pg_switch_wal()",
)
READ = (
    "SELECT id, extract(epoch FROM written_at)::text,"
    " to_char(written_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00'),"
    " wal_segment, checksum FROM platform.restore_marker ORDER BY id"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Marker:
    """One row; `epoch` is its time as the server prints it, to the microsecond."""

    id: int
    epoch: str
    written_at: str
    segment: str
    checksum: str

    @property
    def written_at_seconds(self) -> float:
        """The time as a number."""
        return float(self.epoch)

    @property
    def is_whole(self) -> bool:
        """Whether it still says what it said when it was written."""
        return hashlib.sha256(f"{self.epoch} {self.segment}".encode()).hexdigest() == self.checksum


@dataclasses.dataclass(frozen=True, kw_only=True)
class Socket:
    """A server of this host, reached by its socket (peer), as the superuser if nobody else is named."""

    folder: str | Path
    port: int

    @property
    def options(self) -> list[str]:
        """The options of a connection as the superuser."""
        return self.options_of("postgres")

    def options_of(self, user: str) -> list[str]:
        """The options of a connection as one of the server's roles."""
        return [f"--host={self.folder}", f"--port={self.port}", f"--username={user}", "--no-password"]

    def ask(self, *statements: str, database: str = DATABASE, user: str = "postgres") -> str:
        """Run statements, each in a transaction of its own, and return what the last printed."""
        # psql runs all of one --command in one transaction: a segment would be closed before the commit.
        asking = ["psql", "-XAtq", "--set=ON_ERROR_STOP=1", *self.options_of(user), f"--dbname={database}"]
        return run_tool([*asking, *(f"--command={one}" for one in statements)], timeout_seconds=SECONDS_MAX).strip()


def leads(server: Socket) -> bool:
    """Say whether this host's server takes writes."""
    return server.ask("SELECT pg_is_in_recovery()") == "f"


def write_marker(server: Socket) -> Mapping[str, float]:
    """Write a row, forget old ones, close the segment."""
    if server.ask(THERE) != "t":
        server.ask("SET client_min_messages = warning", *MADE)
    server.ask(*WRITTEN)
    return {"markers": float(server.ask("SELECT count(*) FROM platform.restore_marker"))}


def read_markers(server: Socket) -> Sequence[Marker]:
    """Read all rows, the oldest first; none where no marker was ever written."""
    if server.ask(THERE) != "t":
        return []
    rows = [line.split("|") for line in server.ask(READ).splitlines()]
    return [
        Marker(id=int(number), epoch=epoch, written_at=text, segment=segment, checksum=checksum)
        for number, epoch, text, segment, checksum in rows
    ]
