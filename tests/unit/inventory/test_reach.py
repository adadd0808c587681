"""How a host is reached: ssh's own reading of the inventory's arguments, and what Ansible makes of them."""

import json
import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
JUMP = (
    "ssh -W %h:%p -p 2222 -i {private_key_file} -o UserKnownHostsFile={known_hosts_file} "
    '-o "StrictHostKeyChecking yes" ops@jump.example'
)
TUNNEL = (
    "aws ec2-instance-connect open-tunnel --region eu-central-1 --instance-connect-endpoint-id eice-0a "
    "--private-ip-address %h --remote-port %p"
)
ADDRESS = "127.0.0.1"  # of the host in these tests, where nobody listens


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put an `aws` on PATH that logs its words and opens no tunnel; returns the log."""
    log = tmp_path / "aws.log"
    program = tmp_path / "bin" / "aws"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exec echo aws-cli/2.12.0\necho "$@" >> {log}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return log


def parsed(variables: dict[str, Any]) -> dict[str, str]:
    """Return ssh's reading of its arguments; it connects to nothing."""
    argv = ["ssh", "-F", "none", "-G", *shlex.split(variables["ansible_ssh_common_args"]), ADDRESS]
    lines = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    return {key: value for key, _, value in (line.partition(" ") for line in lines)}


def test_ssh_reads_the_jump_host_with_the_same_files(plugin: ModuleType, contract: dict[str, Any]) -> None:
    host = contract["clusters"]["main"]["hosts"][0]
    host["connect"] |= {"proxy_command": JUMP, "private_key_file": "/keys of mine/it's one", "host": ADDRESS}
    options = parsed(plugin.connection_variables(host))
    assert options["userknownhostsfile"] == f"{ROOT}/.lab/ssh/known_hosts"
    assert options["stricthostkeychecking"] == "true"
    words = shlex.split(options["proxycommand"])
    assert words == [
        *("ssh", "-W", "%h:%p", "-p", "2222", "-i", "/keys of mine/it's one"),
        *("-o", f"UserKnownHostsFile={ROOT}/.lab/ssh/known_hosts", "-o", "StrictHostKeyChecking yes"),
        "ops@jump.example",
    ]


@pytest.fixture
def inventory(tmp_path: Path, contract: dict[str, Any]) -> Callable[[str | None], Path]:
    """Return a function that writes an inventory whose database hosts are reached by a ProxyCommand."""

    def write(proxy_command: str | None) -> Path:
        for host in contract["clusters"]["main"]["hosts"]:
            host["connect"] |= {"host": ADDRESS, "port": 9, "proxy_command": proxy_command}
        saved = tmp_path / "contract.json"
        saved.write_text(json.dumps(contract), encoding="utf-8")
        source = tmp_path / "inventory" / "pulumi_stack.yml"
        source.parent.mkdir(exist_ok=True)
        lines = ["plugin: pulumi_stack", "stack: lab", "environment: lab", "project: freelance-platform"]
        source.write_text("\n".join([*lines, "remedy: make up", f"contract_file: {saved}"]), encoding="utf-8")
        return source

    return write


def ansible(*argv: str | Path, **environment: str) -> str:
    done = subprocess.run(
        [*argv], capture_output=True, text=True, cwd=ROOT, env={**os.environ, **environment}, check=False
    )
    return done.stdout + done.stderr


def test_ansible_goes_through_the_tunnel_and_keeps_pipelining_and_control_persist(
    inventory: Callable[[str | None], Path], aws: Path, tmp_path: Path
) -> None:
    source = inventory(TUNNEL)
    said = ansible(
        *("ansible", "-i", source, "db2", "-m", "ansible.builtin.command", "-a", "true", "-vvvv"),
        ANSIBLE_SSH_CONTROL_PATH_DIR=str(tmp_path / "s"),
        ANSIBLE_SSH_RETRIES="0",
    )
    assert aws.read_text().splitlines() == [TUNNEL.removeprefix("aws ").replace("%h", ADDRESS).replace("%p", "9")], said
    command = next(line for line in said.splitlines() if "SSH: EXEC ssh" in line)
    for words in ("ControlMaster=auto", "ControlPersist=300s", "StrictHostKeyChecking=yes", "ConnectTimeout=30"):
        assert words in command
    assert command.count("ConnectTimeout") == 1
    assert "Pipelining is enabled" in said


@pytest.mark.parametrize(("command", "seconds"), [(TUNNEL, 30), (None, 10)])
def test_ansible_waits_longer_for_a_tunnel(
    inventory: Callable[[str | None], Path], command: str | None, seconds: int
) -> None:
    variables = json.loads(ansible("ansible-inventory", "-i", inventory(command), "--host", "db1"))
    assert variables["ansible_ssh_timeout"] == seconds
    assert ("ProxyCommand=" in variables["ansible_ssh_common_args"]) == (command is not None)
