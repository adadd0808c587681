import json

import pytest

FIRST, SECOND = "host-baseline-default-1", "host-baseline-default-2"
LISTEN = (
    "python3 -c 'import socket, time; s = [socket.create_server((\"0.0.0.0\", p)) for p in ({ports})]; time.sleep(60)'"
)
CONNECT = "timeout 2 bash -c '</dev/tcp/{host}/{port}'"


def only(host, name):
    if host.check_output("hostname") != name:
        pytest.skip(f"looks from {name} only")


@pytest.mark.parametrize(
    ("name", "number", "shell"), [("postgres", 820, "/bin/bash"), ("etcd", 821, "/usr/sbin/nologin")]
)
def test_users_have_the_declared_ids(host, name, number, shell):
    user = host.user(name)
    assert (user.uid, user.gid, user.shell) == (number, number, shell)


def test_a_user_is_in_the_declared_groups(host):
    assert host.user("etcd").groups == ["etcd", "postgres"]


def test_hosts_know_each_other_by_name(host):
    assert host.addr("first.lab").ipv4_addresses == host.addr(FIRST).ipv4_addresses
    assert host.addr(SECOND).is_resolvable
    assert host.addr("localhost").is_resolvable


def test_a_containers_own_kernel_settings_are_live_and_kept(host):
    assert host.sysctl("net.ipv4.tcp_keepalive_time") == 61
    assert host.sysctl("net.core.somaxconn") == 4097
    kept = host.file("/etc/sysctl.d/60-platform.conf").content_string
    assert "net.core.somaxconn = 4097" in kept
    # These are the machine's: declared, and left out because the host is declared a container.
    assert "vm." not in kept


def test_no_open_port_but_the_declared_ones_can_be_reached(host):
    only(host, FIRST)
    second = type(host).get_host(f"ansible://{SECOND}", ansible_inventory=host.backend.ansible_inventory)
    second.run(f"sudo systemd-run --unit=listen-proof {LISTEN.format(ports='5432, 6432, 7777')}")
    host.run("sleep 1")
    reached = {port: host.run(CONNECT.format(host=SECOND, port=port)).rc == 0 for port in (22, 5432, 6432, 7777)}
    second.run("sudo systemctl stop listen-proof")
    assert reached == {22: True, 5432: True, 6432: True, 7777: False}


def test_a_source_that_is_not_declared_is_kept_out(host):
    only(host, SECOND)
    first = type(host).get_host(f"ansible://{FIRST}", ansible_inventory=host.backend.ansible_inventory)
    first.run(f"sudo systemd-run --unit=listen-proof {LISTEN.format(ports='5432')}")
    host.run("sleep 1")
    refused = host.run(CONNECT.format(host=FIRST, port=5432))
    first.run("sudo systemctl stop listen-proof")
    assert refused.rc != 0


def test_the_firewall_comes_back_with_the_host(host):
    before = host.check_output("nft --stateless list table inet platform")
    assert host.service("nftables").is_enabled
    host.check_output("nft flush ruleset && systemctl restart nftables")
    assert host.check_output("nft --stateless list table inet platform") == before


def test_a_firewall_that_would_lock_its_caller_out_is_refused(host):
    before = host.check_output("nft --stateless list ruleset")
    given = {
        "ruleset": "table inet platform {}",
        "path": "/etc/nftables.conf",
        "table": "inet platform",
        "ssh_sources": ["192.0.2.0/24"],
    }
    refused = host.ansible("host_firewall", json.dumps(given), check=False, become=True)
    assert "lock itself out" in refused["msg"]
    assert host.check_output("nft --stateless list ruleset") == before


def test_a_user_whose_id_is_taken_is_refused(host):
    given = {"users": [{"name": "www-data", "id": 990, "home": "/"}, {"name": "fresh", "id": 820, "home": "/"}]}
    message = host.ansible("system_users", json.dumps(given), check=False, become=True)["msg"]
    assert "www-data has id 33, declared is 990" in message
    assert "820, declared for fresh, belongs to user postgres" in message
    assert not host.user("fresh").exists


def test_the_platforms_packages_are_left_to_the_platform(host):
    settings = host.check_output("apt-config dump Unattended-Upgrade")
    assert 'Unattended-Upgrade::Package-Blacklist:: "^postgresql";' in settings
    assert 'Unattended-Upgrade::Package-Blacklist:: "^patroni$";' in settings
    origins = [line for line in settings.splitlines() if "Origins-Pattern::" in line]
    assert len(origins) == 1
    assert "security" in origins[0]


def test_the_journal_is_bounded_and_kept(host):
    assert host.file("/var/log/journal").is_directory
    assert "SystemMaxUse=512M" in host.check_output("systemd-analyze cat-config systemd/journald.conf")


def test_sessions_speak_the_declared_locale(host):
    assert host.file("/etc/default/locale").contains("LANG=C.UTF-8")
