"""What is looked at while the small stack is up. Each returns a sentence for the table or raises StepError."""

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.topology import CLUSTER

from smoke import record
from smoke.commands import ROOT, Run, StepError, answer, must
from smoke.settings import NAME, tags

FOLDER = Path(".ansible") / NAME
POLICIES = "pulumi/policy"
INVENTORY = FOLDER / "pulumi_stack.yml"
ON_HOST = Path(__file__).with_name("on_host.py")
# Source: EC2 user guide, GetConsoleOutput: what an instance printed may be there some minutes after its first boot.
KEYS_SECONDS_MAX, KEYS_AGAIN_SECONDS = 900, 20
# All 68 letters: a console that is read while it is written may end in the middle of a key.
HOST_KEY = re.compile(r"\b(ssh-ed25519 AAAAC3NzaC1lZDI1NTE5[A-Za-z0-9+/]{48})")
TARGET_GROUP = "aws:lb/targetGroup:TargetGroup"
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
    """Preview again, with what AWS has: without `--refresh` the program would be compared with its own record."""
    must(run, ["pulumi", "preview", "--stack", NAME, "--refresh", "--expect-no-changes", "--diff"], shown=True)
    return "AWS keeps what was declared: a second preview is empty"


def tag_filters() -> list[str]:
    """Return EC2's filters for what is the small stack's."""
    return [f"Name=tag:{key},Values={value}" for key, value in tags().items()]


def instances(run: Run, region: str) -> list[Mapping[str, Any]]:
    """Return the stack's instances, those that are terminated left out."""
    filters = [*tag_filters(), "Name=instance-state-name,Values=pending,running,stopping,stopped"]
    argv = ["aws", "ec2", "describe-instances", "--region", region, "--output", "json", "--filters", *filters]
    found = answer(run, argv)
    return [instance for reservation in found["Reservations"] for instance in reservation["Instances"]]


def knows_host_keys(run: Run, region: str) -> str:
    """Write the keys that the hosts show on their consoles into known_hosts."""
    found = instances(run, region)
    if not found:
        raise StepError("EC2 knows no instance with the small stack's tags")
    lines = [f"{instance['PrivateIpAddress']} {host_key(run, region, instance)}\n" for instance in found]
    (ROOT / FOLDER / "known_hosts").write_text("".join(lines), encoding="utf-8")
    return f"{len(lines)} host keys read from consoles"


def host_key(run: Run, region: str, instance: Mapping[str, Any]) -> str:
    """Return the key that an instance shows on its console. Raises StepError when it shows none in time."""
    argv = ["aws", "ec2", "get-console-output", "--latest", "--output", "text", "--region", region]
    for _ in range(KEYS_SECONDS_MAX // KEYS_AGAIN_SECONDS):
        if found := HOST_KEY.search(must(run, [*argv, "--instance-id", instance["InstanceId"]])):
            return found[1]
        time.sleep(KEYS_AGAIN_SECONDS)
    raise StepError(f"{instance['InstanceId']} showed no host key on its console in {KEYS_SECONDS_MAX} s")


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
    bucket, name = contract(run)["clusters"][CLUSTER]["repository"]["bucket"], f"{CLUSTER}/smoke"
    version = next((version for key, version in versions(run, bucket, region) if key == name), None)
    if version is None:
        raise StepError(f"{bucket} has no version of what the host wrote")
    argv = ["aws", "s3api", "delete-object", "--bucket", bucket, "--key", name, "--version-id", version]
    done = run([*argv, "--region", region])
    if not done.status:
        raise StepError(f"version {version} of {name} was deleted: the lock does not hold")
    # IAM's refusal has the same code, and would be taken for the lock's.
    if "AccessDenied" not in done.stderr or "not authorized to perform" in done.stderr:
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
    groups = record.resources(record.read(run), TARGET_GROUP)
    if not groups:
        raise StepError("no target group is in the record")
    for group in groups:
        argv = ["aws", "elbv2", "describe-target-health", "--target-group-arn", group["id"]]
        targets = answer(run, [*argv, "--region", region, "--output", "json"])["TargetHealthDescriptions"]
        name, health = group["outputs"]["name"], [each["TargetHealth"] for each in targets]
        if not health:
            raise StepError(f"{name} knows no host")
        if unused := [each.get("Reason", "") for each in health if each["State"] == "unused"]:
            raise StepError(f"{name}: the balancer does not use its target: {', '.join(unused)}")
    return f"{len(groups)} target groups know the host"
