"""What is looked at on each host: everything that listens, and what the declaration renders to."""

import subprocess

import pytest

from tests.host import plan
from tests.host.environment import Environment
from tests.host.expect import EXPECTED_SOCKETS, TLS_LISTENERS, port_of

WITHOUT_TLS_OF_THEIR_OWN = {22, "direct", "read_only_direct"}  # ssh; the balancer hands bytes on to PostgreSQL


def test_every_listener_but_ssh_and_the_balancer_is_asked_for_its_certificate() -> None:
    expected = {
        (kind, port, address)
        for kind, sockets in EXPECTED_SOCKETS.items()
        for port, address, _ in sockets
        if port not in WITHOUT_TLS_OF_THEIR_OWN
    }
    asked = {(kind, port, address) for kind, listed in TLS_LISTENERS.items() for port, address, *_ in listed}
    assert {(kind, port, "{address}" if address == "*" else address) for kind, port, address in expected} == asked


def test_the_ports_of_the_endpoints_are_the_contracts(environment: Environment) -> None:
    ports = [port_of(environment, port) for port in ("pooled", "direct", "read_only_direct", 22)]
    assert ports == [6432, 5000, 5001, 22]


def test_every_certificate_of_a_host_is_presented_by_a_listener(environment: Environment) -> None:
    # The balancer's is a client's certificate: it shows it to Patroni and is compared by its time of loading.
    for name in environment.hosts("all"):
        declared = {each["name"] for each in environment.declared(name)["tls_certificate_certificates"]}
        shown = {each["certificate"].rpartition("/")[2] for each in plan.listeners(environment, name)}
        assert declared - {"haproxy"} == {file.removesuffix(".crt") for file in shown}, name


@pytest.mark.parametrize("name", ["db1", "service1"])
def test_the_plan_holds_the_rules_of_the_firewall_and_no_secret(environment: Environment, name: str) -> None:
    made = plan.of(environment, name)
    rules = made["commands"]["firewall_declared"][-1]
    assert "policy drop" in rules
    assert 'tcp dport { 8432 } accept comment "pgBackRest"' in rules
    assert "kept-to-itself" not in str(made)


def test_nft_lists_the_declared_rules_without_loading_them(environment: Environment) -> None:
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not make a network namespace")
    before = subprocess.run(plan.LIST_RULES, capture_output=True, text=True, check=True).stdout
    listed = subprocess.run(
        plan.of(environment, "db1")["commands"]["firewall_declared"], capture_output=True, text=True, check=False
    )
    assert listed.returncode == 0, listed.stderr
    assert "10.99.0.0/24" in listed.stdout
    assert subprocess.run(plan.LIST_RULES, capture_output=True, text=True, check=True).stdout == before
