"""One host alone: it leads, with the other presets, and a host that comes back finds its own data."""

import json

PATRONICTL = "patronictl -c /etc/patroni/config.yml"
ETCD = "/etc/systemd/system/etcd.service.d/platform.conf"


def sql(host, query):
    answer = host.run("sudo -u postgres psql -XAtqd postgres -c %s", query)
    assert answer.rc == 0, answer.stderr
    return answer.stdout.strip()


def test_one_leads_alone(host):
    listed = json.loads(host.run(f"{PATRONICTL} list -f json").stdout)
    assert [(member["Role"], member["State"]) for member in listed] == [("Leader", "running")]


def test_the_other_presets_are_in_force(host):
    shown = host.run(f"{PATRONICTL} show-config").stdout
    lines = {line.strip() for line in shown.splitlines()}
    wanted = {"synchronous_mode: false", "ttl: 60", "retry_timeout: 20", "failsafe_mode: false"}
    assert wanted | {"maximum_lag_on_failover: 2097152"} <= lines, shown


def test_a_transaction_waits_for_nobody(host):
    assert sql(host, "SHOW synchronous_standby_names") == ""
    assert sql(host, "CREATE TEMPORARY TABLE t (n int); INSERT INTO t VALUES (1) RETURNING n") == "1"


def test_settings_are_the_declared_ones(host):
    wanted = {"max_connections": "30", "shared_buffers": "32MB"}
    assert {name: sql(host, f"SHOW {name}") for name in wanted} == wanted


def test_etcd_has_one_member_with_the_declared_times(host):
    tls = "--cacert /etc/ssl/platform/ca.crt --endpoints https://127.0.0.1:2379"
    listed = host.run(
        f"ETCDCTL_USER=root ETCDCTL_PASSWORD=molecule-etcd-root-password etcdctl {tls} member list -w json"
    )
    assert len(json.loads(listed.stdout)["members"]) == 1
    assert "ETCD_HEARTBEAT_INTERVAL=200" in host.file(ETCD).content_string


def test_no_unit_waits_for_systemd(host):
    for unit in ("etcd", "patroni"):
        assert host.check_output(f"systemctl show {unit} -p NeedDaemonReload --value") == "no"


def test_patroni_waits_for_both_volumes(host):
    wanted = host.check_output("systemctl show patroni -p RequiresMountsFor --value").split()
    assert {"/var/lib/postgresql", "/var/lib/postgresql-wal"} <= set(wanted)


def identity(host, **given):
    return host.ansible("patroni_identity", json.dumps({"scope": "molecule-alone"} | given), check=False, become=True)


def test_a_member_that_runs_knows_its_data_and_has_loaded_its_file(host):
    found = identity(host, data_dir="/var/lib/postgresql/17/main", files=["/etc/patroni/config.yml"])
    assert found["active"]
    assert found["data_directory"] == sql(host, "SELECT system_identifier FROM pg_control_system()")
    assert found["unloaded"] == []


def test_another_clusters_data_is_seen_before_its_volume_is_mounted(host):
    volume = {"device": "/dev/lab/patroni-alternative-1-data", "mount": "/srv/foreign"}
    assert identity(host, data_dir="/srv/foreign/17/main", volume=volume)["data_directory"] == "4711"
    assert identity(host, data_dir="/srv/foreign/18/main", volume=volume)["data_directory"] == ""
    assert not host.mount_point("/srv/foreign").exists
    assert host.run("ls -A /srv/foreign").stdout == ""
