"""Dumps as files: found here or in a repository, looked at before anything is made of them."""

import dataclasses
import gzip
import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from freelance_dumps import NAME, RESERVE_PERCENT, TOOK, Config, local
from freelance_jobs import JobError, run_tool
from freelance_shipping import fetch, streamed

HEADER = re.compile(r"^; +(dbname|Format|Dumped from database version): (\S+)", re.MULTILINE)
TABLE = re.compile(r"^\d+; \d+ \d+ TABLE (\S+) (\S+) \S+$", re.MULTILINE)
# Of a dump that doesn't say what its database took: zstd makes our rows about a fifth of their size in tables with
# indexes; the rest is for safety.
GROWTH = 8
# What a row takes that its text doesn't show: a header, numbers that are longer than their digits, entries in indexes.
# Twice both is 1.1 times what three numbers with four indexes were measured to take, and 1.7 times what long texts do.
ROW_BYTES = 60
SPARE_BYTES = 256 * 1024**2  # a new server's own files, and WAL meanwhile
NAMED_MAX = 5
# Of what follows the rows of one table: what needs those of other tables, or acts by itself.
FOREIGN = re.compile(r"^\d+; \d+ \d+ (FK CONSTRAINT|TRIGGER|EVENT TRIGGER|MATERIALIZED VIEW DATA|PUBLICATION)\b")
DATA = re.compile(r"^\d+; \d+ \d+ TABLE DATA (\S+) (\S+) ")
ATTACHED = re.compile(r"^ALTER TABLE ONLY (\S+) ATTACH PARTITION (\S+) ", re.MULTILINE)
# Of what carries verifiers nothing comes into the server's log, the audit log or pg_stat_statements.
UNSEEN = (
    "-c log_statement=none -c log_min_duration_statement=-1 -c log_min_error_statement=panic -c pgaudit.log=none"
    " -c pg_stat_statements.track=none -c search_path=pg_catalog"
)
# Tables of a database but those of its extensions.
OWN_TABLES = """FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS
 (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')"""
# What may stand in a query as it is.
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dump:
    """A dump that was read to its end."""

    path: Path
    database: str
    major: int  # version of PostgreSQL that it was taken of
    tables: list[str]  # SCHEMA.TABLE
    took_bytes: int = 0  # by the database when it was dumped; 0: nobody wrote it down


def psql(options: Iterable[str], database: str, query: str) -> str:
    """Ask a server one thing as the superuser, or have it do one. Functions of the database's owner are not found."""
    terse = ["--set=ON_ERROR_STOP=1", "--set=VERBOSITY=terse"]
    asking = ["psql", "-XAtq", *terse, *options, f"--dbname={database}", f"--command={query}"]
    return run_tool(asking, environment={**os.environ, "PGOPTIONS": "-c search_path=pg_catalog"}).strip()


def superuser(config: Config) -> list[str]:
    """Give the options of a superuser's connection to this host's server."""
    return local(config, "postgres")


def exists(options: Iterable[str], database: str) -> bool:
    """Say whether a server has a database."""
    query = f"SELECT count(*) FROM pg_database WHERE datname = '{database}'"  # noqa: S608  a plain name
    return psql(options, "postgres", query) == "1"


def major_of(options: Iterable[str]) -> int:
    """Tell a server's major version."""
    return int(psql(options, "postgres", "SHOW server_version_num")) // 10_000


def beside(path: Path, kind: str) -> list[str]:
    """Name the files that hold a kind of the same run as a dump."""
    found = NAME.fullmatch(path.name)
    return [f"{kind}_{found['when']}.sql", f"{kind}_{found['when']}.sql.gz"] if found else []


def find(config: Config, name: str, folder: Path) -> Path:
    """Find a file: a path is one of this host, a bare name one of the folder of dumps or else of a repository."""
    path = Path(name)
    if not path.is_absolute():
        if path.name != name or not NAME.fullmatch(name):
            raise JobError(
                f"{name}: give an absolute path, or the bare name of a dump as full_backup_DATABASE_WHEN.dump"
            )
        path = Path(config.dump_dir) / name
        if not path.exists():
            if not config.shipping:
                raise JobError(f"{path} does not exist, and this host ships no dumps: name one of {config.dump_dir}")
            return fetch(config, name, folder)
    if not path.is_file():
        near = sorted(Path(config.dump_dir).glob("full_backup_*.dump"), reverse=True)[:NAMED_MAX]
        raise JobError(f"{path}: no such file; the newest dumps here: {', '.join(map(str, near)) or 'none'}")
    if not os.access(path, os.R_OK):
        raise JobError(f"{path} can't be read by postgres: chown postgres: {path}")
    return path


