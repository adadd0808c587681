"""Certificates: who signed them, whom they name, how long they are valid."""

import datetime
import re
from types import SimpleNamespace

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
