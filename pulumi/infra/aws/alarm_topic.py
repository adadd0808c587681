"""Where alarms are told: an encrypted topic that this environment's alarms alone may write to, and who reads it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.aws import iam_policies
from infra.aws.partitions import Partition


@dataclass(frozen=True, kw_only=True)
class AlarmTopicArgs:
    """Inputs. `alarm_prefix`: what the names of this environment's alarms begin with.

    The policy of the key must let CloudWatch's principal use it (kms:Decrypt, kms:GenerateDataKey*): else alarms are
    lost without a word. `emails`: each address has to confirm by the link that AWS sends it.
    """

    alarm_prefix: str
    partition: Partition
    region: str
    account_id: pulumi.Input[str]
    kms_key_arn: pulumi.Input[str]
    emails: Sequence[str]
    tags: Mapping[str, str]


class AlarmTopic(pulumi.ComponentResource):
    """Outputs: `arn`."""

    def __init__(self, name: str, args: AlarmTopicArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("freelance:monitoring:AlarmTopic", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        topic = aws.sns.Topic(
            f"{name}-topic",
            display_name=args.alarm_prefix,
            kms_master_key_id=args.kms_key_arn,
            tags={**args.tags, "Name": name},
            opts=child,
        )
        aws.sns.TopicPolicy(f"{name}-policy", arn=topic.arn, policy=topic_policy(topic.arn, args), opts=child)
        for email in args.emails:
            aws.sns.TopicSubscription(f"{name}-{email}", endpoint=email, protocol="email", topic=topic.arn, opts=child)
        self.arn: pulumi.Output[str] = topic.arn
        self.register_outputs({"arn": self.arn})


def topic_policy(topic_arn: pulumi.Input[str], args: AlarmTopicArgs) -> pulumi.Output[str]:
    """Return the policy: this environment's alarms publish; nobody does without TLS."""
    alarms = pulumi.Output.from_input(args.account_id).apply(
        lambda account: args.partition.arn(
            "cloudwatch", f"alarm:{args.alarm_prefix}-*", region=args.region, account_id=account
        )
    )
    own_alarms = {
        "Sid": "OwnAlarms",
        "Effect": "Allow",
        "Principal": {"Service": args.partition.principal("cloudwatch")},
        "Action": "sns:Publish",
        "Resource": topic_arn,
        "Condition": iam_policies.on_behalf_of(alarms, args.account_id),
    }
    return pulumi.Output.json_dumps(iam_policies.policy([own_alarms, iam_policies.tls_only("sns:Publish", topic_arn)]))
