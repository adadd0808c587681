"""Everything that the platform installs, altered behind its back: what is done on a host, and who must name it.

Each file, unit and parameter; what SQL grants and sets is in access_alterations.
"""

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.host.environment import Environment
from tests.proofs import access_alterations
from tests.proofs.tools import psql, script

TLS = "/etc/ssl/platform"
UNITS = "/etc/systemd/system"
HOST_FILES = [
    "/etc/apt/apt.conf.d/20auto-upgrades",
    "/etc/apt/apt.conf.d/52unattended-upgrades-platform",
    "/etc/hosts",
    "/etc/locale.conf",
    "/etc/nftables.conf",
    "/etc/security/limits.d/60-platform.conf",
    "/etc/sysctl.d/60-platform.conf",
    "/etc/systemd/journald.conf.d/60-platform.conf",
    "/etc/systemd/system.conf.d/60-platform.conf",
]
ARCHIVE_FILES = ["/etc/pgbackrest/pgbackrest.conf", f"{UNITS}/pgbackrest.service"]
BACKUP_FILES = [
    "/etc/cron.d/freelance-backup",
    "/etc/freelance-backup.json",
    "/usr/local/lib/freelance-backup/freelance_drill.py",
    "/usr/local/lib/freelance-backup/freelance_drill_server.py",
    "/usr/local/lib/freelance-backup/freelance_dump_files.py",
    "/usr/local/lib/freelance-backup/freelance_dump_targets.py",
    "/usr/local/lib/freelance-backup/freelance_dump_verification.py",
    "/usr/local/lib/freelance-backup/freelance_dumps.py",
    "/usr/local/lib/freelance-backup/freelance_markers.py",
    "/usr/local/lib/freelance-backup/freelance_physical.py",
    "/usr/local/lib/freelance-backup/freelance_shipping.py",
    "/usr/local/lib/freelance-jobs/freelance_jobs.py",
    "/usr/local/sbin/freelance-backup",
    "/usr/local/sbin/freelance-restore",
    f"{UNITS}/cron.service.d/platform.conf",
]
MAINTENANCE_FILES = [
    "/etc/cron.d/freelance-maintenance",
    "/etc/freelance-maintenance.json",
    "/usr/local/lib/freelance-maintenance/freelance_capacity.py",
    "/usr/local/lib/freelance-maintenance/freelance_reports.py",
    "/usr/local/lib/freelance-maintenance/freelance_upkeep.py",
    "/usr/local/lib/freelance-maintenance/freelance_upkeep_server.py",
    "/usr/local/sbin/freelance-maintenance",
]
CACHE_FILES = ["/etc/valkey/users.acl", "/etc/valkey/valkey.conf"]
DATABASE_FILES = [
    "/etc/freelance-backup.pgpass",
    "/etc/haproxy/haproxy.cfg",
    "/etc/patroni/config.yml",
    "/etc/pgbouncer/pg_hba.conf",
    "/etc/pgbouncer/pgbouncer.ini",
    "/etc/pgbouncer/userlist.txt",
    "/etc/postgresql-common/createcluster.d/platform.conf",
    "/etc/postgresql/platform/pg_hba.conf",
    "/etc/postgresql/platform/pg_ident.conf",
    "/usr/local/sbin/reload-database-endpoint",
    f"{UNITS}/haproxy.service.d/platform.conf",
    f"{UNITS}/patroni.service.d/volumes.conf",
    f"{UNITS}/pgbouncer.service.d/platform.conf",
]
ETCD_FILES = [f"{UNITS}/etcd.service.d/platform.conf"]
RELEASE_FILES = [
    "/etc/cron.d/freelance-application",
    "/etc/freelance-application.json",
    "/etc/freelance-platform/app.env",
    "/etc/freelance-platform/keys.json",
    "/etc/freelance-platform/owner.env",
    "/usr/local/sbin/freelance-job",
]
RELEASE = "/opt/freelance-platform/current"
# What is appended where a comment would not do. The rule is loaded at once, so it is in force too.
APPENDED = {
    "/etc/freelance-application.json": "",
    "/etc/freelance-backup.json": "",
    "/etc/freelance-maintenance.json": "",
    "/etc/freelance-platform/keys.json": "",
    "/etc/postgresql/platform/pg_hba.conf": "host all all 0.0.0.0/0 trust",
    "/etc/valkey/users.acl": "user stranger on nopass ~* &* +@all",
}
# Secrets keep a task from telling a path; its own name does.
NAMED = {
    "/etc/freelance-platform/app.env": r"Write the application's settings",
    "/etc/freelance-platform/keys.json": r"Write the keys of encrypted columns",
    "/etc/freelance-platform/owner.env": r"Write the owner's settings",
    "/etc/freelance-backup.pgpass": r"Write the password for a dump",
    "/etc/patroni/config.yml": r"Write Patroni's configuration",
    "/etc/pgbackrest/pgbackrest.conf": r"Write pgbackrest\.conf",
    "/etc/pgbouncer/userlist.txt": r"Write the list of the two users",
    "/etc/valkey/users.acl": r"Write the access list",
}
UNCHECKED = {
    "/etc/freelance-platform/app.env": "a check builds no release, and the altered one has to be built anew",
    "/etc/freelance-platform/keys.json": "the same",
    "/etc/freelance-platform/owner.env": "the same",
}
STOPPED = "a check starts no unit, and what runs is compared only where the unit is in order"


