"""What a client of the cache sees, and what it must not."""

import re

import pytest

TLS = "--tls --cacert /etc/ssl/platform/ca.crt -h cache-default-1"
APP = "AUTH freelance only-of-this-scenario-0123456789"
OPERATOR = "AUTH operator another-of-this-scenario-0123456789"


@pytest.fixture
def ask(host):
    def run(*commands, options=TLS):
        lines = "\\n".join(commands)
        return host.run(f"printf '{lines}\\n' | valkey-cli {options}").stdout.split("\n")

    return run


def test_the_application_keeps_a_value_over_tls(ask):
    assert ask(APP, "SET k:1 v EX 60", "GET k:1", "DEL k:1")[:4] == ["OK", "OK", "v", "1"]


def test_the_application_can_use_what_a_web_framework_uses(ask):
    said = ask(APP, "MULTI", "SET a 1", "INCRBY a 2", "EXPIRE a 9", "TTL a", "EXEC", "MGET a b", "FLUSHDB")
    assert not [line for line in said if line.startswith(("ERR", "NOPERM", "EXECABORT"))], said


@pytest.mark.parametrize("command", ["CONFIG GET maxmemory", "ACL LIST", "KEYS *", "SHUTDOWN", "FLUSHALL"])
def test_the_application_can_not_administer(ask, command):
    assert ask(APP, command)[1].startswith("NOPERM")


@pytest.mark.parametrize("login", ["PING", "AUTH default x", "AUTH freelance wrong"])
def test_nobody_else_gets_in(ask, login):
    said = [line for line in ask(login, "GET k") if line]
    assert said[-1].startswith("NOAUTH"), said
    assert not [line for line in said if not line.startswith(("NOAUTH", "WRONGPASS"))], said


def test_the_operator_reads_settings_and_no_key(ask):
    assert ask(OPERATOR, "GET k")[1].startswith("NOPERM")
    assert ask(OPERATOR, "CONFIG GET maxmemory-policy")[2] == "allkeys-lfu"


def test_a_plain_connection_is_refused(host):
    assert host.run("timeout 5 valkey-cli -h cache-default-1 PING").stdout.strip() != "PONG"


def test_a_server_that_the_authority_did_not_sign_is_refused(host):
    refused = host.run(
        f"valkey-cli {TLS.replace('/etc/ssl/platform/ca.crt', '/etc/ssl/certs/ca-certificates.crt')} PING"
    )
    assert refused.rc != 0


def test_it_listens_on_its_own_addresses_alone(host):
    sockets = host.check_output("ss -Htlnp | grep valkey").splitlines()
    addresses = sorted(line.split()[3] for line in sockets)
    assert len(addresses) == 2
    assert addresses[1] == "127.0.0.1:6379"
    assert not addresses[0].startswith(("0.0.0.0", "*", "["))  # noqa: S104 - what must not be there


def test_a_full_cache_evicts_instead_of_failing(host, ask):
    """A hundred megabytes into sixty-four: each write is accepted, some keys are gone."""
    write = f"valkey-benchmark {TLS} --user freelance -a only-of-this-scenario-0123456789 -q"
    filled = host.run(f"{write} -t set -n 25000 -r 1000000 -d 4096 -P 50")
    assert filled.rc == 0, filled.stderr
    assert "error" not in (filled.stdout + filled.stderr).lower()
    statistics = "\n".join(ask(APP, "INFO stats", "FLUSHDB"))
    assert int(re.search(r"evicted_keys:(\d+)", statistics)[1]) > 1000


def test_nothing_is_kept_on_disk(host, ask):
    ask(APP, "SET k:2 v")
    assert host.check_output("find /var/lib/valkey -type f") == ""
    assert ask(OPERATOR, "CONFIG GET save", "CONFIG GET appendonly")[1:5] == ["save", "", "appendonly", "no"]


@pytest.mark.parametrize("path", ["/etc/valkey/valkey.conf", "/etc/valkey/users.acl"])
def test_the_files_hold_no_password_and_are_the_services_alone(host, path):
    file = host.file(path)
    assert (file.user, file.group, file.mode) == ("root", "valkey", 0o640)
    assert "of-this-scenario" not in file.content_string


def test_the_password_is_in_no_log(host):
    # These tests say it through sudo, which logs its commands.
    assert "of-this-scenario" not in host.check_output("journalctl --no-pager | grep -v 'sudo\\['")


def test_it_runs_now_and_at_boot(host):
    assert host.service("valkey-server").is_running
    assert host.service("valkey-server").is_enabled
