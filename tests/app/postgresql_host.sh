#!/bin/bash
# Turn a Debian 13 host into a PostgreSQL 17 server for tests: TLS by a throwaway authority, the platform's roles,
# an empty database. Runs as root on the host; run again it only starts what stopped.
#   postgresql_host.sh [--in-memory] CLIENT_NETWORK[,…] NAME_OR_ADDRESS…
# Passwords are `test-<role>`: the host lives as long as the tests and is reached by nobody else.
set -euo pipefail

in_memory=
if [[ $1 == --in-memory ]]; then in_memory=yes && shift; fi
clients=$1
shift
read -r -d '' empty_database << 'EOF' || true
-- An empty schema with the rights that role postgresql_access gives.
SET client_min_messages = error;
DROP SCHEMA IF EXISTS public CASCADE;
CREATE SCHEMA public AUTHORIZATION freelance_owner;
GRANT USAGE ON SCHEMA public
    TO audit_owner, freelance_ledger, freelance_migrator, freelance_user, freelance_staff, monitor, reporting_user;
ALTER DEFAULT PRIVILEGES FOR ROLE freelance_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO freelance_user;
ALTER DEFAULT PRIVILEGES FOR ROLE freelance_owner IN SCHEMA public GRANT SELECT, USAGE ON SEQUENCES TO freelance_user;
ALTER DEFAULT PRIVILEGES FOR ROLE freelance_owner IN SCHEMA public
    GRANT SELECT ON TABLES TO freelance_staff, reporting_user;
ALTER DEFAULT PRIVILEGES FOR ROLE freelance_owner IN SCHEMA public GRANT SELECT ON SEQUENCES TO reporting_user;
ALTER DEFAULT PRIVILEGES FOR ROLE freelance_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE freelance_owner IN SCHEMA public
    GRANT EXECUTE ON FUNCTIONS TO freelance_user, freelance_staff;
REVOKE ALL ON FUNCTION pg_stat_get_activity(integer), pg_stat_get_backend_activity(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_stat_get_activity(integer) TO freelance_owner, pg_read_all_stats;
GRANT EXECUTE ON FUNCTION pg_stat_get_backend_activity(integer) TO pg_read_all_stats;
-- Not in public, which is made anew.
CREATE SCHEMA IF NOT EXISTS extensions;
GRANT USAGE ON SCHEMA extensions TO PUBLIC;
CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA extensions;
-- Where the platform has it: an index finds its operator class by the path of who makes it.
CREATE EXTENSION pg_trgm SCHEMA public;
-- It remembers the tables that it keeps: made anew with the schema they were in.
DROP SCHEMA IF EXISTS partman CASCADE;
CREATE SCHEMA partman;
CREATE EXTENSION pg_partman SCHEMA partman;
GRANT USAGE, CREATE ON SCHEMA partman TO freelance_owner;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA partman TO freelance_owner;
-- Locks that hold a deployment up, and large objects, are not everybody's.
SELECT format('REVOKE ALL ON FUNCTION %1$s FROM PUBLIC; GRANT EXECUTE ON FUNCTION %1$s TO freelance_owner',
    oid::regprocedure)
FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ '^pg_(try_)?advisory_(xact_)?lock' \gexec
REVOKE ALL ON FUNCTION lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) FROM PUBLIC;
EOF
names=$(printf 'DNS:%s,IP:127.0.0.1' localhost)
for name in "$@"; do
    if [[ $name =~ ^[0-9.]+$ ]]; then names+=",IP:$name"; else names+=",DNS:$name"; fi
done
tls=/etc/ssl/platform
conf=/etc/postgresql/17/main

packages=(postgresql-17 postgresql-17-partman openssl)
if [[ ! -e /usr/share/postgresql/17/extension/pg_partman.control ]]; then
    mkdir -p /etc/postgresql-common/createcluster.d
    echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.d/test.conf
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -qq --no-install-recommends "${packages[@]}" > /dev/null 2>&1 ||
        { apt-get update -qq && apt-get install -qq --no-install-recommends "${packages[@]}" > /dev/null; }
fi

