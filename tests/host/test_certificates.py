"""Certificates: who signed them, whom they name, how long they are valid, and that services present just these."""

import datetime
import re
from types import SimpleNamespace

from cryptography import x509

from tests.host import plan
from tests.host.environment import Environment

DAYS_MIN = 21  # renewed with 30 days left; fewer than 21 means that renewals have stopped


def test_every_certificate_has_days_left(host: SimpleNamespace) -> None:
    now, days = datetime.datetime.now(datetime.UTC), {}
    for path, text in host.certificates.items():
        end = re.search(r"notAfter=(.+)", text)
        assert end, f"{path}: {text}"
        expires = datetime.datetime.strptime(end[1], "%b %d %H:%M:%S %Y %Z").replace(tzinfo=datetime.UTC)
        days[path] = (expires - now).days
    assert {path: left for path, left in days.items() if left < DAYS_MIN} == {}


def test_certificates_name_what_was_declared(host: SimpleNamespace) -> None:
    for wanted in host.declared["tls_certificate_certificates"]:
        text = host.certificates[f"/etc/ssl/platform/{wanted['name']}.crt"]
        names = set(re.findall(r"DNS:([^,\s]+)", text)) | set(re.findall(r"IP Address:([^,\s]+)", text))
        assert names == {*wanted["dns_names"], *wanted.get("addresses", [])}, wanted["name"]
        assert re.search(rf"subject=.*CN\s*=\s*{re.escape(wanted['common_name'])}\b", text), text


def test_no_certificate_is_there_that_was_not_declared(host: SimpleNamespace) -> None:
    declared = {f"/etc/ssl/platform/{wanted['name']}.crt" for wanted in host.declared["tls_certificate_certificates"]}
    assert set(host.certificates) - declared == {"/etc/ssl/platform/ca.crt"}


def test_hosts_trust_the_authority_of_the_environment(host: SimpleNamespace) -> None:
    wanted = host.declared["tls_certificate_authority_certificate"]
    assert host.contents["/etc/ssl/platform/ca.crt"].strip() == str(wanted).strip()


def test_each_listener_presents_the_certificate_that_lies_on_the_host(
    host: SimpleNamespace, environment: Environment
) -> None:
    listeners = plan.listeners(environment, host.name)
    assert sorted(host.presented) == sorted(f"{each['address']}:{each['port']}" for each in listeners)
    for listener in listeners:
        name = f"{listener['address']}:{listener['port']}"
        answer = host.presented[name]
        # What is no certificate is the reason why the authority or the name did not hold.
        assert answer.startswith("-----BEGIN CERTIFICATE-----"), f"{name}: {answer}"
        presented = x509.load_pem_x509_certificate(answer.encode())
        assert (presented.not_valid_after_utc - datetime.datetime.now(datetime.UTC)).days >= DAYS_MIN, name
        on_disk = x509.load_pem_x509_certificate(host.contents[listener["certificate"]].encode())
        assert presented == on_disk, f"{name} still presents what was there before {listener['certificate']}: reload it"


def test_the_balancer_has_loaded_the_certificate_that_it_shows_to_patroni(database_host: SimpleNamespace) -> None:
    loaded, files = database_host.files["/run/haproxy/loaded"], database_host.files
    names = [f"/etc/ssl/platform/{end}" for end in ("haproxy.pem", "ca.crt")]
    assert [name for name in names if files[name]["modified"] > loaded["modified"]] == [], "newer than the last load"
