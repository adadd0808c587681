"""IAM policies that let somebody deploy a stack: scoped by region, the tag `Project` or name, as IAM offers it."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dry_run import ACCOUNT, Declaration

from deployer.table import Needs

# Source: IAM user guide, "IAM and AWS STS quotas": characters of a managed policy, white space not counted.
CHARACTERS_MAX = 6144
BY_NAME = ("iam", "route53", "s3", "secretsmanager")  # scoped by ARN: their tags can't be asked for everywhere
GLOBAL = ("iam", "route53")  # have no region, so `aws:RequestedRegion` would refuse them
# Asked for an object, not for its bucket; of what is declared nothing needs them.
OF_OBJECTS = {"s3:BypassGovernanceRetention", "s3:DeleteObject", "s3:DeleteObjectVersion"}
# EC2 makes these without our tags when it launches an instance, or they are Debian's.
LAUNCHED = ("image", "network-interface", "snapshot", "volume")
Statement = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What the stack's own resources are called and where they are."""

    project: str
    partition: str
    dns_suffix: str
    regions: tuple[str, ...]
    roles: tuple[str, ...]
    profiles: tuple[str, ...]
    buckets: tuple[str, ...]
    secrets: tuple[str, ...]
    principals: tuple[str, ...]  # services that are given a role

    def arn(self, service: str, rest: str, region: str = "", account: str = "*") -> str:
        """Return an ARN; another account's resources are out of reach anyway."""
        return f"arn:{self.partition}:{service}:{region}:{account}:{rest}"


def scope_of(declared: Declaration) -> Scope:
    """Read the names from what the stack declares."""
    settings = declared.settings

    def names(kind: str, key: str) -> tuple[str, ...]:
        # A name that is not given is the resource's own and some digits, made by Pulumi.
        given = {
            str(found) if isinstance(found := resource.inputs.get(key), str) else f"{resource.name}-*"
            for resource in declared.resources
            if resource.type == kind
        }
        return tuple(sorted(name.replace(ACCOUNT, "*") for name in given))

    roles = [resource.inputs for resource in declared.resources if resource.type == "aws:iam/role:Role"]
    trusted = [json.loads(role["assumeRolePolicy"])["Statement"] for role in roles]
    return Scope(
        project=settings.project,
        partition=declared.aws.partition.name,
        dns_suffix=declared.aws.partition.dns_suffix,
        regions=tuple(sorted({declared.aws.region, *_other_regions(declared)})),
        roles=names("aws:iam/role:Role", "name"),
        profiles=names("aws:iam/instanceProfile:InstanceProfile", "name"),
        buckets=names("aws:s3/bucket:Bucket", "bucket"),
        secrets=(f"{settings.project}/{settings.environment}/*",),
        principals=tuple(sorted({each["Principal"]["Service"] for statements in trusted for each in statements})),
    )


def _other_regions(declared: Declaration) -> Iterator[str]:
    for resource in declared.resources:
        if isinstance(region := resource.inputs.get("region"), str):
            yield region


def statements(needs: Needs, scope: Scope) -> Iterator[Statement]:
    """Yield the statements: first what is scoped by tag, then what is scoped by name."""
    here = {"aws:RequestedRegion": list(scope.regions)}
    ours, new = {"aws:ResourceTag/Project": scope.project}, {"aws:RequestTag/Project": scope.project}
    look, make, change, anywhere = (
        {action for action in needs.actions[kind] if service(action) not in BY_NAME}
        for kind in ("look", "make", "change", "anywhere")
    )
    keys = {action for action in change if action in GRANTS}
    # EC2 asks for a creation twice: for what is new, and for what it is made in.
    inside = {action for action in make if service(action) in ("ec2", "elasticloadbalancing")}
    yield allow("Look", look, ["*"], {"StringEquals": here})
    yield allow("MakeWithTheProjectsTag", make, ["*"], {"StringEquals": {**here, **new}})
    yield allow("ChangeWhatHasTheTag", (change | inside) - keys, ["*"], {"StringEquals": {**here, **ours}})
    yield allow(
        "EncryptVolumes",
        keys,
        ["*"],
        {"StringEquals": ours, "StringLike": {"kms:ViaService": [f"ec2.*.{scope.dns_suffix}"]}},
    )
    if "kms:CreateAlias" in change:  # asked for the key, which has the tag, and for the alias, which can have none
        aliases = {action for action in change if action.endswith("Alias")}
        yield allow("NameKeys", aliases, [scope.arn("kms", f"alias/{scope.project}*", "*")], {"StringEquals": here})
    if anywhere:
        yield allow("WhatIamCantTieToAResource", anywhere, ["*"], {"StringEquals": here})
    if "ec2:CreateTags" in change:
        untagged = {"Null": {"aws:ResourceTag/Project": "true"}, "StringEquals": {**here, **new}}
        yield allow("TagWhatIsNew", {"ec2:CreateTags"}, ["*"], untagged)
    if "ec2:RunInstances" in make:
        launched = [scope.arn("ec2", f"{kind}/*", "*") for kind in LAUNCHED]
        yield allow("LaunchFromImages", {"ec2:RunInstances"}, launched, {"StringEquals": here})
    yield from _by_name(needs, scope)


