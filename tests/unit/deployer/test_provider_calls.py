"""What the provider and AWS call for single inputs: found by reading them, not in the table that makes the policies.

Sources: hashicorp/terraform-provider-aws, internal/service/<service>/<resource>.go, of which the provider is built, and
where AWS asks another service in the caller's name, its guides.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from deployer import document
from deployer.scope import scope_of
from deployer.table import needs
from dry_run import Declaration, declaration_of
from infra import stack_files
from smoke import settings as smoke

from tests.unit.deployer.evaluation import allows

ACCOUNT = "123456789012"


@dataclass(frozen=True, kw_only=True)
class Calls:
    """Actions that a resource of a type needs; `given`: where this input is set."""

    kind: str
    actions: str
    given: str = "tags"


CALLS = (
    # ec2_instance.go, FetchRootDeviceName, readBlockDevices, UpdateTags of the root volume
    Calls(
        kind="aws:ec2/instance:Instance",
        given="rootBlockDevice",
        actions="ec2:DescribeImages ec2:DescribeVolumes ec2:CreateTags",
    ),
    # ec2_instance.go, resourceInstanceRead
    Calls(
        kind="aws:ec2/instance:Instance",
        actions="ec2:DescribeInstances ec2:DescribeInstanceTypes ec2:DescribeInstanceAttribute ec2:DescribeTags"
        " ec2:DescribeInstanceCreditSpecifications",
    ),
    # ec2_instance.go, resourceInstanceUpdate. IAM user guide: a profile is passed with its role.
    Calls(
        kind="aws:ec2/instance:Instance",
        given="iamInstanceProfile",
        actions="ec2:DescribeIamInstanceProfileAssociations ec2:ReplaceIamInstanceProfileAssociation iam:PassRole",
    ),
    # ec2_instance.go, both protections are lifted and set by the same call, also before a termination.
    Calls(kind="aws:ec2/instance:Instance", given="disableApiStop", actions="ec2:ModifyInstanceAttribute"),
    # ebs_volume.go, resourceEBSVolumeDelete; EBS user guide, "Requirements for Amazon EBS encryption"
    Calls(
        kind="aws:ebs/volume:Volume",
        given="finalSnapshot",
        actions="ec2:CreateSnapshot ec2:DescribeSnapshots ec2:CreateTags ec2:DeleteVolume",
    ),
    Calls(
        kind="aws:ebs/volume:Volume",
        given="kmsKeyId",
        actions="kms:CreateGrant kms:Decrypt kms:DescribeKey kms:GenerateDataKeyWithoutPlaintext kms:ReEncryptFrom"
        " kms:ReEncryptTo",
    ),
    # ebs_volume.go, resourceEBSVolumeUpdate waits for the change
    Calls(kind="aws:ebs/volume:Volume", given="size", actions="ec2:ModifyVolume ec2:DescribeVolumesModifications"),
    # ebs_volume_attachment.go, resourceVolumeAttachmentDelete
    Calls(
        kind="aws:ec2/volumeAttachment:VolumeAttachment",
        given="stopInstanceBeforeDetaching",
        actions="ec2:StopInstances ec2:DescribeInstances ec2:DetachVolume",
    ),
    # vpc_.go, resourceVPCRead
    Calls(
        kind="aws:ec2/vpc:Vpc",
        actions="ec2:DescribeVpcs ec2:DescribeVpcAttribute ec2:DescribeNetworkAcls ec2:DescribeRouteTables"
        " ec2:DescribeSecurityGroups",
    ),
    # vpc_default_security_group.go, tags, then forceRevokeSecurityGroupRules
    Calls(
        kind="aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
        actions="ec2:CreateTags ec2:RevokeSecurityGroupEgress ec2:RevokeSecurityGroupIngress",
    ),
    # vpc_security_group_ingress_rule.go, Create: the tags come after the rule
    Calls(
        kind="aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        actions="ec2:AuthorizeSecurityGroupIngress ec2:CreateTags ec2:DescribeSecurityGroupRules",
    ),
    # vpc_security_group.go, vpc_subnet.go, deleteLingeringENIs
    Calls(kind="aws:ec2/securityGroup:SecurityGroup", actions="ec2:DescribeNetworkInterfaces"),
    Calls(kind="aws:ec2/subnet:Subnet", actions="ec2:DescribeNetworkInterfaces"),
    # vpc_endpoint.go, findPrefixListByName, findSubnetConfigurationsByNetworkInterfaceIDs
    Calls(kind="aws:ec2/vpcEndpoint:VpcEndpoint", actions="ec2:DescribePrefixLists ec2:DescribeNetworkInterfaces"),
    # Service Authorization Reference, EC2, CreateVpcEndpoint: dependent actions
    Calls(
        kind="aws:ec2/vpcEndpoint:VpcEndpoint",
        given="privateDnsEnabled",
        actions="route53:AssociateVPCWithHostedZone",
    ),
    # EC2 user guide, "Grant permissions to use EC2 Instance Connect Endpoint"
    Calls(
        kind="aws:ec2transitgateway/instanceConnectEndpoint:InstanceConnectEndpoint",
        actions="ec2:CreateNetworkInterface ec2:CreateTags iam:CreateServiceLinkedRole",
    ),
    # ec2_eip.go, findEIPDomainNameAttributeByAllocationID
    Calls(kind="aws:ec2/eip:Eip", actions="ec2:DescribeAddresses ec2:DescribeAddressesAttribute"),
    # VPC user guide, "IAM role for publishing flow logs to CloudWatch Logs"
    Calls(kind="aws:ec2/flowLog:FlowLog", given="iamRoleArn", actions="iam:PassRole"),
    # load_balancer.go; Elastic Load Balancing user guide, "Elastic Load Balancing API permissions"
    Calls(
        kind="aws:lb/loadBalancer:LoadBalancer",
        actions="elasticloadbalancing:DescribeLoadBalancerAttributes elasticloadbalancing:DescribeCapacityReservation"
        " elasticloadbalancing:DescribeTags elasticloadbalancing:AddTags ec2:DescribeNetworkInterfaces"
        " ec2:DescribeAccountAttributes ec2:DescribeAddresses ec2:DescribeInternetGateways ec2:DescribeSecurityGroups"
        " ec2:DescribeSubnets ec2:DescribeVpcs iam:CreateServiceLinkedRole",
    ),
    Calls(
        kind="aws:lb/loadBalancer:LoadBalancer",
        given="enableDeletionProtection",
        actions="elasticloadbalancing:ModifyLoadBalancerAttributes",
    ),
    # listener.go, resourceListenerRead
    Calls(kind="aws:lb/listener:Listener", actions="elasticloadbalancing:DescribeListenerAttributes"),
    # key.go, resourceKeyCreate, findKeyInfo
    Calls(
        kind="aws:kms/key:Key",
        actions="kms:DescribeKey kms:GetKeyPolicy kms:ListResourceTags kms:TagResource kms:ScheduleKeyDeletion",
    ),
    Calls(
        kind="aws:kms/key:Key",
        given="enableKeyRotation",
        actions="kms:EnableKeyRotation kms:GetKeyRotationStatus",
    ),
    # bucket.go, resourceBucketRead. S3 user guide, "Configuring Object Lock": a new bucket needs both at once.
    Calls(
        kind="aws:s3/bucket:Bucket",
        actions="s3:ListBucket s3:GetAccelerateConfiguration s3:GetBucketAcl s3:GetBucketCORS s3:GetBucketLocation"
        " s3:GetBucketLogging s3:GetBucketObjectLockConfiguration s3:GetBucketPolicy s3:GetBucketRequestPayment"
        " s3:GetBucketTagging s3:GetBucketVersioning s3:GetBucketWebsite s3:GetEncryptionConfiguration"
        " s3:GetLifecycleConfiguration s3:GetReplicationConfiguration",
    ),
    Calls(
        kind="aws:s3/bucket:Bucket",
        given="objectLockEnabled",
        actions="s3:PutBucketObjectLockConfiguration s3:PutBucketVersioning",
    ),
    # secret.go; Secrets Manager user guide, "Secret encryption and decryption", validating access to the KMS key
    Calls(kind="aws:secretsmanager/secret:Secret", given="policy", actions="secretsmanager:PutResourcePolicy"),
    Calls(
        kind="aws:secretsmanager/secret:Secret",
        given="kmsKeyId",
        actions="kms:Decrypt kms:GenerateDataKey secretsmanager:GetResourcePolicy",
    ),
    # group.go, metric_alarm.go, topic.go, tags are read by a call of their own
    Calls(kind="aws:cloudwatch/logGroup:LogGroup", given="kmsKeyId", actions="logs:AssociateKmsKey"),
    Calls(kind="aws:cloudwatch/logGroup:LogGroup", actions="logs:ListTagsForResource logs:PutRetentionPolicy"),
    Calls(kind="aws:cloudwatch/metricAlarm:MetricAlarm", actions="cloudwatch:ListTagsForResource"),
    Calls(kind="aws:sns/topic:Topic", actions="sns:GetTopicAttributes sns:ListTagsForResource sns:SetTopicAttributes"),
    # topic_subscription.go
    Calls(
        kind="aws:sns/topicSubscription:TopicSubscription",
        given="endpoint",
        actions="sns:Subscribe sns:GetSubscriptionAttributes sns:Unsubscribe",
    ),
    # role.go, resourceRoleRead, deleteRole; instance_profile.go, instanceProfileAddRole
    Calls(
        kind="aws:iam/role:Role",
        actions="iam:GetRole iam:ListRolePolicies iam:ListAttachedRolePolicies iam:ListInstanceProfilesForRole"
        " iam:TagRole",
    ),
    Calls(
        kind="aws:iam/instanceProfile:InstanceProfile",
        given="role",
        actions="iam:AddRoleToInstanceProfile iam:RemoveRoleFromInstanceProfile iam:GetRole iam:PassRole",
    ),
    # zone.go, resourceZoneCreate, resourceZoneRead
    Calls(
        kind="aws:route53/zone:Zone",
        given="vpcs",
        actions="ec2:DescribeVpcs route53:GetChange route53:ListTagsForResource route53:ListResourceRecordSets"
        " route53:ChangeTagsForResource",
    ),
)


@pytest.fixture(scope="module")
def each(every: list[Declaration]) -> list[tuple[Declaration, set[str]]]:
    """Each stack, option and the first proof, with the actions that a policy for it alone allows."""
    small = declaration_of(smoke.NAME, *stack_files.as_passed(smoke.config("production")))
    return [(declared, actions_of(declared)) for declared in [*every, small]]


def actions_of(declared: Declaration) -> set[str]:
    made = document.statements(needs(declared.types, declared.lookups), scope_of(declared))
    return {action for statement in made for action in statement["Action"]}


def givers(declared: Declaration, calls: Calls) -> Iterator[Any]:
    yield from (one for one in declared.resources if one.type == calls.kind and one.inputs.get(calls.given))


@pytest.mark.parametrize("calls", CALLS, ids=lambda calls: f"{calls.kind.rsplit(':', 1)[1]}-{calls.given}")
def test_each_call_of_an_input_is_allowed_to_whoever_deploys_it(
    each: list[tuple[Declaration, set[str]]], calls: Calls
) -> None:
    needing = [allowed for declared, allowed in each if any(givers(declared, calls))]
    assert needing, "no stack gives this input any more"
    for allowed in needing:
        assert set(calls.actions.split()) <= allowed


def test_the_trial_of_a_secrets_key_is_allowed_and_reading_a_secret_is_not(statements: list[dict[str, Any]]) -> None:
    key = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/one"
    context = {
        "aws:ResourceTag/Project": "freelance-platform",
        "aws:ResourceTag/Environment": "production",
        "kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com",
    }
    version = "kms:EncryptionContext:SecretVersionId"
    for action in ("kms:Decrypt", "kms:GenerateDataKey"):
        assert allows(statements, action, key, context | {version: "RequestToValidateKeyAccess"})
        assert not allows(statements, action, key, context | {version: "5a0ba7bc"})
        assert not allows(statements, action, key, context)
    assert not [s for s in statements if "secretsmanager:GetSecretValue" in s["Action"]]


def test_each_linked_role_that_a_type_makes_in_a_new_account_may_be_made(statements: list[dict[str, Any]]) -> None:
    """Sources: the guides of Elastic Load Balancing, CloudWatch (alarm actions on EC2) and EC2 Instance Connect."""
    for service in ("elasticloadbalancing", "events", "ec2-instance-connect"):
        name = f"{service}.amazonaws.com"
        arn = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/{name}/AWSServiceRoleForIt"
        assert allows(statements, "iam:CreateServiceLinkedRole", arn, {"iam:AWSServiceName": name})
    assert not allows(statements, "iam:CreateServiceLinkedRole", arn, {"iam:AWSServiceName": "rds.amazonaws.com"})
