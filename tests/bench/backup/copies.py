"""Each way to copy the database and to get it back, one after the other, each from cold caches."""

import re
from datetime import datetime
from typing import Any

from tests.bench.backup.hosts import DATA, DATABASE, SCRATCH, Pair

PARALLEL = 2  # process-max of the platform's roles
# Own folders: the server's own archive goes on beside a restore.
RESTORE = (
    f"pgbackrest --stanza=main --pg1-path={SCRATCH}/restored --spool-path={SCRATCH} --lock-path={SCRATCH}"
    " --log-level-console=info restore"
)
# By its class as freelance-backup begins one (freelance_physical.GIVES_WAY), which takes the platform's backups.
BACKUP = "chrt --idle 0 pgbackrest --stanza=main --log-level-console=info backup --type="
# What pgBackRest is at from the moment at which it says so.
PHASES = (
    (r"(backup|restore) command begin", "looks for hosts, files and the backup before"),
    (r"execute non-exclusive backup start", "waits for the checkpoint"),
    (r"backup start archive", "reads, compresses, encrypts, sends, stores"),
    (r"repo1: restore backup set", "fetches, decrypts, unpacks, writes"),
    (r"execute non-exclusive backup stop", "waits for the last WAL in the archive"),
    (r"new backup label|write updated", "finishes its records, flushes folders"),
)
COUNTED = "SELECT (SELECT count(*) FROM orders_order), (SELECT count(*) FROM accounts_user)"
# As many pages as a hundredth of the database has are written anew: the first of its largest table, or of each table as
# many as it has itself. Whatever the application's triggers think of it.
CHANGE = """
SET session_replication_role = replica;
SELECT format('UPDATE ONLY %s SET %I = %2$I WHERE ctid < ''(%s,0)''', c.oid::regclass, a.attname, {pages})
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relpages >= 100
  AND attnum = (SELECT min(attnum) FROM pg_attribute
    WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity = '')
ORDER BY relpages DESC LIMIT {tables} \\gexec
CHECKPOINT;
"""
IN_ONE_TABLE = CHANGE.format(pages="pg_database_size(current_database()) / 8192 / 100", tables="1")
IN_EACH_TABLE = CHANGE.format(pages="relpages / 100", tables="ALL")


def phases(output: str) -> dict[str, float]:
    """Seconds of each phase, by the times before what pgBackRest printed."""
    lines = re.findall(r"(?m)^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) P00 +\w+: (.*)$", output)
    found: dict[str, float] = {}
    current, since = "", 0.0
    for moment, said in lines:
        now = datetime.fromisoformat(f"{moment}+00:00").timestamp()
        begins = next((name for pattern, name in PHASES if re.match(pattern, said)), "")
        ends = bool(re.match(r"(backup|restore) command end", said))
        if current and (begins or ends):
            found[current] = found.get(current, 0.0) + now - since
        if begins or ends:
            current, since = begins, now
        if ends:
            break
    return found


def measure(pair: Pair, say: Any) -> dict[str, dict[str, Any]]:
    """Figures of each way, by its name: seconds, bytes of the database's files, CPU seconds of both hosts, phases."""
    pair.db.sql("CHECKPOINT")
    size = data_bytes(pair, DATA)
    found: dict[str, dict[str, Any]] = {}

    def take(name: str, script: str, *, on_repo: bool = False, clean: bool = True, of: int = size) -> None:
        say(name)
        pair.db.sh(f"mkdir -p -m 700 {SCRATCH}")
        figures = pair.timed(pair.repo if on_repo else pair.db, script)
        output = figures.pop("output")
        found[name] = {**figures, "bytes": of, "phases": phases(output)}
        if clean:
            pair.db.sh(f"rm -rf {SCRATCH}")

    others = f"find {DATA} -mindepth 1 -maxdepth 1 ! -name pg_wal"
    take(
        "cp -a", f"mkdir {SCRATCH}/copy; {others} -exec cp -a --reflink=never --target-directory={SCRATCH}/copy {{}} +"
    )
    take("pg_basebackup", f"pg_basebackup --pgdata={SCRATCH}/base --checkpoint=fast")
    take("full backup", f"{BACKUP}full", on_repo=True)
    for name, option in (("full restore", ""), ("full restore, 4 processes", " --process-max=4")):
        take(name, f"mkdir -m 700 {SCRATCH}/restored; {RESTORE}{option}", clean=False)
        found[name]["bytes"] = data_bytes(pair, f"{SCRATCH}/restored")
        pair.db.sh(f"rm -rf {SCRATCH}")
    database = int(pair.db.sql(f"SELECT pg_database_size('{DATABASE}')", "postgres"))
    dump = f"--file={SCRATCH}/dump {DATABASE}"
    take("pg_dump", f"pg_dump --format=custom --compress=zstd {dump}", clean=False, of=database)
    # A view of rows is filled by its owner, whom the policies of its tables bind too.
    restore = f"pg_restore --exit-on-error --enable-row-security --jobs={PARALLEL} --dbname=restored {SCRATCH}/dump"
    take(f"pg_restore -j {PARALLEL}", f"createdb restored; {restore}", of=database)
    if (have := pair.db.sql(COUNTED, "restored")) != (wanted := pair.db.sql(COUNTED)):
        raise RuntimeError(f"orders and people of the restored dump: {have}; {wanted} are wanted")
    pair.db.sql("DROP DATABASE restored", "postgres")
    for name, change in (("incremental backup", IN_ONE_TABLE), ("incremental backup, each table", IN_EACH_TABLE)):
        pair.db.sh(f"psql -XAtq -v ON_ERROR_STOP=1 -d {DATABASE} <<'EOF'\n{change}\nEOF")
        take(name, f"{BACKUP}incr", on_repo=True, of=data_bytes(pair, DATA))
    return found


def data_bytes(pair: Pair, folder: str) -> int:
    """Bytes of a data folder's files without its WAL, which no backup of them takes."""
    return int(pair.db.sh(f"du --summarize --bytes --exclude=./pg_wal {folder}/. | cut -f 1"))