def of_its_run(config: Config, dump: Path, name: str, kind: str, folder: Path) -> Path | None:
    """Find a kind of file of the same run as a dump, which was asked for by `name`."""
    kept = beside(dump, kind)
    for path in (dump.parent / one for one in kept):
        if path.is_file():
            return path
    return fetch(config, kept[-1], folder) if kept and config.shipping and not Path(name).is_absolute() else None


def globals_of(config: Config, dump: Path, name: str, given: str, folder: Path) -> Path | None:
    """Find the globals that belong to a dump, which was asked for by `name`: those given, else those of its run."""
    return find(config, given, folder) if given else of_its_run(config, dump, name, "globals", folder)


def plain(path: Path) -> str:
    """Read SQL, compressed or not."""
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode()


def took(config: Config, dump: Dump, name: str, folder: Path) -> int:
    """Tell what a dump's database took, as the schema of the same run says; 0 where it doesn't, or isn't there."""
    try:
        schema = of_its_run(config, dump.path, name, f"schema_{dump.database}", folder)
        said = re.findall(TOOK.format(r"(\d+)"), plain(schema)) if schema else []
    except (JobError, OSError, EOFError, ValueError, zlib.error):
        return 0  # a guess is left
    return int(said[-1]) if said else 0


def look(config: Config, path: Path) -> Dump:
    """Read a dump to its end; what is none of ours, or ends too early, raises JobError."""
    wanted = "a dump of pg_dump --format=custom is wanted"
    try:
        listing = run_tool(["pg_restore", "--list", str(path)])
    except JobError as error:
        raise JobError(f"{path} ({path.stat().st_size} bytes) can't be read, {wanted}:\n{error}") from error
    header = dict(HEADER.findall(listing))
    if (form := header.get("Format", "none")) != "CUSTOM":
        raise JobError(f"{path} has the format {form}: {wanted}")
    try:
        # What it contains stands at its beginning: only reading all of it shows whether its end is there.
        run_tool(["pg_restore", f"--file={os.devnull}", str(path)])
    except JobError as error:
        raise JobError(
            f"{path} is damaged or cut off after {path.stat().st_size} bytes: take an older dump, or the shipped one"
            f" by its bare name:\n{error}"
        ) from error
    dump = Dump(
        path=path,
        database=header["dbname"],
        major=int(header["Dumped from database version"].partition(".")[0]),
        tables=[".".join(found) for found in TABLE.findall(listing)],
    )
    if strange := [name for name in (dump.database, *dump.tables) if not PLAIN.fullmatch(name)]:
        raise JobError(f"{path}: the name {strange[0]} has more in it than letters, digits and _: restore it by hand")
    if dump.major > (here := major_of(superuser(config))):
        raise JobError(f"{path} was taken of PostgreSQL {dump.major}, here is {here}: restore it into a newer server")
    return dump


@contextmanager
def written(text: str, folder: Path) -> Iterator[str]:
    """Have a text in a file, gone afterwards; gives its path."""
    with tempfile.NamedTemporaryFile("w", dir=folder, encoding="utf-8") as file:
        file.write(text)
        file.flush()
        yield file.name


def of_table(dump: Dump, table: str) -> str:
    """List what a dump has of one table and its partitions: rows, and what follows them and needs no other rows."""
    # Whoever has lost the table can't ask a server which partitions it had.
    script = run_tool(["pg_restore", "--section=pre-data", "--file=-", str(dump.path)]).replace('"', "")
    family = {table}
    while more := {child for parent, child in ATTACHED.findall(script) if parent in family} - family:
        family |= more
    listing = run_tool(["pg_restore", "--list", "--section=data", "--section=post-data", str(dump.path)])
    lines = [line for line in listing.splitlines() if not FOREIGN.match(line)]
    kept = [line for line in lines if not (data := DATA.match(line)) or f"{data[1]}.{data[2]}" in family]
    return "\n".join(kept) + "\n"


