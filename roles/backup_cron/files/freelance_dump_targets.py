"""Where a dump is restored to for use: a database beside the live one, or an empty cluster."""

import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from freelance_dump_files import (
    OWN_TABLES,
    Dump,
    apply_globals,
    exists,
    of_table,
    psql,
    refuse_without_room,
    superuser,
    written,
)
from freelance_dumps import Config
from freelance_jobs import JobError, run_tool

SIDE_NAME = re.compile(r"[a-z_][a-z0-9_]{0,51}")
PARTIAL = "__partial"
NEAR_MAX = 10
TABLES = f"SELECT count(*) {OWN_TABLES}"
# What makes a database and belongs to it as a whole.
OF_DATABASE = re.compile(r"^\d+; \d+ \d+ (DATABASE|DATABASE PROPERTIES|(ACL|COMMENT|SECURITY LABEL) - DATABASE) ")


def pg_restore(options: Iterable[str], database: str, dump: Dump, *words: str) -> None:
    """Restore, and stop at the first error."""
    # Without row security a materialised view that its tables' owner fills, under policies that hold for it too, is
    # refused. Rows come in by the superuser, whom no policy holds.
    how = ["--exit-on-error", "--enable-row-security", f"--jobs={min(os.cpu_count() or 1, 4)}"]
    run_tool(["pg_restore", *how, *options, f"--dbname={database}", *words, str(dump.path)])


def refuse_replica(config: Config) -> Path:
    """Raise JobError where nothing can be written; return the server's folder of data."""
    if psql(superuser(config), "postgres", "SELECT pg_is_in_recovery()") == "t":
        raise JobError(f"{config.member} is a replica: restore on the leader (patronictl list)")
    return Path(psql(superuser(config), "postgres", "SHOW data_directory"))