# What EC2 asks of a volume's key in the deployer's name.
# Source: EBS user guide, "Requirements for Amazon EBS encryption", permissions for users.
GRANTS = {
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
}


def _by_name(needs: Needs, scope: Scope) -> Iterator[Statement]:
    every = {action for actions in needs.actions.values() for action in actions}
    buckets = [f"arn:{scope.partition}:s3:::{name}" for name in scope.buckets]
    roles = [scope.arn("iam", f"role/{name}") for name in scope.roles]
    profiles = [scope.arn("iam", f"instance-profile/{name}") for name in scope.profiles]
    resources = {
        "iam": roles + profiles,
        "s3": buckets,
        "secretsmanager": [
            scope.arn("secretsmanager", f"secret:{name}", region) for region in scope.regions for name in scope.secrets
        ],
    }
    for name, wanted in resources.items():
        actions = {action for action in every if service(action) == name} - OF_OBJECTS - {"iam:PassRole"}
        if actions:
            yield allow(f"Own{name.title()}", actions, wanted)
    yield allow("EmptyOwnBuckets", every & OF_OBJECTS, [f"{bucket}/*" for bucket in buckets])
    if "iam:PassRole" in every:
        yield allow(
            "GiveRolesToServices",
            {"iam:PassRole"},
            roles,
            {"StringEquals": {"iam:PassedToService": list(scope.principals)}},
        )
    zones = {action for action in every if service(action) == "route53"}
    if zones:
        made = zones & {"route53:CreateHostedZone"}
        places = [f"arn:{scope.partition}:route53:::{kind}/*" for kind in ("change", "hostedzone")]
        yield allow("Zones", zones - made, places)
        yield allow("MakeZones", made, ["*"])
    if needs.linked_roles:
        names = [f"{name}.amazonaws.com" for name in sorted(needs.linked_roles)]  # the same in each partition
        linked = [scope.arn("iam", "role/aws-service-role/*")]
        yield allow(
            "MakeLinkedRoles", {"iam:CreateServiceLinkedRole"}, linked, {"StringEquals": {"iam:AWSServiceName": names}}
        )


def state(scope: Scope) -> Iterator[Statement]:
    """Yield what Pulumi needs for its state and the secrets in it (docs/aws.md names bucket and key)."""
    bucket = f"arn:{scope.partition}:s3:::{scope.project}-state-*"
    yield allow("FindState", {"s3:GetBucketLocation", "s3:ListBucket"}, [bucket])
    yield allow("KeepState", {"s3:DeleteObject", "s3:GetObject", "s3:PutObject"}, [f"{bucket}/*"])
    alias = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": f"alias/{scope.project}-state"}}
    actions = {"kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"}
    yield allow("EncryptState", actions, [scope.arn("kms", "key/*", "*")], alias)
    yield allow("ReadPrices", {"pricing:GetProducts"}, ["*"])


def service(action: str) -> str:
    """Return the service of an action."""
    return action.split(":", maxsplit=1)[0]


def allow(
    sid: str, actions: Iterable[str], resources: Sequence[str], condition: Mapping[str, Any] | None = None
) -> Statement:
    """Return one statement in the order in which AWS's own examples are written."""
    statement: Statement = {"Sid": sid, "Effect": "Allow", "Action": sorted(actions), "Resource": list(resources)}
    return {**statement, "Condition": condition} if condition else statement


def policies(wanted: Iterable[Statement]) -> list[dict[str, Any]]:
    """Put the statements into as few policies as their size allows, in their order."""
    packed: list[list[Statement]] = [[]]
    for statement in (each for each in wanted if each["Action"]):
        if size([*packed[-1], statement]) > CHARACTERS_MAX:
            packed.append([])
        packed[-1].append(statement)
    return [policy(each) for each in packed]


def policy(statements: Sequence[Statement]) -> dict[str, Any]:
    """Return the policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def size(statements: Sequence[Statement]) -> int:
    """Return its characters as IAM counts them."""
    return len("".join(json.dumps(policy(statements)).split()))
