"""The drill's scratch folder and the private server in it."""

import os
import re
import shutil
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from freelance_jobs import JobError, run_tool
from freelance_markers import Socket
from freelance_physical import place, segment_at, turns

POLL_SECONDS = 0.5
STOP_SECONDS_MAX = 30
LAST_LINES = 15
# What a server says that has asked the archive for one segment more, and was not given it.
ARCHIVE_ENDED = r"recovery ended before configured recovery target|selected new timeline ID"
GENTLY = ["ionice", "-c", "2", "-n", "7"]  # the processor is left to others by freelance-backup as a whole
# Recovery waits for ever with less than the server had whose WAL is replayed: names in pg_controldata, and of settings.
AS_MUCH = {
    "max_connections": "max_connections",
    "max_worker_processes": "max_worker_processes",
    "max_wal_senders": "max_wal_senders",
    "max_prepared_xacts": "max_prepared_transactions",
    "max_locks_per_xact": "max_locks_per_transaction",
}
# All that a drill makes in its folder.
OWN = {
    *("data", "socket", "lock", "spool", "tablespaces", "server.log"),
    *("postgresql.conf", "pg_hba.conf", "pg_ident.conf"),
}
# How each program is ended at once; postgres ends its children itself.
ENDED_BY = {"postgres": signal.SIGQUIT, "pgbackrest": signal.SIGTERM, "initdb": signal.SIGTERM}


def run_gently(
    argv: Sequence[str], *, environment: Mapping[str, str] | None = None, timeout_seconds: float | None = None
) -> str:
    """Run a program that leaves the processor and the disk to the live server, and return its output."""
    try:
        return run_tool([*GENTLY, *argv], environment=environment, timeout_seconds=timeout_seconds)
    except JobError as error:
        raise JobError(str(error).replace(GENTLY[0], argv[0], 1), error.status) from error


def processes_in(folder: Path) -> dict[int, signal.Signals]:
    """List what has a folder in its arguments or works in it, also of a run that was killed, and what ends each.

    No file is asked for a number: after the host's crash it may be another server's by now.
    """
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            argv = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            # A server works in its data; initdb's has no argument that says so.
            works_in = f"{(entry / 'cwd').readlink()}/"
        except OSError:
            continue  # no process, another user's, or gone meanwhile
        number = ENDED_BY.get(Path(argv[0]).name)
        if number and entry.name.isdecimal() and any(f"{folder}/" in word for word in (*argv, works_in)):
            found[int(entry.name)] = number
    return found


