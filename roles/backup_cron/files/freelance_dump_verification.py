"""A dump is verified: restored into a server of its own, and what came of it is looked at."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from freelance_drill import NO_APPLICATION, found_rows, readers
from freelance_drill_server import access, checked_by, end_all_in
from freelance_dump_files import (
    OWN_TABLES,
    Dump,
    apply_globals,
    exists,
    major_of,
    psql,
    refuse_without_room,
    superuser,
)
from freelance_dump_targets import TABLES, pg_restore
from freelance_dumps import NAME, Config
from freelance_jobs import JobError, run_tool
from freelance_markers import Socket

SERVER = "server"
STAMP, ISO = "%Y%m%d_%H%M%S", "%Y-%m-%d %H:%M:%S+00"


def programs_of(major: int | str) -> Path:
    """Name the folder of what Debian puts in nobody's path, of a version."""
    return Path(f"/usr/lib/postgresql/{major}/bin")


def remove_server(config: Config) -> None:
    """End a scratch server and remove its folder, where there is one: a verification that was killed has left it.

    Without the live server, which may be away by now, and without programs, which an upgrade may have removed.
    """
    folder = Path(config.scratch_dir) / SERVER
    if not folder.exists():
        return
    end_all_in(folder)
    shutil.rmtree(folder)


@contextmanager
def scratch_server(config: Config) -> Iterator[list[str]]:
    """Run a server of its own in a scratch folder, reached by its socket alone; gone afterwards, however it goes."""
    folder = Path(config.scratch_dir) / SERVER
    programs = programs_of(major_of(superuser(config)))
    control = [str(programs / "pg_ctl"), f"--pgdata={folder / 'data'}"]
    remove_server(config)
    folder.mkdir(mode=0o700)
    settings = {
        "archive_mode": "off",
        "fsync": "off",
        "full_page_writes": "off",
        "listen_addresses": "",
        "max_wal_senders": "0",
        "shared_buffers": "64MB",
        # Extensions of the platform want to be loaded at the start.
        "shared_preload_libraries": psql(superuser(config), "postgres", "SHOW shared_preload_libraries"),
        "unix_socket_directories": str(folder),
        "wal_level": "minimal",
    }
    try:
        making = [str(programs / "initdb"), f"--pgdata={folder / 'data'}", "--no-sync", "--username=postgres"]
        making += ["--auth=peer", "--encoding=UTF8", "--locale=C.UTF-8"]
        run_tool([*making, *(word for name, value in settings.items() for word in ("--set", f"{name}={value}"))])
        for name, text in access(readers(config) if config.drill else []).items():
            (folder / "data" / name).write_text(text, encoding="utf-8")
        run_tool([*control, "--wait", f"--log={folder / 'log'}", "start"])
        yield [f"--host={folder}", "--port=5432", "--username=postgres", "--no-password"]
    finally:
        remove_server(config)


def look_as_a_drill_does(config: Config, dump: Dump, folder: Path) -> dict[str, float | str]:
    """Compare rows with the live database's, as of the dump's time, and let the application check what was restored."""
    if dump.database not in config.databases:
        dumped = ", ".join(config.databases)
        return {"application": f"left out: {dump.database} is none of the databases that are dumped here ({dumped})"}
    if not (exists(superuser(config), dump.database) and int(psql(superuser(config), dump.database, TABLES))):
        return {"application": f"left out: {dump.database} is empty here, a release comes with its migrations"}
    figures: dict[str, float | str] = {}
    if config.drill.get("compare_query") and (found := NAME.fullmatch(dump.path.name)):
        live, restored = Socket(folder=config.socket_dir, port=config.port), Socket(folder=folder, port=5432)
        taken, now = (time.strftime(ISO, moment) for moment in (time.strptime(found["when"], STAMP), time.gmtime()))
        expected, found_then = (found_rows(config, each, dump.database, taken) for each in (live, restored))
        # Of a later release, migrations. That another cluster's differ is told; to judge is for the application.
        newer = found_rows(config, live, dump.database, now) - found_rows(config, restored, dump.database, now)
        counted = {"compared_rows": expected & found_then, "differing_rows": expected ^ found_then, "newer_rows": newer}
        figures = {name: len(rows) for name, rows in counted.items()}
    told, application = NO_APPLICATION, config.drill.get("application", {})
    if application.get("command"):
        told = checked_by(application, folder, config.drill["timeout_seconds"])
    return {**figures, "application": told}


def verify(config: Config, dump: Dump, globals_path: Path | None, *, check: bool = False) -> dict[str, float | str]:
    """Restore a dump into a scratch server, check what came of it, remove it again."""
    scratch = Path(config.scratch_dir)
    refuse_without_room(config, dump, scratch)
    if check:
        return {}
    started = time.monotonic()
    with scratch_server(config) as options:
        folder = scratch / SERVER
        if globals_path is None:
            globals_path = folder / "roles.sql"
            live = ["pg_dumpall", "--roles-only", "--no-role-passwords", *superuser(config)]
            run_tool([*live, f"--file={globals_path}"])
        apply_globals(options, globals_path, folder)
        pg_restore(options, "postgres", dump, "--create")
        # Every row of every table must be in each index, and each page must be readable.
        amcheck = str(programs_of((folder / "data/PG_VERSION").read_text(encoding="utf-8").strip()) / "pg_amcheck")
        run_tool([amcheck, "--heapallindexed", "--install-missing", *options, f"--database={dump.database}"])
        tables = int(psql(options, dump.database, TABLES))
        if tables != len(dump.tables):
            raise JobError(f"{dump.path}: {tables} tables came of {len(dump.tables)} that it names")
        count = "query_to_xml(format('SELECT count(*) AS n FROM %I.%I', n.nspname, c.relname), false, true, '')"
        rows = f"SELECT coalesce(sum((xpath('//n/text()', {count}))[1]::text::bigint), 0) {OWN_TABLES}"
        keys = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conparentid = 0"
        return {
            "tables": tables,
            # Of a partitioned table its partitions count.
            "rows": int(psql(options, dump.database, f"{rows} AND c.relkind = 'r'")),
            "foreign_keys": int(psql(options, dump.database, keys)),
            "bytes": int(psql(options, dump.database, f"SELECT pg_database_size('{dump.database}')")),
            **look_as_a_drill_does(config, dump, folder),
            "seconds": round(time.monotonic() - started, 1),
        }
