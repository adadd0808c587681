"""Certificates are renewed under living clients: every listener presents the new one, nothing restarts."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.host import clients
from tests.host.environment import Environment
from tests.proofs.tools import SITE, play, scripts

pytestmark = pytest.mark.long

RENEW = "ansible/playbooks/renew_certificates.yml"
LISTENERS = Path(__file__).with_name("listeners.py").read_text(encoding="utf-8")
STARTED = (
    "systemctl show --property=MainPID --property=ActiveEnterTimestamp patroni etcd haproxy pgbouncer pgbackrest"
    " valkey-server; if [ -S /run/postgresql/.s.PGSQL.5432 ]; then"
    " runuser -u postgres -- psql -XAtc 'select pg_postmaster_start_time()'; fi"
)
# Port -> whether TLS begins after PostgreSQL's own request for it.
DATABASE_PORTS = {2379: False, 2380: False, 5432: True, 6432: True, 8008: False, 8432: False}


def ends(lab: Environment) -> dict[tuple[str, int], datetime]:
    """When the certificate ends that each listener presents to a client."""
    wanted = {host: dict(DATABASE_PORTS) for host in lab.hosts("database")}
    for group, port in (("repository", 8432), ("cache", 6379)):
        for host in lab.hosts(group):
            wanted.setdefault(host, {})[port] = False
    texts = {}
    for host, ports in wanted.items():
        address = lab.declared(host)["platform_host"]["address"]
        program = base64.b64encode(LISTENERS.encode()).decode()
        given = json.dumps([[address, port, starts] for port, starts in ports.items()])
        texts[host] = f"python3 -c \"import base64; exec(base64.b64decode('{program}'))\" '{given}'"
    found = {}
    for host, answer in scripts(lab, texts).items():
        for port, encoded in json.loads(answer).items():
            found[host, int(port)] = x509.load_der_x509_certificate(base64.b64decode(encoded)).not_valid_after_utc
    return found


def test_renewed_certificates_are_taken_over_with_clients_connected(
    lab: Environment, everywhere: Callable[[str], dict[str, str]], card: dict[str, Any]
) -> None:
    before, started = ends(lab), everywhere(STARTED)
    pooled, direct = clients.connect(card, "pooled"), clients.connect(card, "direct")
    backend = direct.execute("select pg_backend_pid()").fetchone()
    with pooled, direct:
        # Longer than those that are there have left: each of them is due.
        left_days = (max(before.values()) - datetime.now(UTC)).days
        run = play(
            *(RENEW, "-e", f"tls_certificate_validity_days={left_days + 3}"),
            *("-e", f"tls_certificate_renewal_days={left_days + 2}"),
        )
        assert run.code == 0, run.output[-4000:]
        after = ends(lab)
        late = {listener: str(end) for listener, end in after.items() if end <= before[listener]}
        assert late == {}, "listeners that present the certificate from before"
        assert after.keys() == before.keys()
        assert pooled.execute("select 1").fetchone() == (1,)
        assert direct.execute("select pg_backend_pid()").fetchone() == backend
    assert everywhere(STARTED) == started, "something was restarted"
    # A new client trusts them, and a run that knows of the usual days finds nothing to do.
    with clients.connect(card, "pooled") as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    again = play(SITE, "--tags", "tls_certificate")
    assert (again.code, again.changed) == (0, []), again.output[-3000:]
    print(f"\n{len(after)} listeners present a new certificate")
