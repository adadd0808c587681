"""The policy pack on the real engine: what it lets through, what it stops, and what a user reads.

A violation must end a run before the provider is asked for anything: its journal tells. That the example stacks hold
every rule, the tests of their lives show: they run under the pack.
"""

import datetime
import re
import shutil
from pathlib import Path

import pytest
import yaml
from engine_workspace import ROOT, Engine, make_engine

PACK = ROOT / "pulumi/policy"
HEAD = """
import json, pulumi, pulumi_aws as aws
tags = {"Project": "small", "Environment": "dev", "ManagedBy": "pulumi"}
"""
HOST = f"""{HEAD}
aws.ec2.Instance("open", ami="ami-0123456789abcdef0", associate_public_ip_address=True, instance_type="m7a.large",
    monitoring=True, ebs_optimized=True, root_block_device=dict(encrypted=True, kms_key_id="key", tags=tags),
    metadata_options=dict(http_tokens="required", http_put_response_hop_limit=1), tags=tags)
"""
# The policy names what AWS invents, so that a preview can't know it.
ROLE = f"""{HEAD}
taken = dict(Effect="Allow", Principal=dict(Service="ec2"), Action="sts:AssumeRole")
role = aws.iam.Role("role", tags=tags, assume_role_policy=json.dumps(dict(Statement=[taken])))
wide = dict(Effect="Allow", Action="iam:*", Resource=role.arn)
aws.iam.RolePolicy("all", role=role.name, policy=pulumi.Output.json_dumps(dict(Statement=[wide])))
"""


def violated(shown: str) -> set[str]:
    """Return the rules that a run names as violated."""
    return set(re.findall(r"^ +- \[mandatory\] +(\S+) ", shown, re.MULTILINE))


def pack_with(folder: Path, exceptions: list[dict[str, object]]) -> str:
    """Return a copy of the pack with these exceptions."""
    shutil.copytree(PACK, folder / "pulumi/policy")
    (folder / ".venv").symlink_to(ROOT / ".venv")
    text = yaml.safe_dump({"exceptions": exceptions})
    (folder / "pulumi/policy/exceptions.yml").write_text(text, encoding="utf-8")
    return str(folder / "pulumi/policy")


def exception(rule: str, resource: str, until: str = "2099-12-31") -> dict[str, object]:
    last = datetime.date.fromisoformat(until)
    return {"rule": rule, "resource": resource, "reason": "agreed with nobody", "until": last}


@pytest.fixture(scope="module")
def small(home: Path) -> Engine:
    """A project of its own whose program each test writes."""
    engine = make_engine(home, stack="dev")
    for link in engine.project.iterdir():
        if link.name != ".venv":
            link.unlink()
    project = "name: small\nruntime: {name: python, options: {toolchain: pip, virtualenv: .venv}}\n"
    (engine.project / "Pulumi.yaml").write_text(project)
    (engine.project / "__main__.py").write_text("")
    engine.run("stack", "init")
    engine.run("config", "set", "aws:region", "eu-central-1")
    return engine


@pytest.mark.parametrize("command", [("preview",), ("up", "--yes", "--skip-preview")], ids=" ".join)
def test_a_violation_ends_the_run_before_anything_is_made(small: Engine, command: tuple[str, ...]) -> None:
    (small.project / "__main__.py").write_text(HOST)
    stopped = small.run(*command, "--policy-pack", str(PACK), check=False)
    assert stopped.returncode == 1
    assert violated(stopped.stdout) == {"ec2-no-public-address"}
    assert "No host has a public address." in stopped.stdout
    assert "open: associatePublicIpAddress is True. Set associate_public_ip_address=False" in stopped.stdout
    assert "[EC2.9 EC2.25 CKV_AWS_88]" in stopped.stdout
    assert small.journal() == []


def test_what_the_preview_could_not_know_is_found_when_it_is_made(small: Engine) -> None:
    (small.project / "__main__.py").write_text(ROLE)
    assert violated(small.run("preview", "--policy-pack", str(PACK)).stdout) == set()
    stopped = small.run("up", "--yes", "--skip-preview", "--policy-pack", str(PACK), check=False)
    assert (stopped.returncode, violated(stopped.stdout)) == (1, {"iam-no-wildcard-actions"})
    assert [line["name"] for line in small.journal()] == ["role"]


@pytest.mark.parametrize(("until", "code"), [("2099-12-31", 0), ("2020-01-31", 1)])
def test_an_exception_holds_until_its_day(small: Engine, tmp_path: Path, until: str, code: int) -> None:
    (small.project / "__main__.py").write_text(HOST)
    pack = pack_with(tmp_path, [exception("ec2-no-public-address", "open", until)])
    seen = small.run("preview", "--policy-pack", pack, check=False)
    assert seen.returncode == code, seen.stdout
    assert ("The exception ended on 2020-01-31 (agreed with nobody)." in seen.stdout) == bool(code)


def test_an_exception_of_no_rule_is_refused_with_its_name(small: Engine, tmp_path: Path) -> None:
    (small.project / "__main__.py").write_text("")
    pack = pack_with(tmp_path, [exception("ec2-no-pubic-address", "open")])
    refused = small.run("preview", "--policy-pack", pack, check=False)
    shown = refused.stdout + refused.stderr
    assert refused.returncode != 0
    assert "exceptions.yml, entry 1: no rule 'ec2-no-pubic-address'; docs/policies.md lists them" in shown
    assert "Traceback" not in shown
