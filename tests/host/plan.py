"""What to look at on a host of each kind. The answers are in collect.py's words."""

from typing import Any

from tests.host import compare
from tests.host.environment import Environment
from tests.host.expect import MANAGED_FILES, TLS, TLS_LISTENERS, groups_of, port_of

APP = "freelance_platform"
UNITS = {
    "all": ["ssh.service", "nftables.service", "chrony.service"],
    "database": [
        "patroni.service",
        "pgbouncer.service",
        "haproxy.service",
        "pgbackrest.service",
        "cron.service",
        "postgresql.service",
        "postgresql@17-main.service",
    ],
    "etcd": ["etcd.service"],
    "repository": ["pgbackrest.service", "cron.service"],
    "cache": ["valkey-server.service"],
}
FILES = {
    "all": ["/etc/ssl/platform", "/etc/ssl/platform/*", "/etc/cron.d/*", "/etc/hosts"],
    "database": [
        "/etc/patroni/config.yml",
        "/etc/pgbouncer/*",
        "/etc/haproxy/*",
        "/run/haproxy/loaded",
        "/run/pgbouncer/loaded",
        "/etc/pgbackrest/*",
        "/etc/postgresql/platform/*",
        "/etc/freelance-backup.pgpass",
        "/etc/freelance-platform/*",
        "/opt/freelance-platform/current",
        "/var/lib/postgresql/17/main",
        "/var/lib/postgresql/17/main/pg_wal",
        "/var/lib/postgresql-wal/17/main",
        "/var/backups/freelance-application",
        "/var/backups/postgresql",
        "/var/backups/postgresql/*",
        "/var/spool/pgbackrest/archive/*/out/*",
        "/var/lib/freelance-backup/drill.since",
    ],
    "etcd": ["/etc/default/etcd", "/etc/etcd/*", "/var/lib/etcd", "/var/lib/etcd/*"],
    "repository": ["/etc/pgbackrest/*", "/var/lib/pgbackrest"],
    "cache": ["/etc/valkey/*"],
}
LIST_RULES = ["nft", "--stateless", "list", "ruleset"]
# A network namespace of its own: what is loaded there is in force nowhere, and nft prints it in its own words.
LOAD_APART = ["unshare", "--net", "sh", "-c", f'printf %s "$1" | nft --file - && {" ".join(LIST_RULES)}', "sh"]
TRANSPARENT_HUGE_PAGES = "/sys/kernel/mm/transparent_hugepage"
# As a client that knows the authority and no password.
ETCD = ["env", "ETCDCTL_API=3", "etcdctl", f"--cacert={TLS}/ca.crt", "--endpoints=https://127.0.0.1:2379"]
PATRONI = ["patronictl", "-c", "/etc/patroni/config.yml"]
QUERIES = {
    "in_recovery": ["postgres", "select pg_is_in_recovery() as value"],
    "settings": ["postgres", "select name, setting, unit, vartype, pending_restart, source from pg_settings"],
    "hba": [
        "postgres",
        "select type, database, user_name, address, netmask, auth_method, coalesce(options, '{}') as options, error"
        " from pg_hba_file_rules order by rule_number",
    ],
    "ident": [
        "postgres",
        "select map_name, sys_name, pg_username, error from pg_ident_file_mappings order by map_number",
    ],
    # The two views above read the files: a file that is newer than the last load is not what the server goes by.
    "unloaded_files": [
        "postgres",
        "select setting as file from pg_settings, pg_stat_file(setting) as s"
        " where name in ('hba_file', 'ident_file') and s.modification > pg_conf_load_time()",
    ],
    "roles": [
        "postgres",
        "select rolname, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolcanlogin,"
        " rolconnlimit, rolpassword like 'SCRAM-SHA-256$%' as scram,"
        " array(select g.rolname from pg_auth_members m join pg_roles g on g.oid = m.roleid where m.member = a.oid"
        " order by 1) as member_of from pg_authid a where rolname !~ '^pg_'",
    ],
    "databases": [
        "postgres",
        "select datname, pg_get_userbyid(datdba) as owner, datlocprovider, datlocale,"
        " pg_encoding_to_char(encoding) as encoding from pg_database where not datistemplate",
    ],
    "replication": [
        "postgres",
        "select application_name, state, sync_state, pg_wal_lsn_diff(sent_lsn, replay_lsn)::bigint as lag_bytes"
        " from pg_stat_replication where application_name !~ 'pg_basebackup'",
    ],
    "replication_tls": [
        "postgres",
        "select r.application_name, coalesce(s.ssl, false) as ssl, r.client_addr from pg_stat_replication r"
        " left join pg_stat_ssl s using (pid)",
    ],
    "archiver": [
        "postgres",
        "select last_archived_wal, extract(epoch from now() - last_archived_time)::int as age_seconds,"
        " failed_count, last_failed_time > last_archived_time as failing from pg_stat_archiver",
    ],
    # Segments that are complete and not in the repository; what is being written now, where this host leads.
    "archive_queue": [
        "postgres",
        "select count(*) as segments, coalesce(extract(epoch from now() - min(modification)), 0)::int"
        " as oldest_age_seconds, case when not pg_is_in_recovery() then pg_walfile_name(pg_current_wal_lsn()) end"
        " as current_wal from pg_ls_archive_statusdir() where name like '%.ready'",
    ],
    "checksums": [
        "postgres",
        "select coalesce(datname, 'shared') as database, checksum_failures as failures from pg_stat_database",
    ],
    "overrides": ["postgres", "select name from pg_file_settings where sourcefile ~ 'auto[.]conf$'"],
    "extensions": [APP, "select extname, nspname from pg_extension e join pg_namespace n on n.oid = extnamespace"],
    "schema_acl": [
        APP,
        "select nspname, pg_get_userbyid(nspowner) as owner, coalesce(nspacl::text, '') as acl from pg_namespace"
        " where nspname !~ '^pg_' and nspname <> 'information_schema'",
    ],
    "table_owners": [
        APP,
        "select pg_get_userbyid(relowner) as owner, count(*) from pg_class c"
        " join pg_namespace n on n.oid = relnamespace where"
        " nspname = 'public' and relkind in ('r', 'p', 'v', 'm', 'S')"
        " and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e') group by 1",
    ],
    "privileges": [
        APP,
        "select grantee, array_agg(distinct privilege_type order by privilege_type) as privileges"
        " from information_schema.role_table_grants where table_schema = 'public'"
        " and grantee <> 'freelance_owner'"
        " and table_name not in (select relname from pg_class c join pg_depend d on d.objid = c.oid"
        " where deptype = 'e')"
        " group by 1",
    ],
    # By its name for each role that may log in: how many tables, views, partitions and sequences it reaches in any way.
    "reached": [
        APP,
        "select rolname, (select count(*) from pg_class as c where relnamespace = 'public'::regnamespace"
        " and not exists (select from pg_depend as d where d.objid = c.oid and d.deptype = 'e') and case"
        " when relkind = 'S' then has_sequence_privilege(r.oid, c.oid, 'usage, select, update')"
        " when relkind in ('r', 'p', 'v', 'm', 'f') then"
        " has_any_column_privilege(r.oid, c.oid, 'select, insert, update, references')"
        " or has_table_privilege(r.oid, c.oid, 'delete, truncate, trigger, maintain') end) as relations"
        " from pg_roles as r where rolcanlogin and not rolsuper",
    ],
    "public_execute": [
        APP,
        "select p.oid::regprocedure::text as function from pg_proc p join pg_namespace n on n.oid = pronamespace"
        " where prosecdef and nspname = 'public' and has_function_privilege('public', p.oid, 'execute')"
        " and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')",
    ],
    "invalid_indexes": [APP, "select indexrelid::regclass::text as name from pg_index where not indisvalid"],
    "migrations": [APP, "select app, name from django_migrations"],
    "release": [APP, "select release from common_release order by created_at desc, id desc limit 1"],
    "catalogue": [
        APP,
        "select id::text from accounts_skill union all select id::text from gigs_category union all"
        " select id::text from messaging_messagetemplate union all select id::text from reviews_reviewtemplate",
    ],
    "protections": [
        APP,
        "select (select count(*) from pg_class where relrowsecurity and relforcerowsecurity) as tables_forced,"
        " (select count(distinct tgrelid) from pg_trigger where tgname like '%\\_audit\\_1') as tables_audited,"
        " (select count(*) from pg_matviews where ispopulated) as views_filled",
    ],
    "months_ahead": [
        APP,
        "select parent_table, (select count(*) from partman.show_partitions(parent_table) as p,"
        " partman.show_partition_info(p.partition_schemaname || '.' || p.partition_tablename) as i"
        " where i.child_start_time > now()) as months from partman.part_config",
    ],
}