def end_all_in(folder: Path) -> None:
    """End what runs in a folder, by force after 30 s; return when nothing runs there any more."""
    deadline = time.monotonic() + STOP_SECONDS_MAX
    while left := processes_in(folder):
        for process, number in left.items():
            try:
                os.kill(process, number if time.monotonic() < deadline else signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(POLL_SECONDS)


def access(readers: Sequence[str]) -> Mapping[str, str]:
    """Give the files that let the system user postgres in, as the superuser and as readers (peer), and nobody else."""
    rules = "".join(f"local all {role} peer map=drill\n" for role in readers)
    return {
        "pg_hba.conf": f"local all postgres peer\n{rules}",
        "pg_ident.conf": "".join(f"drill postgres {role}\n" for role in readers),
    }


def checked_by(application: Mapping[str, Any], socket_dir: Path, timeout_seconds: float) -> str:
    """Let an application's own command look at a server; return the command and what it said last."""
    command: list[str] = application["command"]
    environment = {
        name: value.replace("{socket}", str(socket_dir)) for name, value in application["environment"].items()
    }
    said = run_gently(command, environment=environment, timeout_seconds=timeout_seconds)
    return f"{' '.join(command)}: {(said.strip().splitlines() or ['exit status 0'])[-1]}"


class Scratch:
    """A folder that is the drill's alone: what lies in it, and what runs in it, goes."""

    def __init__(self, folder: Path, *, stanza: str, repository: int, timeout_seconds: float) -> None:
        self.folder, self.timeout_seconds = folder, timeout_seconds
        self.data, self.socket, self.log = folder / "data", folder / "socket", folder / "server.log"
        # Apart from the live server's own archiving. Nothing is fetched ahead: what is asked for is what is replayed.
        self.pgbackrest = [
            *("pgbackrest", f"--stanza={stanza}", f"--repo={repository}", f"--pg1-path={self.data}"),
            *(f"--lock-path={folder}/lock", "--log-level-file=off", "--log-level-console=warn"),
        ]

    def clear(self) -> None:
        """End what runs here and empty the folder. JobError when it holds what no drill makes: nothing is removed."""
        if strange := sorted(path.name for path in self.folder.iterdir() if path.name not in OWN):
            raise JobError(
                f"{self.folder} holds {strange[0]}, which no drill made: give the drill a folder of its own"
                " (backup_cron_drill_scratch_dir)"
            )
        end_all_in(self.folder)
        for path in self.folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def restore(self, label: str) -> None:
        """Fetch a set. Folders that are links on the live server (WAL) become plain ones."""
        for path in (self.data, self.socket, self.folder / "lock", self.folder / "spool"):
            path.mkdir(mode=0o700)
        where = [f"--tablespace-map-all={self.folder}/tablespaces", f"--spool-path={self.folder}/spool"]
        command = [*self.pgbackrest, f"--set={label}", "--type=default", *where, "restore"]
        run_gently(command, timeout_seconds=self.timeout_seconds)

    def after(self, segment: str, log: str) -> str:
        """Name the segment that recovery asks for after one, by the histories that its log names."""
        following, timelines = place(segment) + 1, [segment[:8]]
        if histories := re.findall(r'restored log file "([0-9A-F]{8})\.history"', log):
            with suppress(OSError):
                history = (self.data / f"pg_wal/{max(histories)}.history").read_text(encoding="utf-8")
                timelines += [name[:8] for name in turns(max(histories), history) if place(name) <= following]
        return segment_at(max(timelines), following)

    def told(self, what: str) -> JobError:
        """Make an error that ends with what the server and its archive-get said last."""
        try:
            log = self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return JobError(what)
        given = re.findall(r'restored log file "([0-9A-F]{24})"', log)
        archive = f"\nThe archive gave all segments up to {given[-1]}." if given else ""
        # A segment that is not there has no message of its own: recovery ends.
        if given and re.search(ARCHIVE_ENDED, log):
            archive = f"{archive[:-1]}, and not the next one, {self.after(given[-1], log)}."
        last = "\n".join(log.splitlines()[-LAST_LINES:])
        return JobError(f"{what}{archive}\nThe restored server said last:\n{last}")


class Server:
    """The private server: its socket in the scratch folder, no TCP, the system user postgres alone (peer)."""

    def __init__(self, scratch: Scratch, live: Socket, readers: Sequence[str]) -> None:
        self.scratch, self.live, self.readers = scratch, live, readers
        self.socket = Socket(folder=scratch.socket, port=5432)
        self.binaries = Path(live.ask("SELECT setting FROM pg_config WHERE name = 'BINDIR'"))

    def control(self) -> Mapping[str, str]:
        """Read what the restored cluster says of itself."""
        told = run_tool([str(self.binaries / "pg_controldata"), str(self.scratch.data)], environment={"LC_ALL": "C"})
        return dict(re.findall(r"^(.+?)(?: setting)?: +(.*)$", told, re.MULTILINE))

    def settings(self, target_time: str) -> str:
        """Write postgresql.conf; without a time recovery goes to the end of the archive and the server is promoted."""
        control = self.control()
        # What the live server has by now may come up in the WAL.
        enough = {name: max(int(control[told]), int(self.live.ask(f"SHOW {name}"))) for told, name in AS_MUCH.items()}
        values = {
            **enough,
            "hba_file": self.scratch.folder / "pg_hba.conf",
            "ident_file": self.scratch.folder / "pg_ident.conf",
            "listen_addresses": "",
            "unix_socket_directories": self.scratch.socket,
            "unix_socket_permissions": "0700",
            "port": self.socket.port,
            # The live server has reserved the huge pages for itself.
            "huge_pages": "off",
            "shared_buffers": "64MB",
            "maintenance_work_mem": "64MB",
            "max_wal_size": "256MB",
            "autovacuum": "off",
            # Of extensions whose libraries are not loaded here.
            "event_triggers": "off",
            # The private timeline is nobody's.
            "archive_mode": "off",
            "restore_command": " ".join([*self.scratch.pgbackrest, "--no-archive-async", "archive-get", "%f", '"%p"']),
            "recovery_target_time": target_time,
            "recovery_target_action": "pause" if target_time else "promote",
        }
        quoted = {name: str(value).replace("'", "''") for name, value in values.items()}
        return "".join(f"{name} = '{value}'\n" for name, value in quoted.items())

    def start(self, target_time: str) -> None:
        """Start it; pg_ctl waits until it answers, which a server in recovery does once its data are consistent."""
        folder = self.scratch.folder
        # Settings of the live cluster, and pgBackRest's own way to the archive: all of it stands in postgresql.conf.
        files = {"data/postgresql.auto.conf": "", "postgresql.conf": self.settings(target_time), **access(self.readers)}
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        limit = ["-w", "-t", str(int(self.scratch.timeout_seconds)), "-l", str(self.scratch.log)]
        self._control("start", *limit, "-o", f"-c config_file={folder}/postgresql.conf")

    def stop(self) -> None:
        """Stop it in order, so that the next start goes on from here."""
        self._control("stop", "-w", "-m", "fast")

    def wait_until(self, question: str) -> None:
        """Wait until the server answers a question with yes; one that can't go on ends by itself."""
        deadline = time.monotonic() + self.scratch.timeout_seconds
        try:
            while self.socket.ask(f"SELECT {question}") != "t":
                if time.monotonic() > deadline:
                    raise JobError(f"after {self.scratch.timeout_seconds} s still not so: {question}")
                time.sleep(POLL_SECONDS)
        except JobError as error:
            raise self.scratch.told(str(error)) from error

    def replayed_to(self) -> tuple[str, float, str]:
        """Tell when the newest restored commit was made, as text and in seconds, and in which segment the WAL ended."""
        # The byte before the end: the end itself may be the first of a segment that was never archived.
        segment_bytes = int(self.control()["Bytes per WAL segment"])
        told = self.socket.ask(
            "SELECT pg_last_xact_replay_timestamp(), extract(epoch FROM pg_last_xact_replay_timestamp()),"
            " (pg_last_wal_replay_lsn() - '0/0' - 1)::bigint"
        )
        text, seconds, last_byte = told.split("|")
        number, per_log = int(last_byte) // segment_bytes, 2**32 // segment_bytes
        return text, float(seconds or 0), f"{number // per_log:08X}{number % per_log:08X}"

    def checked_by(self, application: Mapping[str, Any]) -> str:
        """Let an application's own command look at this server; return the command and what it said last."""
        return checked_by(application, self.scratch.socket, self.scratch.timeout_seconds)

    def amcheck(self, databases: Sequence[str]) -> None:
        """Check every table and index of databases, each index against its whole table."""
        check = [str(self.binaries / "pg_amcheck"), "--install-missing", "--heapallindexed", *self.socket.options]
        for database in databases:
            run_gently([*check, database], timeout_seconds=self.scratch.timeout_seconds)

    def _control(self, *words: str) -> None:
        try:
            run_gently([str(self.binaries / "pg_ctl"), words[0], "-D", str(self.scratch.data), *words[1:]])
        except JobError as error:
            raise self.scratch.told(str(error)) from error