def drop(options: Iterable[str], database: str) -> None:
    """Remove a database, whoever is connected."""
    psql(options, "postgres", f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")


def drop_half(options: Iterable[str], database: str, *, check: bool) -> int:
    """Remove what a killed run has left: it takes the room of this one. With `check` tell how many bytes it would give.

    Removed, it is free room already: 0.
    """
    if not exists(options, half := database + PARTIAL):
        return 0
    if check:
        return int(psql(options, "postgres", f"SELECT pg_database_size('{half}')"))
    drop(options, half)
    return 0


@contextmanager
def until_whole(options: Iterable[str], database: str) -> Iterator[str]:
    """Give a database another name until it is whole: half of one is never taken for a restored one."""
    partial = database + PARTIAL
    drop(options, partial)
    try:
        yield partial
        psql(options, "postgres", f"ALTER DATABASE {partial} RENAME TO {database}")
    except BaseException:
        # A server that is gone or follows another keeps it, and the next run removes it: what ended this one counts.
        with suppress(JobError):
            drop(options, partial)
        raise


def refuse_side(config: Config, dump: Dump, side: str, table: str) -> None:
    """Raise JobError for a name that is taken or none, and for a table that isn't in the dump."""
    live = {*config.databases, dump.database, "postgres", "template0", "template1"}
    # What ends in PARTIAL is half a database to the next run, which removes it.
    if not SIDE_NAME.fullmatch(side) or side in live or side.endswith(PARTIAL):
        raise JobError(
            f"{side}: a side database has a name of its own (not {', '.join(sorted(live))}) of 1 to 52 of a-z, 0-9, _"
            f" that doesn't end in {PARTIAL}"
        )
    if exists(superuser(config), side):
        raise JobError(f"the database {side} exists: choose another name, or remove it: dropdb {side}")
    if table and table not in dump.tables:
        near = [one for one in dump.tables if one.partition(".")[2].startswith(table.partition(".")[2][:4])]
        raise JobError(
            f"the table {table} is not in {dump.path.name}: give SCHEMA.TABLE, one of"
            f" {', '.join((near or dump.tables)[:NEAR_MAX])} …"
        )


def restore_beside(config: Config, dump: Dump, side: str, table: str, *, check: bool = False) -> dict[str, float]:
    """Restore a database, or one table of it, into a new database of the live cluster."""
    options = superuser(config)
    data_dir = refuse_replica(config)
    refuse_side(config, dump, side, table)
    coming = drop_half(options, side, check=check)
    refuse_without_room(config, dump, data_dir, table, coming=coming)
    if check:
        return {}
    started = time.monotonic()
    script = run_tool(["pg_restore", "--create", "--schema-only", "--file=-", str(dump.path)])
    [creation] = re.findall(r"^CREATE DATABASE \S+ (WITH .*;)$", script, re.MULTILINE)
    with until_whole(options, side) as partial:
        psql(options, "postgres", f"CREATE DATABASE {partial} {creation}")
        # It holds what the live one guards by its own grants: nobody enters but the superuser.
        psql(options, "postgres", f"REVOKE ALL ON DATABASE {partial} FROM PUBLIC")
        if table:
            restore_table(options, partial, dump, table, Path(config.scratch_dir))
        else:
            pg_restore(options, partial, dump)
    measured = {"bytes": int(psql(options, "postgres", f"SELECT pg_database_size('{side}')"))}
    if table:
        measured["rows"] = int(psql(options, side, f"SELECT count(*) FROM {table}"))  # noqa: S608  plain
    return {**measured, "seconds": round(time.monotonic() - started, 1)}


def restore_table(options: Iterable[str], database: str, dump: Dump, table: str, folder: Path) -> None:
    """Restore all definitions, the rows of one table and of its partitions, and what needs no other rows."""
    pg_restore(options, database, dump, "--section=pre-data")
    with written(of_table(dump, table), folder) as chosen:
        pg_restore(options, database, dump, "--section=data", "--section=post-data", f"--use-list={chosen}")


def create_as_dumped(options: Iterable[str], database: str, dump: Dump, folder: Path) -> None:
    """Create what a dump is of under another name: with its locale, owner, grants and settings, and nothing in it."""
    lines = run_tool(["pg_restore", "--create", "--list", str(dump.path)]).splitlines()
    with written("\n".join(filter(OF_DATABASE.match, lines)) + "\n", folder) as chosen:
        script = run_tool(["pg_restore", "--create", f"--use-list={chosen}", "--file=-", str(dump.path)])
    # pg_restore knows no other name than the dump's.
    script = re.sub(rf"^(.*? DATABASE|\\connect) {dump.database}\b", rf"\1 {database}", script, flags=re.MULTILINE)
    with written(script, folder) as file:
        terse = ["--set=ON_ERROR_STOP=1", "--set=VERBOSITY=terse"]
        run_tool(["psql", "-Xq", *terse, *options, "--dbname=postgres", f"--file={file}"])


def refuse_tables(options: Iterable[str], database: str) -> None:
    """Raise JobError where a database has tables: a full recovery takes the place of an empty one."""
    if exists(options, database) and (tables := int(psql(options, database, TABLES))):
        raise JobError(
            f"the database {database} holds {tables} tables, an empty cluster is wanted (0): it was not"
            " touched. To look at a dump, restore it into a side database (restore_database.yml)"
        )


def restore_cluster(config: Config, dump: Dump, globals_path: Path | None, *, check: bool = False) -> dict[str, float]:
    """Bring globals and a database back into a cluster that has none of its tables."""
    options = superuser(config)
    data_dir = refuse_replica(config)
    if dump.database not in config.databases:
        raise JobError(f"{dump.path} is of {dump.database}, this cluster serves {', '.join(config.databases)}")
    if globals_path is None:
        raise JobError(f"no globals lie beside {dump.path}: name the file with the roles of its run (globals_WHEN.sql)")
    refuse_tables(options, dump.database)
    coming = drop_half(options, dump.database, check=check)
    refuse_without_room(config, dump, data_dir, coming=coming)
    if check:
        return {}
    started = time.monotonic()
    apply_globals(options, globals_path, Path(config.dump_dir))
    with until_whole(options, dump.database) as partial:
        create_as_dumped(options, partial, dump, Path(config.dump_dir))
        pg_restore(options, partial, dump)
        run_tool(["vacuumdb", "--analyze-only", *options, f"--dbname={partial}"])
        # The empty one that the platform's play has made: still empty, hours later?
        refuse_tables(options, dump.database)
        drop(options, dump.database)
    return {
        "tables": int(psql(options, dump.database, f"SELECT count(*) {OWN_TABLES}")),
        "bytes": int(psql(options, "postgres", f"SELECT pg_database_size('{dump.database}')")),
        "seconds": round(time.monotonic() - started, 1),
    }