@dataclass(frozen=True)
class Alteration:
    """What is done on a host, and a pattern of what a changed task of that host says about it."""

    host: str
    what: str
    script: str
    named: str
    # Told once for the cluster, by whichever of its hosts asks.
    cluster: bool = False
    # Why `--check` can't tell it beside the other alterations; empty: it can.
    unchecked: str = ""
    # Why it is not made; empty: it is.
    unmade: str = ""


def of(lab: Environment, leader: str) -> list[Alteration]:
    """All of them, for the cluster as it is led now."""
    # The cluster first, as a unit that is stopped may be the one asked.
    return [*_cluster(lab, leader), *_hosts(lab, leader), *_release(lab), *_units(lab, leader)]


def files(lab: Environment, host: str) -> list[str]:
    """The paths of all files that roles write on a host, certificates and mount units apart."""
    groups = {
        "all": HOST_FILES,
        "database": [*ARCHIVE_FILES, *BACKUP_FILES, *MAINTENANCE_FILES, *DATABASE_FILES],
        "repository": [*ARCHIVE_FILES, *BACKUP_FILES, *MAINTENANCE_FILES],
        "cache": CACHE_FILES,
        "etcd": ETCD_FILES,
    }
    found = {path for group, paths in groups.items() if host in lab.hosts(group) for path in paths}
    return sorted(found | set(RELEASE_FILES if host == lab.hosts("database")[0] else []))


def mounts(lab: Environment, host: str) -> list[str]:
    """The mount units of a host; none of our mount points needs more than a dash escaped."""
    points = [volume["mount"].strip("/") for volume in lab.declared(host)["platform_host"]["volumes"]]
    return [f"{point.replace('-', chr(92) + 'x2d').replace('/', '-')}.mount" for point in points]


def _escaped(text: str) -> str:
    """As a pattern: `re.escape` would escape what needs none and be hard to read in a failure."""
    return text.replace("\\", "\\\\").replace(".", r"\.")


def _release(lab: Environment) -> Iterator[Alteration]:
    """The jobs' folders, and each file of the application; its environment is left as it is, for a check runs it."""
    first = lab.hosts("database")[0]
    for folder in ("/var/backups/freelance-application", "/var/lib/freelance-application"):
        yield Alteration(first, f"mode of {folder}", f"chmod 0777 {folder}", _escaped(folder))
    find = f"find -L {RELEASE}/MANIFEST {RELEASE}/app -type f ! -path '*/__pycache__/*' ! -name .env"
    # All have one reporter.
    append = f'{find} -exec sh -c \'for file; do echo "# altered" >> "$file"; done\' sh {{}} +'
    for host in lab.hosts("database"):
        for path in script(lab, host, find).splitlines():
            yield Alteration(host, path, append, r"Compare the release on the host|Unpack it and make its virtual")


