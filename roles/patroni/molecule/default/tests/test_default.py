"""Three hosts: one cluster, encrypted, quorum synchronous, and nothing that anybody else could read or start."""

import json

PATRONICTL = "patronictl -c /etc/patroni/config.yml"
FETCH = """
import ssl, sys, urllib.request
context = ssl.create_default_context(cafile="/etc/ssl/platform/ca.crt")
if sys.argv[2:]:
    context.load_cert_chain(sys.argv[2] + ".crt", sys.argv[2] + ".key")
try:
    print(urllib.request.urlopen(sys.argv[1], context=context, timeout=5).status)
except OSError as refusal:
    print(refusal)
"""


def fetch(host, url, certificate=""):
    return host.run("python3 -c %s %s " + certificate, FETCH, url).stdout.strip()


def members(host):
    listed = host.run(f"{PATRONICTL} list -f json")
    assert listed.rc == 0, listed.stderr
    return json.loads(listed.stdout)


def sql(host, query):
    answer = host.run("sudo -u postgres psql -XAtqd postgres -c %s", query)
    assert answer.rc == 0, answer.stderr
    return answer.stdout.strip()


def test_one_leads_and_two_confirm(host):
    assert sorted(member["Role"] for member in members(host)) == ["Leader", "Quorum Standby", "Quorum Standby"]


def test_nothing_waits_for_a_restart(host):
    assert [member for member in members(host) if member.get("Pending restart")] == []


def test_settings_are_the_declared_ones(host):
    wanted = {"max_connections": "50", "shared_buffers": "64MB", "ssl": "on", "data_checksums": "on"}
    assert {name: sql(host, f"SHOW {name}") for name in wanted} == wanted


def test_the_database_sorts_by_builtin_c_utf8(host):
    found = sql(host, "SELECT datlocprovider, datlocale, pg_encoding_to_char(encoding) FROM pg_database LIMIT 1")
    assert found == "b|C.UTF-8|UTF8"


def test_write_ahead_log_lies_on_its_own_volume(host):
    assert host.file("/var/lib/postgresql/17/main/pg_wal").linked_to == "/var/lib/postgresql-wal/17/main"


def test_access_rules_are_left_to_their_file(host):
    assert sql(host, "SHOW hba_file") == "/etc/postgresql/platform/pg_hba.conf"
    assert sql(host, "SELECT count(*) FROM pg_hba_file_rules WHERE error IS NOT NULL") == "0"


def test_replicas_authenticate_their_leader(host):
    if sql(host, "SELECT pg_is_in_recovery()") == "t":
        assert "sslmode=verify-full" in sql(host, "SELECT conninfo FROM pg_stat_wal_receiver")
    else:
        secured = "SELECT bool_and(ssl) FROM pg_stat_replication JOIN pg_stat_ssl USING (pid)"
        assert sql(host, secured) == "t"


def test_rest_interface_wants_a_client_certificate(host):
    address = members(host)[0]["Host"].split(":")[0]
    assert fetch(host, f"https://{address}:8008/cluster", "/etc/ssl/platform/postgresql") == "200"
    # Which of the two is seen depends on whether the server's reason arrives before its end of the connection.
    refusal = fetch(host, f"https://{address}:8008/cluster").lower().replace("_", " ")
    assert "certificate required" in refusal or "connection reset" in refusal
    assert "Connection reset" in fetch(host, f"http://{address}:8008/cluster")


def test_etcd_wants_tls_and_a_password(host):
    tls = "--cacert /etc/ssl/platform/ca.crt"
    nameless = host.run(f"etcdctl --endpoints https://127.0.0.1:2379 {tls} get --prefix /service/")
    assert nameless.rc != 0
    assert "user name is empty" in nameless.stderr
    assert host.run("etcdctl --endpoints http://127.0.0.1:2379 --dial-timeout 2s get --prefix /service/").rc != 0


def test_etcd_peers_show_certificates(host):
    address = members(host)[0]["Host"].split(":")[0]
    assert fetch(host, f"https://{address}:2380/version", "/etc/ssl/platform/etcd") == "200"
    refusal = fetch(host, f"https://{address}:2380/version").lower().replace("_", " ")
    assert "certificate required" in refusal or "connection reset" in refusal


def test_secrets_are_readable_by_their_service_alone(host):
    config = host.file("/etc/patroni/config.yml")
    assert (config.user, config.mode) == ("postgres", 0o600)
    assert host.file("/var/lib/postgresql/17/main").mode == 0o700
    assert host.file("/var/lib/etcd").mode == 0o700


def test_no_secret_stands_in_a_command_line_or_the_journal(host):
    seen = host.run("ps axww -o args; journalctl --no-pager -q").stdout
    secrets = ("etcd-root-password", "etcd-patroni-password", "replicator-password", "rewind-password")
    assert [secret for secret in secrets if f"molecule-{secret}" in seen] == []


def test_patroni_alone_starts_postgresql(host):
    assert host.service("patroni").is_enabled
    assert host.file("/etc/systemd/system/postgresql.service").linked_to == "/dev/null"
    assert host.file("/etc/systemd/system/postgresql@17-main.service").linked_to == "/dev/null"
    assert host.run("pg_lsclusters -h").stdout.strip() == ""


def test_clients_reach_declared_listeners_only(host):
    listening = {socket.rsplit(":", 1)[1] for socket in host.socket.get_listening_sockets() if socket.startswith("tcp")}
    assert listening <= {"22", "2379", "2380", "5432", "8008"}
