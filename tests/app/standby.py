"""A streaming standby beside the test host's PostgreSQL: it stands where else the leader plays its own replica.

HAProxy is told of its port by the admin socket; everything in front of it stays as the platform has it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import endpoints
from endpoints import REPLICA_ADDRESS
from server import Server

LEADER_PORT, PORT = 5432, 5433
UNIT = "postgresql-standby"
FOLDER = "/var/lib/postgresql/17/standby"
# Settings, certificate and rules of clients are the leader's.
START = f"""
set -euo pipefail
sudo -u postgres pg_basebackup --pgdata {FOLDER} --checkpoint fast --no-sync --write-recovery-conf
systemd-run --quiet --collect --unit {UNIT} -p User=postgres -p Type=notify -p KillSignal=SIGQUIT \\
    /usr/lib/postgresql/17/bin/postgres -D /etc/postgresql/17/main -c data_directory={FOLDER} \\
    -c listen_addresses={REPLICA_ADDRESS} -c port={PORT} -c external_pid_file= -c cluster_name=standby \\
    -c wal_retrieve_retry_interval=100ms
"""
STOP = f"if systemctl is-active --quiet {UNIT}; then systemctl stop {UNIT}; fi"
TELL_THE_BALANCER = f"""
import socket
with socket.socket(socket.AF_UNIX) as admin:
    admin.connect("/run/haproxy/admin.sock")
    admin.sendall(b"set server replicas/db2 addr {REPLICA_ADDRESS} port %d\\n")
    print(admin.recv(1000).decode())
"""


@dataclass(frozen=True, kw_only=True)
class Standby:
    """The replica that the endpoint for reads leads to. It starts to lag, and dies, when it is told to."""

    server: Server

    def sql(self, statement: str) -> str:
        """Run SQL as its superuser."""
        psql = ("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-p", str(PORT), "postgres")
        return self.server.run("-u", "postgres", *psql, script=statement).strip()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keep what the leader writes from being seen here. Afterwards it has caught up."""
        self.sql("SELECT pg_wal_replay_pause();")
        wait_until(lambda: self.sql("SELECT pg_get_wal_replay_pause_state();") == "paused")
        try:
            yield
        finally:
            self.sql("SELECT pg_wal_replay_resume();")
            self.catch_up()

    def catch_up(self) -> None:
        """Wait until it shows what the leader has committed by now."""
        # Flushed, as what the leader does not hurry to write waits for seconds.
        position = self.server.sql("postgres", "SELECT pg_logical_emit_message(false, 'tests', '', true);")
        wait_until(lambda: self.sql(f"SELECT pg_last_wal_replay_lsn() >= '{position}';") == "t")

    def die(self) -> None:
        """Be gone at once, as a host that lost its power."""
        self.server.run("systemctl", "kill", "--signal", "SIGKILL", UNIT)


@contextmanager
def standby(server: Server) -> Iterator[Standby]:
    """Put a standby in the place of the second server."""
    _remove(server)
    server.run("bash", "-s", script=START)
    try:
        made = Standby(server=server)
        made.catch_up()
        _lead_to_port(server, PORT)
        yield made
    finally:
        _lead_to_port(server, LEADER_PORT)
        _remove(server)


def wait_until(there: Callable[[], bool], seconds: float = 30) -> None:
    """Ask again until it is so. Raises AssertionError when it takes too long."""
    deadline = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < deadline, f"not so after {seconds} s"
        time.sleep(0.1)


def _lead_to_port(server: Server, port: int) -> None:
    server.run("python3", "-", script=TELL_THE_BALANCER % port)
    endpoints.replica_is(server, "replica")
    endpoints.reconnect(server)


def _remove(server: Server) -> None:
    server.run("bash", "-s", script=STOP)
    server.run("rm", "-rf", FOLDER)
