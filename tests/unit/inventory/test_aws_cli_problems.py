"""An AWS CLI that opens no tunnel is named with its remedy, before anything connects."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from tests.loading import load

ROOT = Path(__file__).resolve().parents[3]
TUNNEL = "aws ec2-instance-connect open-tunnel --private-ip-address %h --remote-port %p"
V2 = "Python/3.11.6 Linux/6.1.0 exe/x86_64.debian.12 prompt/off"


@pytest.fixture(scope="module")
def lookup() -> ModuleType:
    return load(ROOT / "ansible/plugins/lookup/aws_cli_problems.py")


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], Path]:
    """Return a function that makes a script the only `aws` on PATH, or leaves none."""

    def write(script: str | None) -> Path:
        program = tmp_path / "bin" / "aws"
        program.parent.mkdir()
        # The programs of this environment stay; no other `aws` may be found.
        for name in ("sh", "cat", "python3"):
            (program.parent / name).symlink_to(str(shutil.which(name)))
        if script is not None:
            program.write_text(script)
            program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent))
        return program

    return write


def says(version: str) -> str:
    return f"#!/bin/sh\necho '{version}'\n"


@pytest.mark.parametrize("version", ["2.12.0", "2.12.1", "2.27.50", "3.0.0"])
def test_a_new_enough_one_passes(lookup: ModuleType, install: Callable[[str], Path], version: str) -> None:
    install(says(f"aws-cli/{version} {V2}"))
    assert list(lookup.problems([TUNNEL])) == []


@pytest.mark.parametrize(
    ("script", "finding"),
    [
        (None, "aws: not on PATH"),
        (says("aws-cli/1.45.11 Python/3.11.7 Linux/6.1.0 botocore/1.43.11"), "version 1.45.11"),
        ("#!/bin/sh\necho 'aws-cli/1.16.92 Python/2.7.5' >&2\n", "version 1.16.92"),
        (says(f"aws-cli/2.9.19 {V2}"), "version 2.9.19"),
        (says(f"aws-cli/2.11.27 {V2}"), "version 2.11.27"),
        (says("lorem ipsum"), "`--version` ended with 0 and answered 'lorem ipsum'"),
        ("#!/bin/sh\nprintf '\\377\\376'\n", "`--version` ended with 0 and answered"),
        ("#!/bin/sh\nexit 0\n", "`--version` ended with 0 and answered ''"),
        ("#!/bin/sh\necho 'aws-cli/2.15.0 x'\nexit 3\n", "`--version` ended with 3"),
        ("#!/nowhere/python\n", "it can't be run (No such file or directory)"),
    ],
    ids=["missing", "v1", "v1 on stderr", "debian 12", "one before", "words", "bytes", "nothing", "fails", "broken"],
)
def test_another_one_is_named_with_what_is_needed_and_where_to_get_it(
    lookup: ModuleType, install: Callable[[str | None], Path], script: str | None, finding: str
) -> None:
    program = install(script)
    (told,) = lookup.problems([TUNNEL, TUNNEL])
    assert finding in told
    assert script is None or str(program) in told
    assert "needs the AWS CLI 2.12.0 or newer" in told
    assert "AWS's own installer" in told
    assert "reach: bastion or vpn" in told


@pytest.mark.parametrize(
    "command", ["", "ssh -W %h:%p jump", "aws ssm start-session --target i-0a", "my-aws tunnel %h"]
)
def test_whoever_needs_no_tunnel_needs_no_aws_cli(
    lookup: ModuleType, install: Callable[[None], Path], command: str
) -> None:
    install(None)
    assert list(lookup.problems([command])) == []


def test_a_path_and_options_of_ones_own_are_seen(lookup: ModuleType, install: Callable[[str], Path]) -> None:
    program = install(says("aws-cli/1.45.11"))
    command = f"{program} --profile 'my own' ec2-instance-connect open-tunnel --private-ip-address %h"
    assert [told.split(":")[0] for told in lookup.problems([command])] == [str(program)]


def test_the_site_is_refused_before_a_host_or_aws_is_asked(
    production: Callable[[object], Path], install: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = json.loads((ROOT / "tests/golden/production/contract.json").read_text(encoding="utf-8"))
    for host in (*contract["clusters"]["main"]["hosts"], *contract["services"]):
        host["connect"]["proxy_command"] = TUNNEL
    inventory = production(contract)
    before = os.environ["PATH"]
    program = install(says(f"aws-cli/2.9.19 {V2}"))
    monkeypatch.setenv("PATH", f"{program.parent}:{Path(sys.executable).parent}:{before}")

    done = subprocess.run(
        ["ansible-playbook", "-i", str(inventory), "ansible/playbooks/site.yml"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )

    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    assert f"{program}: version 2.9.19; the hosts are reached by" in said, said[-3000:]
    assert "changed=0" in said
    assert "Refuse a missing or placeholder secret" not in said
    assert "Reach the hosts" not in said
