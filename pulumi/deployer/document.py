"""A deployer's statements: scoped by region, the stack's tags or its names, as IAM offers it."""

from collections.abc import Iterator

from deployer.policies import Statement, allow, service
from deployer.scope import Scope
from deployer.table import Needs
from deployer.zones import zones

BY_NAME = ("iam", "route53", "s3", "secretsmanager")  # scoped by ARN: their tags can't be asked for everywhere
# Asked for an object, not for its bucket; of what is declared nothing needs them.
OF_OBJECTS = {"s3:BypassGovernanceRetention", "s3:DeleteObject", "s3:DeleteObjectVersion"}
# What makes something without tags inside of what has ours (a subnet, a group), and what it makes or takes for it.
WITHIN = {
    "ec2:AuthorizeSecurityGroupEgress",
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:CreateNetworkInterface",
    "ec2:RunInstances",
}
UNTAGGED = ("image", "network-interface", "security-group-rule", "snapshot", "volume")
# These get their tags afterwards: a VPC's own group, each rule of a group, an instance's root volume.
TAGGED_LATE = ("security-group", "security-group-rule", "volume")
EC2_TAGS = "ec2:CreateTags"
# What makes something new, and changes by the same call what is there: only what has no owner yet.
UPON_OTHERS = {
    "cloudwatch:PutMetricAlarm",
    "cloudwatch:TagResource",
    "elasticloadbalancing:AddTags",
    "kms:TagResource",
    "logs:TagResource",
    "sns:TagResource",
}
# What EC2 asks of a volume's key in the deployer's name.
# Source: EBS user guide, "Requirements for Amazon EBS encryption", permissions for users.
GRANTS = {
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
}
# What Secrets Manager tries with an entry's key in the deployer's name, and what it calls that.
# Source: Secrets Manager user guide, "Secret encryption and decryption", validating access to the KMS key.
TRIALS = {"kms:Decrypt", "kms:GenerateDataKey"}
TRIAL = {"kms:EncryptionContext:SecretVersionId": "RequestToValidateKeyAccess"}


def statements(needs: Needs, scope: Scope) -> Iterator[Statement]:
    """Yield the statements: first what is scoped by tag, then what is scoped by name."""
    here, owned, tagging = scope.here, scope.owned, scope.tagging
    look, make, change, anywhere = (
        {action for action in needs.actions[kind] if service(action) not in BY_NAME}
        for kind in ("look", "make", "change", "anywhere")
    )
    keys = change & GRANTS
    # EC2 asks for a creation twice: for what is new, and for what it is made in.
    inside = {action for action in make if service(action) in ("ec2", "elasticloadbalancing")}
    yield allow("Look", look, ["*"], {"StringEquals": here})
    yield allow("MakeWithTheTags", make - UPON_OTHERS - {EC2_TAGS}, ["*"], {"StringEquals": here | tagging})
    yield allow("ChangeWhatHasTheTags", (change | inside) - keys - TRIALS, ["*"], {"StringEquals": here | owned})
    yield allow(
        "MakeAndTagWhatIsNew", make & UPON_OTHERS, ["*"], {"StringEquals": here | tagging, "Null": scope.untagged}
    )
    yield from _tags_of_ec2(make, scope)
    yield allow(
        "EncryptVolumes",
        keys,
        ["*"],
        {"StringEquals": owned, "StringLike": {"kms:ViaService": [f"ec2.*.{scope.dns_suffix}"]}},
    )
    through = {"kms:ViaService": scope.host("secretsmanager")}
    yield allow("TryKeysOfSecrets", change & TRIALS, ["*"], {"StringEquals": owned | TRIAL | through})
    # Asked for the key, which has the tags, and for the alias, which can have none.
    aliases = {action for action in change if action.startswith("kms:") and action.endswith("Alias")}
    yield allow("NameKeys", aliases, [scope.arn("kms", name, "*") for name in scope.aliases], {"StringEquals": here})
    yield allow("WhatIamCantTieToAResource", anywhere, ["*"], {"StringEquals": here})
    untagged = [scope.arn("ec2", f"{kind}/*", "*") for kind in UNTAGGED]
    yield allow("MakeWithinWhatHasTheTags", (make | change) & WITHIN, untagged, {"StringEquals": here})
    yield from _by_name(needs, scope)


def _tags_of_ec2(make: set[str], scope: Scope) -> Iterator[Statement]:
    asked = scope.here | scope.tagging
    # Source: EC2 user guide, "Grant permission to tag Amazon EC2 resources during creation".
    yield allow(
        "TagWhatEc2Makes",
        make & {EC2_TAGS},
        ["*"],
        {"StringEquals": asked, "Null": {"ec2:CreateAction": "false"}},
    )
    late = [scope.arn("ec2", f"{kind}/*", "*") for kind in TAGGED_LATE]
    yield allow("TagWhatEc2HasMade", make & {EC2_TAGS}, late, {"StringEquals": asked, "Null": scope.untagged})


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
    yield from zones({action for action in every if service(action) == "route53"}, scope)
    if needs.linked_roles:
        names = [f"{name}.amazonaws.com" for name in sorted(needs.linked_roles)]  # the same in each partition
        linked = [scope.arn("iam", "role/aws-service-role/*")]
        yield allow(
            "MakeLinkedRoles", {"iam:CreateServiceLinkedRole"}, linked, {"StringEquals": {"iam:AWSServiceName": names}}
        )
