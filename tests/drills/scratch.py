"""A set restored beside the running cluster on a replica: whether it really opens is all that counts."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.drills.tools import Site

FOLDER = "/var/lib/postgresql/restored-by-hand"  # not where the rehearsal works
REPLAY_SECONDS_MAX = 180
BINARIES = "/usr/lib/postgresql/17/bin"
# Nobody else's: no port, an own socket, nothing archived, and none of what only the cluster's own server may have.
SETTINGS = (
    f"-c listen_addresses= -c unix_socket_directories={FOLDER}/socket -c archive_mode=off -c ssl=off"
    f" -c hba_file={FOLDER}/hba.conf -c logging_collector=off -c shared_buffers=32MB -c huge_pages=off"
    " -c synchronous_standby_names= -c shared_preload_libraries="
)
MAKE = f"""
rm -rf {FOLDER}
install -d -o postgres -g postgres -m 700 {FOLDER} {FOLDER}/data {FOLDER}/spool {FOLDER}/lock {FOLDER}/socket
echo 'local all postgres peer' > {FOLDER}/hba.conf
"""
REMOVE = f"""
if [ -f {FOLDER}/data/postmaster.pid ]; then
  runuser -u postgres -- env -C / {BINARIES}/pg_ctl stop -D {FOLDER}/data -m immediate -t 60 > /dev/null
fi
rm -rf {FOLDER}
"""
OPTIONS = f"--pg1-path={FOLDER}/data --spool-path={FOLDER}/spool --lock-path={FOLDER}/lock"


def restore(site: Site, label: str, *words: str) -> str:
    """The command that restores a set up to where it is consistent, unless `words` name another target."""
    target = " ".join(words) or "--type=immediate --target-action=promote"
    return site.pgbackrest(f"{OPTIONS} --set={label} {target} --archive-mode=off restore")


def ask(sql: str, database: str = "freelance_platform") -> str:
    """The command that asks the restored server."""
    return f'runuser -u postgres -- env -C / psql -XAtq -h {FOLDER}/socket -d {database} -c "{sql}"'


# A server answers before it has replayed all: what it shows then is older than the target.
REPLAYED = f"""
for _ in $(seq {REPLAY_SECONDS_MAX}); do
  if [ "$({ask("select pg_is_in_recovery()", "postgres")})" = f ]; then exit; fi
  sleep 1
done
tail -n 20 {FOLDER}/log >&2
exit 1
"""


@contextmanager
def restored(site: Site, host: str, label: str, *words: str) -> Iterator[None]:
    """Restore a set, start it and wait until it has replayed; it is removed again."""
    start = (
        f"runuser -u postgres -- env -C / {BINARIES}/pg_ctl start -D {FOLDER}/data -w -t 120 -l {FOLDER}/log"
        f' -o "{SETTINGS}" > /dev/null || {{ tail -n 20 {FOLDER}/log >&2; exit 1; }}'
    )
    try:
        site.on(host, f"{MAKE}\n{restore(site, label, *words)}\n{start}\n{REPLAYED}")
        yield
    finally:
        site.on(host, REMOVE)
