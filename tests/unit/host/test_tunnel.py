"""Verifying hosts behind a tunnel begins with the program that opens it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def kept_copy() -> Iterator[None]:
    """The plugin keeps a copy of what Pulumi said: the user's own comes back."""
    saved = ROOT / ".ansible/production/contract.json"
    before = saved.read_bytes() if saved.exists() else None
    yield
    saved.unlink(missing_ok=True)
    if before is not None:
        saved.write_bytes(before)


@pytest.mark.usefixtures("kept_copy")
@pytest.mark.parametrize(
    ("version", "status"), [("2.9.19", pytest.ExitCode.USAGE_ERROR), ("2.12.0", pytest.ExitCode.OK)]
)
def test_an_aws_cli_that_opens_no_tunnel_is_refused_before_the_first_test(
    tmp_path: Path, version: str, status: pytest.ExitCode
) -> None:
    contract = json.loads((ROOT / "tests/golden/production/contract.json").read_text(encoding="utf-8"))
    for host in (*contract["clusters"]["main"]["hosts"], *contract["services"]):
        host["connect"]["proxy_command"] = "aws ec2-instance-connect open-tunnel --private-ip-address %h"
    (tmp_path / "contract.json").write_text(json.dumps(contract), encoding="utf-8")
    for name, words in (("pulumi", f"cat {tmp_path}/contract.json"), ("aws", f"echo aws-cli/{version}")):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{words}\n")
        program.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/host", "--environment", "production", "--collect-only", "-q"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"},
        check=False,
    )
    assert done.returncode == status, (done.stdout + done.stderr)[-2000:]
    told = f"environment production: {tmp_path}/bin/aws: version {version}; the hosts are reached by"
    assert (told in done.stderr) == (status == pytest.ExitCode.USAGE_ERROR), done.stderr[-2000:]
