"""Takes the small stack away: its protections first, then all it made, then its record. May be run again."""

import contextlib
import json
import time
from collections.abc import Callable
from typing import Any

from smoke import checks, settings
from smoke.commands import Run, StepError, answer, must
from smoke.settings import NAME, SMALL

LOCK_DAYS = SMALL["backup_lock_days"]
FLAGS = ("protect", "retainOnDelete")
# The tagging API lists what was deleted for a while: what is left is asked for so often before it is called left.
# Source: VPC user guide, "Delete a NAT gateway": its entry is still visible for about an hour.
LEFT_TRIES, LEFT_AGAIN_SECONDS = 20, 30
# The provider sets these again, as the record has them, before it deletes an instance.
OF_INSTANCES = ("disableApiStop", "disableApiTermination")


def cancel(run: Run) -> str:
    """Take away the backend's lock, which an `up` leaves that was killed. Without one there is nothing to cancel."""
    done = run(["pulumi", "cancel", "--yes", "--stack", NAME])
    return "the record is free" if not done.status else f"nothing was cancelled: {done.stderr.strip()}"


def unprotect_state(run: Run) -> str:
    """Take all protections from the record: `destroy` asks no program, it reads them there."""
    state: dict[str, Any] = json.loads(must(run, ["pulumi", "stack", "export", "--stack", NAME]))
    resources = state["deployment"].get("resources") or []
    for resource in resources:
        for known in (resource.get("inputs", {}), resource.get("outputs", {})):
            known.update(dict.fromkeys(known.keys() & OF_INSTANCES, False))
    marked = [resource for resource in resources if any(resource.get(flag) for flag in FLAGS)]
    for resource in marked:
        for flag in FLAGS:
            resource.pop(flag, None)
    must(run, ["pulumi", "stack", "import", "--stack", NAME], given=json.dumps(state))
    return f"{len(marked)} resources lost their protection"


def unprotect_instances(run: Run, region: str) -> str:
    """Allow termination and stop of the stack's instances."""
    found = checks.instances(run, region)
    for instance in found:
        for attribute in ("--no-disable-api-termination", "--no-disable-api-stop"):
            argv = ["aws", "ec2", "modify-instance-attribute", "--region", region]
            must(run, [*argv, "--instance-id", instance["InstanceId"], attribute])
    return f"{len(found)} instances may be terminated"


def unprotect_balancers(run: Run, region: str) -> str:
    """Allow deletion of the stack's balancers."""
    tagged = [arn for arn in _tagged(run, region) if ":loadbalancer/" in arn]
    for arn in tagged:
        argv = ["aws", "elbv2", "modify-load-balancer-attributes", "--region", region, "--load-balancer-arn", arn]
        must(run, [*argv, "--attributes", "Key=deletion_protection.enabled,Value=false"])
    return f"{len(tagged)} balancers may be deleted"


def empty_buckets(run: Run, region: str) -> str:
    """Delete what is in the stack's buckets. Raises StepError for what the lock still holds."""
    held = []
    for bucket in (arn.rsplit(":", 1)[1] for arn in _tagged(run, region) if ":s3:::" in arn):
        for key, version in checks.versions(run, bucket, region):
            argv = ["aws", "s3api", "delete-object", "--bucket", bucket, "--key", key, "--version-id", version]
            if run([*argv, "--bypass-governance-retention", "--region", region]).status:
                held.append(f"{bucket}/{key}")
    if held:
        raise StepError(
            f"still locked: {', '.join(held)}; run `make smoke-aws-clean` again when {LOCK_DAYS} days are over, or "
            "now as somebody with s3:BypassGovernanceRetention"
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


def delete_secrets(run: Run, region: str) -> str:
    """Delete for good what `destroy` only scheduled: the next run wants the same names. No value was ever in them."""
    secrets = [arn for arn in _tagged(run, region) if ":secret:" in arn]
    for arn in secrets:
        argv = ["aws", "secretsmanager", "delete-secret", "--region", region, "--secret-id", arn]
        must(run, [*argv, "--force-delete-without-recovery"])
    return f"{len(secrets)} entries of secrets are gone"


def forget(run: Run) -> str:
    """Remove the record and the file. Pulumi refuses while a resource is in it."""
    must(run, ["pulumi", "stack", "rm", "--yes", "--stack", NAME])
    settings.file().unlink(missing_ok=True)
    return "the stack is forgotten"


def nothing_is_left(run: Run, region: str) -> str:
    """Ask AWS for anything that still has the stack's tag. Keys wait for their deletion, instances fade."""
    for tried in range(LEFT_TRIES):
        if tried:
            time.sleep(LEFT_AGAIN_SECONDS)
        left = [arn for arn in _tagged(run, region) if ":key/" not in arn and ":instance/" not in arn]
        if not left:
            return "nothing that costs is left (keys are deleted when their waiting time is over)"
    raise StepError(
        f"still there: {', '.join(left)}; a deleted NAT gateway is listed for an hour, so run `make smoke-aws-clean` "
        "again before you look for it"
    )


def forget_settings() -> str:
    """Remove the file of a run that was killed before it had a stack."""
    settings.file().unlink(missing_ok=True)
    return f"no stack {NAME} is there: nothing to take away"


def _tagged(run: Run, region: str) -> list[str]:
    argv = ["aws", "resourcegroupstaggingapi", "get-resources", "--region", region, "--output", "json"]
    found = answer(run, [*argv, "--tag-filters", f"Key=Environment,Values={NAME}"])
    return [each["ResourceARN"] for each in found["ResourceTagMappingList"]]


def steps(run: Run, region: str) -> dict[str, Callable[[], str]]:
    """Return all of it in its order."""
    return {
        "unlock the record": lambda: cancel(run),
        "take protections from the record": lambda: unprotect_state(run),
        "allow termination": lambda: unprotect_instances(run, region),
        "allow deletion of balancers": lambda: unprotect_balancers(run, region),
        "empty the buckets": lambda: empty_buckets(run, region),
        "destroy": lambda: destroy(run, region),
        "delete entries of secrets": lambda: delete_secrets(run, region),
        "forget the stack": lambda: forget(run),
        "look for what is left": lambda: nothing_is_left(run, region),
    }


def steps_without_stack(run: Run, region: str) -> dict[str, Callable[[], str]]:
    """Return what is to be done where no stack is left."""
    return {
        "forget the stack": forget_settings,
        "look for what is left": lambda: nothing_is_left(run, region),
    }
