"""A PostgreSQL 17 server for these tests alone: one small lab host, reached over TLS."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAME = "app-tests"
# Where clients of the host come from: the tests on this machine, and programs on the host itself.
CLIENTS = "10.98.0.0/24,10.99.255.0/30"


@dataclass(frozen=True, kw_only=True)
class Server:
    """A host with PostgreSQL. Commands run as root on it."""

    address: str
    ssh: tuple[str, ...]

    def run(self, *command: str, script: str = "") -> str:
        """Run a command and return its output. Raises CalledProcessError."""
        result = subprocess.run(
            [*self.ssh, "sudo", "-n", *command], input=script, capture_output=True, text=True, check=False, timeout=1200
        )
        if result.returncode:
            raise AssertionError(f"{command[0]} on {self.address} failed: {result.stderr.strip() or result.stdout}")
        return result.stdout

    def sql(self, database: str, statement: str) -> str:
        """Run SQL as the superuser by the local socket."""
        return self.run("-u", "postgres", "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", database, script=statement).strip()


def create(name: str = NAME, *, in_memory: bool = False) -> tuple[Server, str]:
    """Make the host, or take the one that is there, and return it with its authority's certificate.

    `in_memory`: the database lies there, in up to 8 GiB, and not on the disk that a benchmark measures.
    """
    host = json.loads(_lab("create", name))[0]
    ssh = (
        "ssh", "-i", host["private_key_file"], "-o", f"UserKnownHostsFile={host['known_hosts_file']}",
        "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ControlMaster=auto", "-o", "ControlPersist=60",
        "-o", "ControlPath=/tmp/freelance-app-tests-%C", f"{host['user']}@{host['address']}",
    )  # fmt: skip
    server = Server(address=host["address"], ssh=ssh)
    script = (Path(__file__).parent / "postgresql_host.sh").read_text()
    names = ("direct.test", "read-only.test", "pooled.test", name, server.address)
    where = ["--in-memory"] if in_memory else []
    return server, server.run("bash", "-s", "--", *where, CLIENTS, *names, script=script)


def destroy(name: str = NAME) -> None:
    """Remove the host."""
    _lab("destroy", name)


def _lab(action: str, name: str) -> str:
    command = [str(ROOT / "lab/run"), "hosts", action, "--network", "molecule", "--name", name]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("DB_", "DJANGO_"))}
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)
    if result.returncode:
        raise AssertionError(f"{' '.join(command)} failed: {result.stderr.strip()}. `make up` starts the lab.")
    return result.stdout
