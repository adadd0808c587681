"""What drills have in common: the archive as alert rules see it, the repository, and ways to take it away."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.host import health, plan
from tests.host.environment import Environment
from tests.proofs.tools import Members, healthy, leader_of, psql, script

PORT = 8432
# Enough for most of a segment, and the next one begun.
FILL_SEGMENT = ("select pg_logical_emit_message(false, 'drill', repeat('x', 12000000))", "select pg_switch_wal()")
# Of the application: what each environment has rows in, and no job changes by itself.
TABLES = (
    "accounts_skill",
    "common_release",
    "django_migrations",
    "gigs_category",
    "messaging_messagetemplate",
    "reviews_reviewtemplate",
)
# Without quotation marks, which a shell may stand around.
CONTENT = "select '{0}', count(*), md5(string_agg(t::text, ',' order by t::text)) from {0} t"
# Name, count and checksum of each.
CONTENTS = " union all ".join(map(CONTENT.format, TABLES)) + " order by 1"
# With the settings of the application, by its own user, in the release that the rebuild has made.
MANAGE = "runuser -u freelance -- ../venv/bin/python manage.py"
CHECK = f"cd /opt/freelance-platform/current/app; {MANAGE} check --database default 2>&1"
# Before the platform's own rules, in a table of its own: one thing to remove.
DROP = (
    "nft add table inet drill; nft 'add chain inet drill input { type filter hook input priority -10; }';"
    f" nft add rule inet drill input tcp dport {PORT} drop"
)
# archive_timeout, and what a segment needs to arrive.
RPO_SECONDS_MAX = 65
# As when the power goes: nobody says goodbye.
LOSE = "date +%s.%N; systemctl kill --kill-whom=all --signal=KILL patroni.service etcd.service pgbouncer.service"
# A backup that a drill takes and holds.
UNIT = "drill-backup.service"
# What stands in for the repository's server.
SERVER = "drill-server.service"
# A file that a drill damages, and where it lies.
KEPT = "/root/drill-kept"
PUT_BACK = f'if [ -f {KEPT}/where ]; then mv {KEPT}/file "$(cat {KEPT}/where)"; fi; rm -rf {KEPT}'
# What a drill that was killed may have left on the repository's host.
UNDO = (
    f"{PUT_BACK}; nft delete table inet drill 2> /dev/null || true; systemctl stop {SERVER} 2> /dev/null || true;"
    f" systemctl start pgbackrest.service;"
    f" systemctl kill --signal=KILL {UNIT} 2> /dev/null || true"
)
TAKE_AWAY = {"refused": "systemctl stop pgbackrest.service", "dropped": DROP}
GIVE_BACK = {"refused": "systemctl start pgbackrest.service", "dropped": "nft delete table inet drill"}


@dataclass(frozen=True)
class Site:
    """The lab with its cluster, its archive and the host of its repository."""

    lab: Environment
    members: Members
    repository: str

    def podman(self, verb: str, host: str) -> None:
        """Act on a host from outside."""
        subprocess.run(["podman", verb, f"{self.lab.name}-{host}"], check=True, capture_output=True, timeout=60)

    def answers(self, host: str, command: str = "true") -> bool:
        """Whether a command succeeds on a host, which may not listen yet."""
        try:
            return bool(self.lab.connection(host).run(command).rc == 0)
        except RuntimeError:
            return False

    @property
    def leader(self) -> str:
        """Name the host that leads now."""
        return leader_of(self.members())

    @property
    def replicas(self) -> list[str]:
        """Name the others."""
        leader = self.leader
        return [name for name in self.lab.hosts("database") if name != leader]

    @property
    def stanza(self) -> str:
        """What the archive is called."""
        return str(self.lab.declared(self.repository)["backup_repository_stanza"])

    @property
    def cluster(self) -> str:
        """What Patroni calls the cluster."""
        return f"{self.lab.name}-{self.lab.declared(self.repository)['platform_cluster']}"

    def on(self, host: str, text: str) -> str:
        """Run a script on a host as root; each of its commands must succeed."""
        return script(self.lab, host, text)

    def settled(self) -> bool:
        """Whether the cluster is healthy and its archive keeps up."""
        found = self.members()
        return healthy(found, len(self.lab.hosts("database"))) and not self.alerts(leader_of(found))

    # ---- the archive
    def query(self, host: str, name: str) -> dict[str, Any]:
        """One row of a query of the host verification."""
        database, text = plan.QUERIES[name]
        words = psql(f"select row_to_json(q) from ({text}) q", database=database)  # noqa: S608 — the repository's own
        return dict(json.loads(self.on(host, words)))

    def alerts(self, leader: str) -> list[str]:
        """What the host verification and alert rules say of the leader's archive now."""
        queue, archiver = self.query(leader, "archive_queue"), self.query(leader, "archiver")
        limits = self.lab.declared(leader)["platform_thresholds"]
        return health.archive(queue, archiver, archiver["failed_count"], limits)

    def queued(self, leader: str) -> int:
        """Count the segments that wait for the repository."""
        return int(self.query(leader, "archive_queue")["segments"])

    def fill_segment(self, leader: str) -> str:
        """Write about a segment of WAL and begin the next; the name of the one that is complete."""
        return self.on(leader, psql("select pg_walfile_name(pg_current_wal_lsn())", *FILL_SEGMENT)).split()[0]

    @contextmanager
    def unreachable(self, way: str) -> Iterator[None]:
        """Take the repository's server away: connections are `refused`, or packets `dropped` without an answer."""
        self.on(self.repository, TAKE_AWAY[way])
        try:
            yield
        finally:
            self.on(self.repository, GIVE_BACK[way])

    # ---- the repository
    def pgbackrest(self, words: str) -> str:
        """The command that runs pgBackRest as cron's jobs do."""
        return f"runuser -u postgres -- env -C / pgbackrest --stanza={self.stanza} {words}"

    def info(self) -> dict[str, Any]:
        """What pgBackRest says of the repository."""
        [found] = json.loads(self.on(self.repository, self.pgbackrest("--output=json info")))
        return dict(found)

    def labels(self) -> list[str]:
        """Name the sets that are offered for a restore, oldest first."""
        return [backup["label"] for backup in self.info()["backup"]]

    def archived(self) -> str:
        """Name the newest segment in the repository."""
        return str(max(each["max"] or "" for each in self.info()["archive"]))

    def job(self, name: str) -> str:
        """Run a job of the repository's host as cron does; it must succeed. What it said."""
        return self.on(self.repository, f"runuser -u postgres -- env -C / freelance-backup {name} --here 2>&1")

    def failing_job(self, name: str) -> str:
        """Run a job that must fail; what it said."""
        return self.on(
            self.repository,
            f"if said=$(runuser -u postgres -- env -C / freelance-backup {name} --here 2>&1);"
            ' then echo "it succeeded: $said" >&2; exit 1; fi; printf \'%s\\n\' "$said"',
        )