def _hosts(lab: Environment, leader: str) -> Iterator[Alteration]:
    for host in lab.hosts("all"):
        for path in files(lab, host):
            text = APPENDED.get(path, "# altered behind the back")
            yield Alteration(
                host,
                path,
                f"printf '%s\n' {shlex.quote(text)} >> {path}",
                NAMED.get(path, _escaped(path)),
                unchecked=UNCHECKED.get(path, ""),
            )
        for unit in mounts(lab, host):
            path = f"{UNITS}/{unit}"
            yield Alteration(host, path, f"echo '# altered' >> '{path}'", _escaped(f"{path}: content"))
            yield Alteration(host, f"{unit} disabled", f"systemctl disable '{unit}'", _escaped(f"{unit}: not enabled"))
        yield Alteration(host, "live rules", "nft add chain inet platform stranger", r"(?s)Set the firewall.*- live")
        yield Alteration(host, "shell", "usermod --shell /usr/sbin/nologin freelance", r"usermod .*freelance")
        yield Alteration(host, "authority's mode", f"chmod 0666 {TLS}/ca.crt", rf"{TLS}/ca\.crt")
        names = [one["name"] for one in lab.declared(host)["tls_certificate_certificates"]]
        for name in names:
            yield Alteration(host, f"{name}.key", f"chmod 0644 {TLS}/{name}.key", rf"{TLS}/{name}\.key")
    for host in lab.hosts("database"):
        # Of another key: each is mended before its service is asked to load it.
        yield Alteration(
            host, "certificate", f"cat {TLS}/haproxy.crt > {TLS}/pgbouncer.crt", r"pgbouncer: it belongs to"
        )
        yield Alteration(host, "haproxy.pem", f"echo '# altered' >> {TLS}/haproxy.pem", rf"{TLS}/haproxy\.pem")
        for folder in ("/var/backups/postgresql", "/etc/pgbackrest", "/etc/postgresql/platform"):
            yield Alteration(host, f"mode of {folder}", f"chmod 0777 {folder}", _escaped(folder))
        yield Alteration(
            host, "mode of a volume", "chmod 0755 /var/lib/postgresql-wal", r"/var/lib/postgresql-wal: owner or mode"
        )
        system = psql("alter system set random_page_cost = 9", "select pg_reload_conf()")
        down = STOPPED if host == _without_patroni(lab, leader) else ""
        yield Alteration(host, "ALTER SYSTEM", system, "random_page_cost", unchecked=down)
        unmask = f"rm {UNITS}/postgresql.service"
        yield Alteration(host, "masked unit", unmask, rf"{UNITS}/postgresql\.service")
    for host in lab.hosts("cache"):
        copy = f"cat {TLS}/pgbackrest.crt > {TLS}/valkey.crt"
        yield Alteration(host, "certificate", copy, r"valkey: it belongs to")


def _without_patroni(lab: Environment, leader: str) -> str:
    """The standby that is stopped; not the first host, which asks for the cluster's own settings."""
    return next(name for name in lab.hosts("database")[1:] if name != leader)


def _units(lab: Environment, leader: str) -> Iterator[Alteration]:
    """Each unit disabled; those stopped whose end takes nothing from the others."""
    # Patroni and etcd end on different hosts: a leader, a standby and two members of etcd stay in any case.
    without_patroni = _without_patroni(lab, leader)
    without_etcd = next(name for name in reversed(lab.hosts("database")) if name != without_patroni)
    stopped = {
        "nftables": lab.hosts("all"),
        "cron": lab.hosts("all"),
        "pgbackrest": [*lab.hosts("database"), *lab.hosts("repository")],
        "valkey-server": lab.hosts("cache"),
        "pgbouncer": [without_patroni],
        "haproxy": [without_patroni],
        "patroni": [without_patroni],
        "etcd": [without_etcd],
    }
    units = {host: ["nftables", "cron"] for host in lab.hosts("all")}
    for host in lab.hosts("database"):
        units[host] = [*units[host], "pgbackrest", "patroni", "haproxy", "pgbouncer"]
    for group, unit in (("etcd", "etcd"), ("repository", "pgbackrest"), ("cache", "valkey-server")):
        for host in lab.hosts(group):
            units[host] = [*units[host], unit]
    for host, names in units.items():
        for name in names:
            now = "--now " if host in stopped.get(name, []) else ""
            what = f"{name} {'stopped and ' if now else ''}disabled"
            yield Alteration(host, what, f"systemctl disable {now}{name}.service", rf"name: {name}(\.service)?\b")


