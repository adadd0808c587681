# shellcheck shell=bash
# What else a run may not change unseen, as lines of text; runs on a configured host as root, after look_files.sh.
# Users, packages, units, mounts, the live firewall and the kernel's declared settings.
dpkg-query --show --showformat='package ${Package} ${Version} ${db:Status-Status}\n'
systemctl list-unit-files --no-legend --plain | awk '$2 != "transient" && $2 != "generated" {print "unit", $1, $2}'
for unit in nftables cron pgbackrest etcd patroni haproxy pgbouncer valkey-server; do
  if systemctl cat "$unit.service" >/dev/null 2>&1; then
    echo "active $unit $(systemctl show --property=ActiveState --value "$unit.service")"
  fi
done
awk '$3 == "xfs" {print "mount", $1, $2, $4}' /proc/mounts | sort
nft --stateless list ruleset
sed -n 's/^\([a-z][a-z0-9_.]*\) *=.*/\1/p' /etc/sysctl.d/60-platform.conf | xargs --no-run-if-empty sysctl
# Roots of volumes, folders of jobs and the application's releases.
for folder in /var/lib/postgresql /var/lib/postgresql-wal /var/lib/etcd /var/lib/pgbackrest /var/backups/postgresql \
  /var/lib/freelance-backup /var/spool/pgbackrest; do
  if [ -e "$folder" ]; then stat --format='folder %n %U:%G %a' "$folder"; fi
done
if [ -d /opt/freelance-platform ]; then
  find /opt/freelance-platform -path '*/__pycache__' -prune -o -printf '%p %U:%G %m %l\n' | sort
  find /opt/freelance-platform -name __pycache__ -prune -o -type f -print0 | sort -z | xargs -0 sha256sum
fi
if systemctl is-active --quiet patroni.service; then
  # While a member of etcd is down, each try that happens on it costs 5 s.
  patronictl() { runuser -u postgres -- timeout 120 patronictl -c /etc/patroni/config.yml "$@"; }
  patronictl show-config
  patronictl list --format json | python3 -c '
import json, sys
for member in json.load(sys.stdin):
    print("member", member["Member"], member["Host"], member["Role"], member["State"])'
  # In one order, whoever was given something last.
  sorted() { echo "case when $1 is not null then array(select item::text from unnest($1) item order by 1) end"; }
  psql() { runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 "$@"; }
  psql -d postgres -c "select 'started', pg_postmaster_start_time()" \
    -c "select 'setting', name, setting, pending_restart from pg_settings where name <> 'in_hot_standby' order by 2" \
    -c "select 'rule', rule_number, type, database, user_name, address, netmask, auth_method, options, error
        from pg_hba_file_rules order by 2" \
    -c "select 'role', rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication,
          rolbypassrls, rolconnlimit, nullif(rolvaliduntil, 'infinity'), rolpassword is not null
        from pg_authid order by 2" \
    -c "select 'setting of', setrole::regrole, setdatabase, $(sorted setconfig) from pg_db_role_setting order by 2, 3" \
    -c "select 'membership', roleid::regrole, member::regrole, admin_option, inherit_option, set_option
        from pg_auth_members order by 2, 3" \
    -c "select 'database', datname, datdba::regrole, $(sorted datacl), datallowconn, datconnlimit
        from pg_database order by 2"
  for database in $(psql -d postgres -c "select datname from pg_database where datallowconn and not datistemplate"); do
    psql -d "$database" -v database="$database" <<SQL
select 'schema', :'database', nspname, nspowner::regrole, $(sorted nspacl) from pg_namespace
  where nspname !~ '^pg_(toast|temp)' order by 3;
select 'relation', :'database', oid::regclass, relkind, relowner::regrole, $(sorted relacl), relrowsecurity
  from pg_class where relnamespace::regnamespace::text !~ '^pg_(toast|temp)' and relkind in ('r', 'v', 'm', 'S', 'p', 'f')
  order by 3;
select 'column', :'database', attrelid::regclass, attname, $(sorted attacl) from pg_attribute
  where attacl is not null order by 3, 4;
select 'function', :'database', oid::regprocedure, proowner::regrole, $(sorted proacl), md5(prosrc) from pg_proc
  order by 3;
select 'default', :'database', defaclrole::regrole, defaclnamespace, defaclobjtype, $(sorted defaclacl)
  from pg_default_acl order by 3, 4, 5;
select 'extension', :'database', extname, extversion, extnamespace::regnamespace from pg_extension order by 3;
select 'policy', :'database', polrelid::regclass, polname, polcmd, polroles from pg_policy order by 3, 4;
select 'constraint', :'database', conrelid::regclass, conname, pg_get_constraintdef(oid) from pg_constraint order by 3, 4;
SQL
  done
  psql -d freelance_platform -c "select 'migration', app, name from django_migrations order by 2, 3"
fi
