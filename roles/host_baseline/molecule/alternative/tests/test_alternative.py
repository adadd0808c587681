def test_both_families_are_filtered(host):
    rules = host.check_output("nft --stateless list table inet platform")
    assert "ip saddr 192.0.2.0/24 udp dport 53 accept" in rules
    assert "ip6 saddr 2001:db8::/32 udp dport 53 accept" in rules
    assert "ip6 saddr fd00::/8 tcp dport 22 accept" in rules
    assert "policy drop" in rules


def test_a_session_has_the_declared_limit_of_files(host):
    assert host.check_output("su - backup -s /bin/bash -c 'ulimit -n'") == "4096"


def test_a_service_has_the_declared_limit_of_files(host):
    assert host.check_output("systemctl show --property=DefaultLimitNOFILE --value") == "4096"


def test_the_other_settings_are_the_declared_ones(host):
    held = host.check_output("apt-config dump Unattended-Upgrade::Package-Blacklist")
    assert [line for line in held.splitlines() if "::" in line.split()[0].removeprefix("Unattended-Upgrade::")] == [
        'Unattended-Upgrade::Package-Blacklist:: "^only-this";'
    ]
    assert "SystemMaxUse=64M" in host.check_output("systemd-analyze cat-config systemd/journald.conf")
    assert host.file("/etc/default/locale").contains("LANG=POSIX")


def test_packages_come_from_the_declared_mirror_alone(host):
    sources = host.file("/etc/apt/sources.list.d/debian.sources").content_string
    mirror, security = [line.split()[1] for line in sources.splitlines() if line.startswith("URIs:")]
    assert security == mirror.rstrip("/") + "-security"
    asked = set(host.check_output("apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages'").split())
    assert {uri.rstrip("/") for uri in asked} >= {mirror.rstrip("/"), security}
    assert host.run("apt-get update --error-on=any").rc == 0