def listeners(environment: Environment, name: str) -> list[dict[str, Any]]:
    """Return the listeners of a host that speak TLS, and the certificate that each has to present."""
    contract = environment.declared(name)["platform_host"]
    return [
        {
            "address": address.format(**contract),
            "port": port_of(environment, port),
            "name": contract["name"],
            "starttls": starttls,
            "certificate": f"{TLS}/{certificate}.crt",
        }
        for group in groups_of(environment, name)
        for port, address, certificate, starttls in TLS_LISTENERS.get(group, [])
    ]


def of(environment: Environment, name: str) -> dict[str, Any]:
    """Return the plan of one host, by the groups that it is in."""
    groups = ["all", *(group for group in UNITS if name in environment.hosts(group))]
    declared = environment.declared(name)
    database = "database" in groups
    as_postgres: dict[str, list[str]] = {}
    if database:
        pooled = str(port_of(environment, "pooled"))
        console = ["psql", "-h", "/run/pgbouncer", "-p", pooled, "-U", "pgbouncer", "-d", "pgbouncer", "-XAtc"]
        as_postgres |= {
            "members": [*PATRONI, "list", "-f", "json"],
            "dynamic": [*PATRONI, "show-config"],
            "backups": ["pgbackrest", f"--stanza={declared['platform_cluster']}", "--output=json", "info"],
            "pool_databases": [*console, "show databases"],
            "pool_settings": [*console, "show config"],
        }
    return {
        "units": sorted({unit for group in groups for unit in UNITS.get(group, [])}),
        "files": sorted({path for group in groups for path in FILES.get(group, [])}),
        "key_folders": ["/etc", "/opt", "/home", "/root", "/var/lib/etcd", "/var/lib/postgresql"],
        "certificates": "/etc/ssl/platform/*.crt",
        "listeners": listeners(environment, name),
        "contents": [
            "/etc/cron.d/*",
            *(path for group in groups for _, _, path in MANAGED_FILES[group]),
            "/etc/ssl/platform/*.crt",
            "/etc/freelance-application.json",
            "/var/lib/freelance-application/*.json",
            "/var/lib/freelance-backup/*.json",
            "/var/lib/freelance-maintenance/*.json",
            f"{TRANSPARENT_HUGE_PAGES}/enabled",
            f"{TRANSPARENT_HUGE_PAGES}/defrag",
        ],
        "sysctl": sorted(compare.kernel_settings(declared)),
        "commands": {
            "firewall": LIST_RULES,
            "firewall_declared": [*LOAD_APART, declared.file("host_baseline", "nftables.conf.j2")],
            "time": ["chronyc", "-c", "-N", "sources"],
            "disk": ["df", "-B1", "--output=target,size,used"],
            **({"etcd_keys": [*ETCD, "get", "--prefix", "/", "--keys-only"]} if "etcd" in groups else {}),
        },
        "as_postgres": as_postgres,
        "queries": QUERIES if database else {},
    }
