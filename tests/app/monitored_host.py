"""What the tests of monitoring start on the PostgreSQL host, as scripts for root's shell. Safe to repeat."""

# Somebody who follows the server, as unit test-receive.
RECEIVE = """
set -euo pipefail
rules=/etc/postgresql/17/main/pg_hba.conf
grep -q '^local replication' $rules || echo 'local replication postgres peer' >> $rules
pg_ctlcluster 17 main reload
install -d -o postgres /run/test-receive
systemd-run --quiet --collect --unit=test-receive --uid=postgres \
    /usr/lib/postgresql/17/bin/pg_receivewal -D /run/test-receive --synchronous
"""

# A PgBouncer at port 16432 with two connections for a role, as unit test-pooler.
POOLER = """
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
[[ -x /usr/sbin/pgbouncer ]] || apt-get install -qq --no-install-recommends pgbouncer > /dev/null 2>&1 ||
    { apt-get update -qq && apt-get install -qq --no-install-recommends pgbouncer > /dev/null; }
folder=/run/test-pooler
install -d -o postgres -m 0700 $folder
printf '"%s" "test-%s"\n' stats stats freelance_user freelance_user > $folder/users
cat > $folder/pgbouncer.ini << EOF
[databases]
freelance_platform = host=127.0.0.1 port=5432 pool_size=2
[pgbouncer]
listen_addr = *
listen_port = 16432
unix_socket_dir =
auth_type = scram-sha-256
auth_file = $folder/users
pool_mode = transaction
stats_users = stats
server_tls_sslmode = require
client_tls_sslmode = require
client_tls_cert_file = /etc/ssl/platform/postgresql.crt
client_tls_key_file = /etc/ssl/platform/postgresql.key
EOF
chown -R postgres $folder
systemctl is-active --quiet test-pooler || systemd-run --quiet --collect --unit=test-pooler --uid=postgres \
    --property=Type=notify /usr/sbin/pgbouncer $folder/pgbouncer.ini
"""
