"""Takes the small stack away: its protections first, then all it made, then its record. May be run again.

What is changed or deleted is in the stack's record, by which it is ours; tags only tell what is left at the end.
"""

import contextlib
import time
from collections.abc import Callable

from smoke import checks, record, settings
from smoke.commands import Run, StepError, answer, must
from smoke.settings import NAME, SMALL

LOCK_DAYS = SMALL["backup_lock_days"]
BALANCER, BUCKET = "aws:lb/loadBalancer:LoadBalancer", "aws:s3/bucket:Bucket"
FLAGS = ("protect", "retainOnDelete")
UNPROTECTED = "Key=deletion_protection.enabled,Value=false"
# How the provider deletes, as it reads it in the record (hashicorp/terraform-provider-aws, internal/service).
DELETION = {
    # It sets these again before it terminates an instance.
    "disableApiStop": False,
    "disableApiTermination": False,
    # A snapshot of each volume would stay, and cost.
    "finalSnapshot": False,
    # At once and for good: the next run wants the same names of secrets, and no value was ever in them.
    "recoveryWindowInDays": 0,
}
# The tagging API lists what was deleted for a while: what is left is asked for so often before it is called left.
LEFT_TRIES, LEFT_AGAIN_SECONDS = 20, 30
# Listed for longer. Keys wait for their deletion; EC2 itself is asked which of the others live.
# Source: VPC user guide, "Delete a NAT gateway": its entry is still visible for about an hour.
FADING = (":instance/", ":key/", ":natgateway/")


def cancel(run: Run) -> str:
    """Take away the backend's lock, which an `up` leaves that was killed. Without one there is nothing to cancel."""
    done = run(["pulumi", "cancel", "--yes", "--stack", NAME])
    return "the record is free" if not done.status else f"nothing was cancelled: {done.stderr.strip()}"


def unprotect_state(run: Run) -> str:
    """Take all protections from the record: `destroy` asks no program, it reads them there."""
    state = record.read(run)
    resources = record.resources(state)
    for resource in resources:
        for known in (resource.get("inputs", {}), resource.get("outputs", {})):
            known.update({key: DELETION[key] for key in known.keys() & DELETION})
    marked = [resource for resource in resources if any(resource.get(flag) for flag in FLAGS)]
    for resource in marked:
        for flag in FLAGS:
            resource.pop(flag, None)
    record.write(run, state)
    return f"{len(marked)} resources lost their protection"


def unprotect_instances(run: Run, region: str) -> str:
    """Allow termination and stop of the stack's instances, where they live."""
    ours = {resource["id"] for resource in record.resources(record.read(run), record.INSTANCE)}
    found = ours & {instance["InstanceId"] for instance in checks.instances(run, region)}
    for instance in sorted(found):
        for attribute in ("--no-disable-api-termination", "--no-disable-api-stop"):
            argv = ["aws", "ec2", "modify-instance-attribute", "--region", region]
            must(run, [*argv, "--instance-id", instance, attribute])
    return f"{len(found)} instances may be terminated"


def unprotect_balancers(run: Run, region: str) -> str:
    """Allow deletion of the stack's balancers."""
    found = record.resources(record.read(run), BALANCER)
    for balancer in found:
        argv = ["aws", "elbv2", "modify-load-balancer-attributes", "--region", region]
        must(run, [*argv, "--load-balancer-arn", balancer["id"], "--attributes", UNPROTECTED])
    return f"{len(found)} balancers may be deleted"


