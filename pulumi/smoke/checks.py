"""What is looked at while the small stack is up. Each returns a sentence for the table or raises StepError."""

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smoke.commands import ROOT, Run, StepError, answer, must
from smoke.settings import NAME

FOLDER = Path(".ansible") / NAME
POLICIES = "pulumi/policy"
INVENTORY = FOLDER / "pulumi_stack.yml"
ON_HOST = Path(__file__).with_name("on_host.py")
# Source: EC2 user guide, GetConsoleOutput: what an instance printed may be there some minutes after its first boot.
KEYS_SECONDS_MAX, KEYS_AGAIN_SECONDS = 900, 20
HOST_KEY = re.compile(r"\b(ssh-ed25519 AAAA[A-Za-z0-9+/=]+)")
CLUSTER = "main"
LOCKED = "nobody without s3:BypassGovernanceRetention (no host and not the deployer has it)"


def contract(run: Run) -> Mapping[str, Any]:
    """Return what the stack exports."""
    return answer(run, ["pulumi", "stack", "output", "contract", "--json", "--stack", NAME])


def policies_hold(run: Run) -> str:
    """Preview with the policy pack."""
    must(run, ["pulumi", "preview", "--stack", NAME, "--policy-pack", POLICIES], shown=True)
    return "preview passes the policy pack"


def goes_up(run: Run) -> str:
    """Make the stack."""
    must(run, ["pulumi", "up", "--yes", "--skip-preview", "--stack", NAME, "--policy-pack", POLICIES], shown=True)
    return f"{len(contract(run)['clusters'][CLUSTER]['hosts'])} database host is up"


def has_no_changes(run: Run) -> str:
    """Preview again."""
    must(run, ["pulumi", "preview", "--stack", NAME, "--expect-no-changes", "--diff"], shown=True)
    return "AWS keeps what was declared: a second preview is empty"


def instances(run: Run, region: str) -> list[Mapping[str, Any]]:
    """Return the stack's instances."""
    filters = [
        f"Name=tag:Environment,Values={NAME}",
        "Name=instance-state-name,Values=pending,running,stopping,stopped",
    ]
    argv = ["aws", "ec2", "describe-instances", "--region", region, "--output", "json", "--filters", *filters]
    found = answer(run, argv)
    return [instance for reservation in found["Reservations"] for instance in reservation["Instances"]]


def knows_host_keys(run: Run, region: str) -> str:
    """Write the keys that the hosts show on their consoles into known_hosts."""
    lines = []
    for instance in instances(run, region):
        argv = ["aws", "ec2", "get-console-output", "--latest", "--output", "text", "--region", region]
        for _ in range(KEYS_SECONDS_MAX // KEYS_AGAIN_SECONDS):
            shown = run([*argv, "--instance-id", instance["InstanceId"]])
            if found := HOST_KEY.search(shown.stdout):
                lines.append(f"{instance['PrivateIpAddress']} {found[1]}\n")
                break
            time.sleep(KEYS_AGAIN_SECONDS)
        else:
            raise StepError(f"{instance['InstanceId']} showed no host key on its console in {KEYS_SECONDS_MAX} s")
    (ROOT / FOLDER / "known_hosts").write_text("".join(lines), encoding="utf-8")
    return f"{len(lines)} host keys read from consoles"


def answers_ping(run: Run) -> str:
    """Ask each host through the tunnel."""
    must(run, ["ansible", "all", "-i", str(INVENTORY), "-m", "ansible.builtin.ping"], shown=True)
    return "each host answers through the tunnel"


def profile_is_narrow(run: Run) -> str:
    """Let the first host write and read below its prefix, and try what it must not."""
    found = contract(run)["clusters"][CLUSTER]
    repository, host = found["repository"], found["hosts"][0]["name"]
    words = [repository["bucket"], repository["region"], repository["kms_key_arn"], CLUSTER]
    script = f"{ON_HOST} {' '.join(words)}"
    argv = [
        "ansible",
        host,
        "-i",
        str(INVENTORY),
        "-m",
        "ansible.builtin.script",
        "-a",
        f"cmd='{script}' executable=python3",
    ]
    shown = must(run, argv)
    result = re.search(r"smoke-result=(\{[^}]*\})", shown.replace("\\", ""))
    if not result:
        raise StepError(f"the host said nothing of its rights: {shown[-300:]}")
    statuses = json.loads(result[1])
    wanted = {"write": 200, "read": 200, "write_elsewhere": 403, "read_elsewhere": 403, "list_elsewhere": 403}
    wrong = {name: statuses.get(name) for name, status in wanted.items() if statuses.get(name) != status}
    if wrong:
        raise StepError(f"the instance profile is not what it should be: {wrong}, wanted {wanted}")
    return "the host writes and reads its prefix and nothing else"


def lock_holds(run: Run, region: str) -> str:
    """Try to delete the version that the host wrote, without bypassing the lock, whose mode is GOVERNANCE."""
    bucket = contract(run)["clusters"][CLUSTER]["repository"]["bucket"]
    found = versions(run, bucket, region)
    if not found:
        raise StepError(f"{bucket} has no version of what the host wrote")
    name, version = found[0]
    argv = ["aws", "s3api", "delete-object", "--bucket", bucket, "--key", name, "--version-id", version]
    done = run([*argv, "--region", region])
    if not done.status:
        raise StepError(f"version {version} of {name} was deleted: the lock does not hold")
    if "AccessDenied" not in done.stderr:
        raise StepError(f"deletion failed for another reason: {done.stderr.strip()}")
    return f"{LOCKED} deletes a locked version"


def versions(run: Run, bucket: str, region: str) -> list[tuple[str, str]]:
    """Return key and version of all that a bucket holds, delete markers last."""
    found = answer(
        run, ["aws", "s3api", "list-object-versions", "--bucket", bucket, "--region", region, "--output", "json"]
    )
    every = [*(found.get("Versions") or []), *(found.get("DeleteMarkers") or [])]
    return [(each["Key"], each["VersionId"]) for each in every]


def targets_are_registered(run: Run, region: str) -> str:
    """Look at the balancer: no pooler runs yet, so targets are known and not healthy."""
    groups = answer(run, ["aws", "elbv2", "describe-target-groups", "--region", region, "--output", "json"])
    address = contract(run)["clusters"][CLUSTER]["hosts"][0]["address"]
    ours = {instance["InstanceId"] for instance in instances(run, region)} | {address}
    known = 0
    for group in groups["TargetGroups"]:
        argv = ["aws", "elbv2", "describe-target-health", "--target-group-arn", group["TargetGroupArn"]]
        health = answer(run, [*argv, "--region", region, "--output", "json"])["TargetHealthDescriptions"]
        mine = [each for each in health if each["Target"]["Id"] in ours]
        unused = [each["TargetHealth"].get("Reason", "") for each in mine if each["TargetHealth"]["State"] == "unused"]
        if unused:
            raise StepError(f"{group['TargetGroupName']}: the balancer does not use its target: {', '.join(unused)}")
        known += bool(mine)
    if not known:
        raise StepError("no target group knows the host")
    return f"{known} target groups know the host"
