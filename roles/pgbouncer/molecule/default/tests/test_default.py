import os
import subprocess
from pathlib import Path

import pytest

CLIENT = "PGPASSFILE=/etc/clients.pgpass"  # passwords that prepare.yml gave to the tests' clients
OVERRIDE = "/etc/systemd/system/pgbouncer.service.d/platform.conf"
TLS = "sslmode=verify-full sslrootcert=/etc/ssl/platform/ca.crt"


def query(host, role, *sql, database="freelance_platform", tls=TLS):
    """Ask through the pool over TCP as a role; returns the finished command."""
    target = f"host=pooled.test port=6432 dbname={database} user={role} {tls}"
    return host.run(
        f"{CLIENT} psql -XAtq -v ON_ERROR_STOP=1 %s" + " -c %s" * len(sql),
        target,
        *sql,
    )


def console(host, command):
    """Run a command of PgBouncer's console; returns its rows."""
    done = host.run(
        "cd / && sudo -u postgres psql -XAtq -h /run/pgbouncer -p 6432 -U pgbouncer -d pgbouncer -c %s", command
    )
    assert done.rc == 0, done.stderr
    return done.stdout.splitlines()


def play(*options):
    """Play the role once more; returns the finished command."""
    playbook = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / "../../lab/molecule/converge_role.yml"
    inventory = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "inventory"
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1"}
    return subprocess.run(
        ["ansible-playbook", "-i", inventory, playbook, "--diff", *options],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


@pytest.mark.parametrize("database", ["freelance_platform", "freelance_platform_replica"])
def test_a_query_goes_through_the_pool_over_verified_tls(host, database):
    asked = query(host, "freelance_user", "SELECT current_database(), current_user", database=database)
    assert (asked.rc, asked.stdout.strip()) == (0, "freelance_platform|freelance_user"), asked.stderr
    # The pooler keeps what it opened. The client may not see it: it would see what others run as well.
    secured = "SELECT bool_and(ssl) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE usename = 'freelance_user'"
    assert host.check_output(f'sudo -u postgres psql -XAtq -c "{secured}"') == "t"


def test_a_client_without_tls_is_refused(host):
    assert "SSL required" in query(host, "freelance_user", "SELECT 1", tls="sslmode=disable").stderr


def test_a_client_that_distrusts_the_certificate_does_not_connect(host):
    refused = query(host, "freelance_user", "SELECT 1", tls="sslmode=verify-full sslrootcert=/etc/ssl/certs/none.crt")
    assert refused.rc != 0


@pytest.mark.parametrize(
    ("role", "reason"),
    [
        ("postgres", "no such user"),
        ("freelance_migrator", "no authentication method"),
        ("stats", "no authentication method"),
        ("nobody", "no such user"),
    ],
)
def test_only_pooled_roles_come_in(host, role, reason):
    refused = query(host, role, "SELECT 1")
    assert refused.rc != 0
    assert reason in refused.stderr


def test_a_wrong_password_is_refused(host):
    refused = host.run(
        "PGPASSFILE=/etc/wrong.pgpass psql -X %s -c 'SELECT 1'",
        f"host=pooled.test port=6432 dbname=freelance_platform user=freelance_user {TLS}",
    )
    assert "authentication failed" in refused.stderr


def test_a_new_password_counts_at_once(host):
    rotate = "ALTER ROLE freelance_staff PASSWORD '{}'"
    server = "cd / && sudo -u postgres psql -XAtq -d freelance_platform -c %s"
    assert query(host, "freelance_staff", "SELECT 1").rc == 0
    host.run(server, rotate.format("another-secret"))
    refused = query(host, "freelance_staff", "SELECT 1")
    host.run(server, rotate.format("molecule-secret-3"))
    assert "authentication failed" in refused.stderr
    assert query(host, "freelance_staff", "SELECT 1").rc == 0


def test_prepared_statements_work_in_transaction_mode(host):
    # More clients than server connections: each prepares once and runs on whichever connection the pool gives.
    target = f"host=pooled.test port=6432 dbname=freelance_platform user=freelance_user {TLS}"
    host.run("echo 'SELECT 1 + :client_id;' > /tmp/prepared.sql")
    done = host.run(
        f"{CLIENT} /usr/lib/postgresql/17/bin/pgbench -n -M prepared -c 30 -t 20 -f /tmp/prepared.sql %s",
        target,
    )
    assert done.rc == 0, done.stderr
    assert "number of failed transactions: 0" in done.stdout


def test_statistics_are_read_over_the_network_and_nothing_else(host):
    assert query(host, "stats", "SHOW POOLS", database="pgbouncer").rc == 0
    refused = query(host, "stats", "PAUSE", database="pgbouncer")
    assert "admin access needed" in refused.stderr
    assert query(host, "freelance_user", "SHOW POOLS", database="pgbouncer").rc != 0


def test_the_console_belongs_to_the_system_user(host):
    assert console(host, "SHOW VERSION")[0].startswith("PgBouncer 1.")
    refused = host.run(
        "cd / && sudo -u nobody psql -X -h /run/pgbouncer -p 6432 -U pgbouncer -d pgbouncer -c 'SHOW POOLS'"
    )
    assert refused.rc != 0


def test_the_password_file_is_readable_by_the_pooler_alone(host):
    users = host.file("/etc/pgbouncer/userlist.txt")
    assert (users.user, users.group, users.mode) == ("postgres", "postgres", 0o640)
    names = [line.split()[0] for line in users.content_string.splitlines() if line.startswith('"')]
    assert names == ['"pgbouncer_auth"', '"stats"']


def test_a_killed_pooler_is_back_at_once(host):
    assert host.service("pgbouncer").is_enabled
    host.run("systemctl kill --signal=KILL pgbouncer")
    back = host.run("for i in $(seq 30); do systemctl is-active -q pgbouncer && exit 0; sleep 0.1; done; exit 1")
    assert back.rc == 0, host.run("journalctl -u pgbouncer -n 20").stdout
    assert query(host, "freelance_user", "SELECT 1").rc == 0


def test_what_was_altered_is_reported_and_repaired_by_a_reload(host):
    before = host.run("systemctl show -P MainPID pgbouncer").stdout
    console(host, "SET default_pool_size = 3")
    host.run("sed -i s/require/disable/ /etc/pgbouncer/pgbouncer.ini")
    host.run("systemctl disable pgbouncer")
    checked = play("--check")
    assert "-client_tls_sslmode = disable" in checked.stdout, checked.stdout
    assert checked.returncode == 0
    repaired = play()
    assert repaired.returncode == 0, repaired.stdout
    assert "molecule-secret" not in checked.stdout + repaired.stdout
    assert "changed=0" in play("--check").stdout
    assert [row for row in console(host, "SHOW CONFIG") if row.startswith("default_pool_size|20|")]
    assert host.service("pgbouncer").is_enabled
    assert host.run("systemctl show -P MainPID pgbouncer").stdout == before


def test_pools_that_exceed_the_server_are_refused(host):
    refused = play("--extra-vars", '{"pgbouncer_poolers": 3}')
    assert refused.returncode != 0
    # Ansible breaks long messages into lines.
    assert "3 poolers x 2 databases x 50 connections + 30 for others = 330" in " ".join(
        (refused.stdout + refused.stderr).split()
    )
    assert "changed=0" in refused.stdout
    assert query(host, "freelance_user", "SELECT 1").rc == 0


def test_pools_that_exceed_the_running_server_wait_for_its_restart(host):
    declared = '{"pgbouncer_poolers": 2, "pgbouncer_postgresql_connections_max": 400}'
    refused = play("--extra-vars", declared)
    assert refused.returncode != 0
    said = " ".join((refused.stdout + refused.stderr).split())
    assert "may open 230 connections" in said
    assert "still runs with max_connections = 150: the declared 400 wait for a restart" in said
    assert "-e postgresql_allow_restart=true" in said
    assert "changed=0" in refused.stdout
    assert query(host, "freelance_user", "SELECT 1").rc == 0


def test_a_role_with_a_limit_gets_its_share_over_both_databases_and_waits_for_more(host):
    target = f"host=pooled.test port=6432 user=reporting_user {TLS}"
    one = f"{CLIENT} psql -XAtq '{target} dbname=%s' -c 'SELECT pg_sleep(4)' &"
    # Twice as many as fit, over both names.
    clients = "\n".join(one % name for name in ("freelance_platform", "freelance_platform_replica") for _ in range(5))
    host.run("cat > /run/clients.sh <<'EOF'\n" + clients + "\nwait\nEOF")
    count = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'reporting_user' AND state = 'active'"
    ask = f'sudo -u postgres psql -XAtq -c "{count}"'
    # However long they take to start: the most that were ever served at once.
    held = "rm -f /run/clients.done; (sh /run/clients.sh >/run/clients.out 2>&1; touch /run/clients.done) &"
    most = host.check_output(f"cd /; {held} until [ -e /run/clients.done ]; do {ask}; done | sort -n | tail -1")
    assert most == "5"
    assert host.file("/run/clients.out").content_string.strip() == "", "all of them were served in the end"
    limit = "SELECT rolconnlimit FROM pg_roles WHERE rolname = 'reporting_user'"
    assert int(host.check_output(f'cd / && sudo -u postgres psql -XAtq -c "{limit}"')) == 6 + 5


def test_what_no_reload_takes_over_is_announced_and_takes_a_restart(host):
    files = "awk '/^Max open files/ {print $4}' /proc/$(systemctl show -P MainPID pgbouncer)/limits"
    listening = "ss -Htln sport = :{} | wc -l"
    changed = ("--extra-vars", '{"pgbouncer_client_connections_max": 1200, "pgbouncer_listen_port": 6433}')
    raised = play(*changed)
    assert raised.returncode == 0, raised.stdout
    assert "restarts, as no reload takes over" in " ".join(raised.stdout.split())
    assert host.check_output(files) == "3424"
    assert [host.check_output(listening.format(port)) != "0" for port in (6432, 6433)] == [False, True]
    assert "changed=0" in play(*changed, "--check").stdout
    assert play().returncode == 0
    assert [host.check_output(listening.format(port)) != "0" for port in (6432, 6433)] == [True, False]


def test_a_limit_of_open_files_below_the_declared_one_takes_a_restart(host):
    # As if it had been started before the limit was raised; the file itself is as declared.
    host.check_output(
        f"cp -p {OVERRIDE} /run/override && sed -i 's/^LimitNOFILE=.*/LimitNOFILE=2000/' {OVERRIDE}"
        " && systemctl daemon-reload && systemctl restart pgbouncer"
        f" && mv /run/override {OVERRIDE} && systemctl daemon-reload"
    )
    before = host.check_output("systemctl show -P MainPID pgbouncer")
    raised = play()
    assert raised.returncode == 0, raised.stdout
    assert "restarts, as no reload takes over" in " ".join(raised.stdout.split())
    assert host.check_output("systemctl show -P MainPID pgbouncer") != before
    assert "changed=0" in play("--check").stdout


def test_a_reload_that_never_came_is_made_up_for(host):
    host.run("touch /etc/pgbouncer/userlist.txt")
    reloaded = play()
    assert "changed=2" in reloaded.stdout, reloaded.stdout  # what was found, and its handler
    assert "changed=0" in play("--check").stdout


def test_a_new_certificate_is_shown_after_a_reload(host):
    show = "openssl s_client -starttls postgres -connect 127.0.0.1:6432 </dev/null 2>/dev/null"
    show = f"sleep 1; {show} | openssl x509 -noout -serial"
    before, pid = host.check_output(show), host.check_output("systemctl show -P MainPID pgbouncer")
    # Another serial number is enough; clients would distrust this one.
    forge = "openssl req -x509 -key pgbouncer.key -subj /CN=other -days 1 > pgbouncer.crt && systemctl reload pgbouncer"
    host.run("cd /etc/ssl/platform && cp -p pgbouncer.crt /run/saved.crt && " + forge)
    after = host.check_output(show)
    host.run("cp -p /run/saved.crt /etc/ssl/platform/pgbouncer.crt && systemctl reload pgbouncer")
    assert after != before
    assert host.check_output(show) == before
    assert host.check_output("systemctl show -P MainPID pgbouncer") == pid