def size_of_rows(config: Config, dump: Dump, table: str) -> int:
    """Tell how many bytes the rows of one table that a dump holds will take, with their indexes."""
    size = rows = 0
    with written(of_table(dump, table), Path(config.scratch_dir)) as chosen:
        for part in streamed(["pg_restore", "--section=data", f"--use-list={chosen}", "--file=-", str(dump.path)]):
            size += len(part)
            rows += part.count(b"\n")
    return 2 * (size + ROW_BYTES * rows)


def size_here(config: Config, dump: Dump, table: str = "") -> int:
    """Tell how large what a dump holds is in this host's server, 0 when it isn't there."""
    options = superuser(config)
    if not exists(options, dump.database):
        return 0
    if not table:
        return int(psql(options, "postgres", f"SELECT pg_database_size('{dump.database}')"))
    tree = f"pg_partition_tree(to_regclass('{table}'))"
    family = f"SELECT to_regclass('{table}') UNION SELECT relid FROM {tree}"  # noqa: S608  plain
    size = f"SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM ({family}) AS family (oid)"  # noqa: S608  plain
    return int(psql(options, dump.database, size))


def size_restored(config: Config, dump: Dump, table: str) -> tuple[int, str]:
    """Tell how many bytes what a dump holds will take, and how that is known."""
    here = size_here(config, dump, table)
    if table:
        # Here it may be emptied or gone, which is why it is wanted back; or have more indexes than most.
        other = size_of_rows(config, dump, table)
        how = f"the larger of its size here, {here}, and {other} for its rows in the dump"
    else:
        other = GROWTH * dump.path.stat().st_size
        how = f"the larger of its size here, {here}, and {GROWTH} times the dump"
    size = max(here, other)
    # Indexes are sorted beside what is there already.
    known = dump.took_bytes * 11 // 10
    if dump.took_bytes and (known < size or not table):
        return known, f"a tenth more than the {dump.took_bytes} that were dumped"
    return size, how


def refuse_without_room(config: Config, dump: Dump, folder: Path, table: str = "", *, coming: int = 0) -> None:
    """Raise JobError when a disk has too little room for what a dump holds, or for the WAL that it becomes.

    `folder` is the live server's, or the one of what is only looked at. `coming` bytes will be free by then.
    """
    size, how = size_restored(config, dump, table)
    usage, spare, remedy = shutil.disk_usage(folder), SPARE_BYTES, "make room there"
    looking = folder == Path(config.scratch_dir)
    if looking:
        # What is only looked at leaves room to the live server, whose volume it may be.
        spare += usage.total * RESERVE_PERCENT // 100
        remedy += ", or give a folder on a larger volume: backup_cron_scratch_dir"
    if (free := usage.free + coming) < (wanted := size + spare):
        raise JobError(f"{folder}: {free} bytes free, {wanted} wanted ({how}, and {spare} to spare): {remedy}")
    if looking:
        return
    # A checkpoint lets WAL go, and comes when there is this much of it.
    kept = int(psql(superuser(config), "postgres", "SELECT pg_size_bytes(current_setting('max_wal_size'))"))
    wanted = min(size, kept)
    if (free := shutil.disk_usage(wal := folder / "pg_wal").free) < wanted:
        raise JobError(
            f"{wal}: {free} bytes free, {wanted} wanted (the smaller of what the dump holds and max_wal_size,"
            f" {kept}): see that the archive keeps up, or enlarge the volume"
        )


def apply_globals(options: Iterable[str], path: Path, folder: Path) -> None:
    """Make the roles of a globals file that a server lacks, all or none: those that it has are left as they are."""
    there = set(psql(options, "postgres", "SELECT rolname FROM pg_roles").splitlines())
    wanted = folder / "globals.sql"
    # From a file and tersely: passwords, though hashed, are in no argument list and no message, and stay nowhere.
    terse = ["--set=ON_ERROR_STOP=1", "--set=VERBOSITY=terse"]
    try:
        with wanted.open("w", encoding="utf-8") as target:
            for line in plain(path).splitlines(keepends=True):
                found = re.match(r'(?:CREATE|ALTER) ROLE "?([^" ;]+)"?', line)
                if not (found and found[1] in there):
                    target.write(line)
        # Half made, a role would be taken for one that is there, and stay without its password.
        making = ["psql", "-Xq", "--single-transaction", *terse, *options, "--dbname=postgres", f"--file={wanted}"]
        run_tool(making, environment={"PGOPTIONS": UNSEEN})
    finally:
        wanted.unlink(missing_ok=True)