if [[ ! -e $tls/postgresql.crt ]]; then
    mkdir -p $tls
    authority=$(mktemp -d)
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj '/CN=Test authority' \
        -keyout "$authority/ca.key" -out $tls/ca.crt 2> /dev/null
    # FILE SUBJECT_ALTERNATIVE_NAMES: each service that may run here has a certificate of its own.
    certificate() {
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$(hostname)" \
            -keyout "$tls/$1.key" -out "$authority/request.pem" 2> /dev/null
        openssl x509 -req -in "$authority/request.pem" -CA $tls/ca.crt -CAkey "$authority/ca.key" -CAcreateserial \
            -days 2 -extfile <(echo "subjectAltName=$2") -out "$tls/$1.crt" 2> /dev/null
    }
    certificate postgresql "$names"
    certificate pgbouncer DNS:pooled.test
    certificate valkey "$names,DNS:cache.test"
    for name in haproxy db1 db2; do
        certificate $name "DNS:$name"
        cat "$tls/$name.crt" "$tls/$name.key" > "$tls/$name.pem"
        chmod 0600 "$tls/$name.pem"
    done
    rm -r "$authority"
    chown postgres: $tls/{postgresql,pgbouncer}.key
    chmod 0600 $tls/*.key
fi

if [[ -n $in_memory ]] && ! mountpoint --quiet /var/lib/postgresql; then
    # Most files that tests make are deleted again, and for each new one ext4 looks through all that were deleted in the
    # last seconds: half of PostgreSQL's processor time. A host that was started again has lost its cluster.
    pg_dropcluster --stop 17 main > /dev/null 2>&1 || rm -rf $conf
    mount -t tmpfs -o size=8g,mode=0755 tmpfs /var/lib/postgresql
    chown postgres: /var/lib/postgresql
fi
if [[ ! -e $conf/postgresql.conf ]]; then
    pg_createcluster 17 main -- --locale-provider=builtin --builtin-locale=C.UTF-8 --locale=C.UTF-8 > /dev/null
    cat > $conf/conf.d/test.conf << EOF
listen_addresses = '*'
ssl = on
ssl_ca_file = '$tls/ca.crt'
ssl_cert_file = '$tls/postgresql.crt'
ssl_key_file = '$tls/postgresql.key'
shared_buffers = 256MB
fsync = off
full_page_writes = off
synchronous_commit = off
deadlock_timeout = 100ms
max_wal_size = 2GB
shared_preload_libraries = 'pg_stat_statements'
timezone = 'UTC'
EOF
    {
        echo 'local all all peer'
        echo 'local replication postgres peer'
        tr , '\n' <<< "$clients" | sed 's/.*/hostssl all all & scram-sha-256/'
        echo 'hostssl all all 127.0.0.1/32 scram-sha-256'
    } > $conf/pg_hba.conf
fi
systemctl is-active --quiet postgresql@17-main || systemctl start postgresql@17-main

# The platform's roles and rights as role postgresql_access makes them.
sudo -u postgres psql -qX -v ON_ERROR_STOP=1 postgres << 'EOF'
SELECT format('CREATE ROLE %I %s', name, login)
FROM (VALUES ('freelance_owner', 'NOLOGIN'), ('freelance_ledger', 'NOLOGIN'), ('audit_owner', 'NOLOGIN'),
             ('freelance_migrator', 'LOGIN'), ('freelance_user', 'LOGIN'), ('freelance_staff', 'LOGIN'),
             ('reporting_user', 'LOGIN'), ('pgbouncer_auth', 'LOGIN'), ('monitor', 'LOGIN'), ('rewind', 'LOGIN'),
             ('replicator', 'LOGIN REPLICATION'), ('backup', 'LOGIN BYPASSRLS'))
    AS wanted (name, login)
WHERE name NOT IN (SELECT rolname FROM pg_roles) \gexec
SELECT format('ALTER ROLE %I PASSWORD %L', rolname, 'test-' || rolname) FROM pg_roles
WHERE rolcanlogin AND NOT rolsuper \gexec
SET client_min_messages = warning;
GRANT freelance_owner TO freelance_migrator WITH INHERIT FALSE, SET TRUE;
GRANT freelance_ledger, audit_owner TO freelance_owner WITH INHERIT FALSE, SET TRUE;
GRANT pg_read_all_stats TO freelance_migrator;
GRANT pg_monitor, pg_use_reserved_connections TO monitor;
GRANT pg_read_all_data TO backup;
EOF
# A second database is for tests that take the schema apart.
for database in freelance_platform freelance_scratch; do
    if [[ -z $(sudo -u postgres psql -XAtc "SELECT 1 FROM pg_database WHERE datname = '$database'") ]]; then
        sudo -u postgres createdb --owner freelance_owner $database
        sudo -u postgres psql -qX -v ON_ERROR_STOP=1 $database <<< "$empty_database"
    fi
done
# What PgBouncer's auth_query calls, where its own connections go.
sudo -u postgres psql -qX -v ON_ERROR_STOP=1 freelance_platform << 'EOF'
SET client_min_messages = error;
CREATE SCHEMA IF NOT EXISTS pgbouncer;
GRANT USAGE ON SCHEMA pgbouncer TO pgbouncer_auth;
CREATE OR REPLACE FUNCTION pgbouncer.get_auth(username text) RETURNS TABLE (usename text, passwd text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    SELECT rolname::text, rolpassword::text FROM pg_authid
    WHERE rolname = username AND rolcanlogin AND NOT rolsuper AND NOT rolreplication
        AND coalesce(rolvaliduntil > now(), true)
$function$;
REVOKE ALL ON FUNCTION pgbouncer.get_auth FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgbouncer.get_auth TO pgbouncer_auth;
EOF
cat $tls/ca.crt
