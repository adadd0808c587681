"""Alarms that somebody hears, and logs."""

from collections.abc import Iterator

from policy.model import UNKNOWN, Resource, differs, missing
from policy.rule import resource_rule
from policy.tokens import LOG_GROUP, METRIC_ALARM, TOPIC

LOG_RETENTION_DAYS_MIN = 365  # Source: FSBP CloudWatch.16


@resource_rule(
    METRIC_ALARM,
    controls=["CloudWatch.15", "CloudWatch.17", "CKV_AWS_319"],
    remedy="Set alarm_actions to the topic of alarms and leave actions_enabled alone.",
)
def alarms_reach_somebody(alarm: Resource) -> Iterator[str]:
    """An alarm does something."""
    yield from missing(alarm, "alarmActions")
    yield from differs(alarm, "actionsEnabled", None, True)


@resource_rule(
    TOPIC,
    controls=["SNS.1", "CKV_AWS_26"],
    remedy="Set kms_master_key_id to a key of the platform whose policy lets cloudwatch use it.",
)
def topics_are_encrypted(topic: Resource) -> Iterator[str]:
    """Messages of a topic are encrypted with the platform's key: CloudWatch may not use the one of AWS."""
    yield from missing(topic, "kmsMasterKeyId")
    if str(topic.get("kmsMasterKeyId")).endswith("alias/aws/sns"):
        yield "kmsMasterKeyId is 'alias/aws/sns'"


@resource_rule(LOG_GROUP, controls=["CKV_AWS_158"], remedy="Set kms_key_id to the platform's key.")
def logs_are_encrypted(group: Resource) -> Iterator[str]:
    """Logs are encrypted with the platform's key."""
    yield from missing(group, "kmsKeyId")


@resource_rule(LOG_GROUP, controls=["CKV_AWS_66"], remedy="Set retention_in_days.")
def logs_end(group: Resource) -> Iterator[str]:
    """Logs are kept for a stated time, not for ever."""
    yield from missing(group, "retentionInDays")


@resource_rule(
    LOG_GROUP,
    controls=["CloudWatch.16", "CKV_AWS_338"],
    level="advisory",
    remedy=f"Set retention_in_days={LOG_RETENTION_DAYS_MIN} or more where your auditors ask for it.",
)
def logs_are_kept_a_year(group: Resource) -> Iterator[str]:
    """Logs are kept a year: a break-in is often found months later."""
    days = group.get("retentionInDays")
    if days not in (None, UNKNOWN) and 0 < days < LOG_RETENTION_DAYS_MIN:
        yield f"retentionInDays is {days:g}"