def empty_buckets(run: Run, region: str) -> str:
    """Delete what is in the stack's buckets. Raises StepError for what the lock still holds."""
    held = []
    for bucket in record.resources(record.read(run), BUCKET):
        # With a bucket that can't lock S3 refuses it: "only applicable to Object Lock enabled buckets".
        bypass = ["--bypass-governance-retention"] if bucket["outputs"].get("objectLockEnabled") else []
        for key, version in checks.versions(run, bucket["id"], region):
            argv = ["aws", "s3api", "delete-object", "--bucket", bucket["id"], "--key", key, "--version-id", version]
            done = run([*argv, *bypass, "--region", region])
            if done.status:
                held.append(f"{bucket['id']}/{key}: {done.stderr.strip()}")
    if held:
        raise StepError(
            f"{len(held)} versions are still there, the first is {held[0]}; run `make smoke-aws-clean` again when the "
            f"lock's {LOCK_DAYS} days are over, or now as somebody with s3:BypassGovernanceRetention"
        )
    return "buckets are empty"


def destroy(run: Run, region: str) -> str:
    """Delete what the stack made. S3 delivers access logs for hours: a bucket that has some again is emptied again."""
    argv = ["pulumi", "destroy", "--yes", "--skip-preview", "--continue-on-error", "--stack", NAME]
    try:
        must(run, argv, shown=True)
    except StepError:
        with contextlib.suppress(StepError):  # what the lock holds was told once; the others are empty now
            empty_buckets(run, region)
        must(run, argv, shown=True)
        return "destroyed at the second try"
    return "destroyed"


def forget(run: Run) -> str:
    """Remove the record and the file. Pulumi refuses while a resource is in it."""
    must(run, ["pulumi", "stack", "rm", "--yes", "--stack", NAME])
    settings.file().unlink(missing_ok=True)
    return "the stack is forgotten"


def nothing_is_left(run: Run, region: str) -> str:
    """Ask AWS for anything that still has the stack's tags."""
    for tried in range(LEFT_TRIES):
        if tried:
            time.sleep(LEFT_AGAIN_SECONDS)
        left = [arn for arn in tagged(run, region) if not any(kind in arn for kind in FADING)]
        left += [instance["InstanceId"] for instance in checks.instances(run, region)]
        left += living_gateways(run, region)
        if not left:
            return "nothing that costs is left (keys are deleted when their waiting time is over)"
    raise StepError(f"still there: {', '.join(left)}")


def tagged(run: Run, region: str) -> list[str]:
    """Return the ARNs of what has all of the small stack's tags, and of what had them a while ago."""
    argv = ["aws", "resourcegroupstaggingapi", "get-resources", "--region", region, "--output", "json"]
    filters = [f"Key={key},Values={value}" for key, value in settings.tags().items()]
    found = answer(run, [*argv, "--tag-filters", *filters])
    return [each["ResourceARN"] for each in found["ResourceTagMappingList"]]


def living_gateways(run: Run, region: str) -> list[str]:
    """Return the stack's NAT gateways but those that are deleted or were never made."""
    argv = ["aws", "ec2", "describe-nat-gateways", "--region", region, "--output", "json"]
    filters = [*checks.tag_filters(), "Name=state,Values=pending,available,deleting"]
    return [each["NatGatewayId"] for each in answer(run, [*argv, "--filter", *filters])["NatGateways"]]


def forget_settings() -> str:
    """Remove the file of a run that was killed before it had a stack."""
    settings.file().unlink(missing_ok=True)
    return f"no stack {NAME} is there: nothing to take away"


def steps(run: Run, region: str) -> dict[str, Callable[[], str]]:
    """Return all of it in its order."""
    return {
        "unlock the record": lambda: cancel(run),
        "take protections from the record": lambda: unprotect_state(run),
        "allow termination": lambda: unprotect_instances(run, region),
        "allow deletion of balancers": lambda: unprotect_balancers(run, region),
        "empty the buckets": lambda: empty_buckets(run, region),
        "destroy": lambda: destroy(run, region),
        "forget the stack": lambda: forget(run),
        "look for what is left": lambda: nothing_is_left(run, region),
    }


def steps_without_stack(run: Run, region: str) -> dict[str, Callable[[], str]]:
    """Return what is to be done where no stack is left."""
    return {
        "forget the stack": forget_settings,
        "look for what is left": lambda: nothing_is_left(run, region),
    }
