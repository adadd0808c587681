"""Who spoke to whom: the flow logs of a VPC, or of single subnets in one that others use too, in CloudWatch Logs."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.aws import iam_policies
from infra.aws.partitions import Partition

# China's Cybersecurity Law, article 21, asks for six months at least; Checkov's CKV_AWS_338 for a year.
RETENTION_DAYS = 365


@dataclass(frozen=True, kw_only=True)
class FlowLogsArgs:
    """Inputs. `vpc_id`, or `subnet_ids` by a name for each.

    The policy of the key must let CloudWatch Logs of the region use it for `log_group`.
    """

    vpc_id: pulumi.Input[str] | None
    subnet_ids: Mapping[str, pulumi.Input[str]]
    log_group: str
    kms_key_arn: pulumi.Input[str]
    region: str
    partition: Partition
    account_id: pulumi.Input[str]
    tags: Mapping[str, str]


class FlowLogs(pulumi.ComponentResource):
    """Outputs: `log_group_arn`."""

    def __init__(self, name: str, args: FlowLogsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("freelance:network:FlowLogs", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        group = aws.cloudwatch.LogGroup(
            f"{name}-group",
            kms_key_id=args.kms_key_arn,
            name=args.log_group,
            retention_in_days=RETENTION_DAYS,
            tags={**args.tags, "Name": name},
            # What a law wants kept for months is not deleted with the stack.
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )
        role = aws.iam.Role(
            f"{name}-role",
            assume_role_policy=trust_policy(args),
            description="Flow logs of the network: into their log group",
            name=args.log_group.strip("/").replace("/", "-"),  # a deployer's policy ends at the environment's names
            tags=args.tags,
            opts=child,
        )
        delivery = aws.iam.RolePolicy(f"{name}-delivery", policy=delivery_policy(group), role=role.name, opts=child)
        watched: dict[str, tuple[pulumi.Input[str] | None, pulumi.Input[str] | None]]
        watched = {label: (None, subnet_id) for label, subnet_id in args.subnet_ids.items()}
        if args.vpc_id is not None:
            watched["vpc"] = (args.vpc_id, None)
        for label, (vpc_id, subnet_id) in watched.items():
            aws.ec2.FlowLog(
                f"{name}-{label}",
                iam_role_arn=role.arn,
                log_destination=group.arn,
                log_destination_type="cloud-watch-logs",
                subnet_id=subnet_id,
                tags={**args.tags, "Name": f"{name}-{label}"},
                traffic_type="ALL",
                vpc_id=vpc_id,
                opts=pulumi.ResourceOptions(parent=self, depends_on=[delivery]),
            )
        self.log_group_arn: pulumi.Output[str] = group.arn
        self.register_outputs({"log_group_arn": self.log_group_arn})


def trust_policy(args: FlowLogsArgs) -> pulumi.Output[str]:
    """Return who may take the role: the service, on behalf of this account's own flow logs."""
    # Source: VPC user guide, "IAM role for publishing flow logs to CloudWatch Logs".
    own = pulumi.Output.from_input(args.account_id).apply(
        lambda account_id: args.partition.arn("ec2", "vpc-flow-log/*", region=args.region, account_id=account_id)
    )
    condition = iam_policies.on_behalf_of(own, args.account_id)
    return pulumi.Output.json_dumps(iam_policies.trust(args.partition.principal("vpc-flow-logs"), condition))


def delivery_policy(group: aws.cloudwatch.LogGroup) -> pulumi.Output[str]:
    """Return what the role may do: write into streams of its own group, which is there already."""
    statement = {
        "Effect": "Allow",
        "Action": ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
        "Resource": [group.arn, pulumi.Output.concat(group.arn, ":*")],
    }
    return pulumi.Output.json_dumps(iam_policies.policy([statement]))