def _cluster(lab: Environment, leader: str) -> Iterator[Alteration]:
    first, secret = lab.hosts("database")[0], lab.secret("etcd_root_password")
    yield from _access(lab, leader)
    yield Alteration(
        leader, "a role nobody declared", psql("create role stranger login"), r"undeclared_roles:\n- stranger"
    )
    edit = "runuser -u postgres -- patronictl -c /etc/patroni/config.yml edit-config --force --quiet"
    # Gone from the cluster's settings, so that PostgreSQL goes back to its defaults; without what awaits a restart.
    live = script(lab, first, psql("select name from pg_settings where context <> 'postmaster'")).splitlines()
    single = {"work_mem": "-p work_mem=3MB", "maximum_lag_on_failover": "-s maximum_lag_on_failover=7"}
    gone = sorted(lab.declared(first)["__patroni_parameters"].keys() & set(live) - single.keys())
    words = " ".join(f"-p {name}=null" for name in gone)
    for name in gone:
        yield Alteration(first, f"parameter {name} gone", f"{edit} {words}", setting(name), cluster=True)
    for name, words in {**single, "deadlock_timeout": "-p deadlock_timeout=7s"}.items():
        yield Alteration(first, f"dynamic setting {words}", f"{edit} {words}", setting(name), cluster=True)
    console = "psql -XAtq -h /run/pgbouncer -p 6432 -U pgbouncer -d pgbouncer -c 'SET default_pool_size = 3'"
    # Its altered certificate has it reloaded before its settings are compared, which undoes this one too.
    pooler = r"default_pool_size\|3\b|Reload the users of the certificates"
    yield Alteration(leader, "live pooler", f"runuser -u postgres -- {console}", pooler)
    etcdctl = (
        f"export ETCDCTL_API=3 ETCDCTL_USER=root:{secret} ETCDCTL_CACERT={TLS}/ca.crt"
        " ETCDCTL_ENDPOINTS=https://127.0.0.1:2379; etcdctl"
    )
    # Passwords are near: the task tells nothing but its name.
    named = "Require passwords"
    yield Alteration(leader, "stranger in etcd", f"{etcdctl} user add stranger:pw-of-a-stranger", named, cluster=True)
    yield Alteration(
        leader, "wider role in etcd", f"{etcdctl} role grant-permission patroni read --prefix /x/", named, cluster=True
    )
    yield Alteration(leader, "wider user in etcd", f"{etcdctl} user grant-role patroni root", named, cluster=True)


def _access(lab: Environment, leader: str) -> Iterator[Alteration]:
    """All of a database in one statement of one client: there are hundreds."""
    found = access_alterations.of(lab, leader)
    made: dict[str, list[str]] = {}
    for one in found:
        if one.statement:
            made.setdefault(one.database, []).append(one.statement)
    scripts = {database: psql("; ".join(statements), database=database) for database, statements in made.items()}
    for one in found:
        script_of_it = scripts[one.database] if one.statement else ""
        yield Alteration(leader, one.what, script_of_it, one.named, unmade=one.why)


def static_parameters(lab: Environment, leader: str) -> list[str]:
    """The declared parameters that count from a restart on."""
    static = script(lab, leader, psql("select name from pg_settings where context = 'postmaster'")).splitlines()
    return sorted(lab.declared(leader)["__patroni_parameters"].keys() & set(static))


def setting(name: str) -> str:
    """The pattern of a cluster's setting in the list of those that differ."""
    return rf"(?ms)Settings \| Tell what differs\n.*^{_escaped(name)}: "


def of_the_running_cache(lab: Environment) -> Iterator[Alteration]:
    """What the cache keeps in memory alone: apart from the others, as a cache that is stopped forgets it."""
    for host in lab.hosts("cache"):
        user, password = lab.declared(host)["cache_operator_user"], lab.secret("cache_operator_password")
        socket = "/run/valkey/valkey-server.sock"
        client = f"export REDISCLI_AUTH={password}; valkey-cli -e -s {socket} --user {user}"
        policy = f"{client} config set maxmemory-policy noeviction"
        yield Alteration(host, "live setting of the cache", policy, "noeviction")
        # The file with the stranger is put back once it is loaded.
        access, kept = "/etc/valkey/users.acl", "/root/users.acl.kept"
        stranger = (
            f"cp -p {access} {kept}; echo '{APPENDED[access]}' >> {access}; {client} acl load; cp -p {kept} {access}"
        )
        yield Alteration(host, "live access list", f"{stranger}; rm {kept}", "the live access list is not the one")


def by_host(alterations: Iterable[Alteration]) -> dict[str, str]:
    """One script for each host, with what several alterations share once. Files come first, as some are then loaded."""
    texts: dict[str, dict[str, str]] = {}
    for one in alterations:
        texts.setdefault(one.host, {})[one.script] = one.what
    return {
        host: "\n".join(f"( {script}; ) >/dev/null </dev/null # {what}" for script, what in lines.items())
        for host, lines in texts.items()
    }
