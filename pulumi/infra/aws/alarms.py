"""CloudWatch alarms of one host or one balancer, by rules (`infra.aws.alarm_rules`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_aws as aws

Statistic = Literal["Average", "Maximum", "Minimum", "Sum"]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric of AWS. `dimensions` say whose it is."""

    namespace: str
    name: str
    dimensions: Mapping[str, pulumi.Input[str]]
    statistic: Statistic


@dataclass(frozen=True, kw_only=True)
class Formula:
    """A formula over metrics, each by the name that it has there; `label` says what comes out."""

    text: str
    label: str
    metrics: Mapping[str, Metric]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """An alarm sounds after `periods` in a row beyond the threshold; `remedy` is what its readers are told to do.

    `missing`: what no data means. `first`: actions (ARNs) before the topic is told.
    """

    of: Metric | Formula
    remedy: str
    comparison: Literal["GreaterThanOrEqualToThreshold", "LessThanThreshold"] = "GreaterThanOrEqualToThreshold"
    threshold: float = 1
    period_seconds: int
    periods: int
    missing: Literal["breaching", "notBreaching"]
    first: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class AlarmsArgs:
    """Inputs. `prefix` begins each alarm's name in CloudWatch, a rule's key ends it."""

    prefix: str
    topic_arn: pulumi.Input[str]
    rules: Mapping[str, Rule]
    tags: Mapping[str, str]


class Alarms(pulumi.ComponentResource):
    """Outputs: none; who listens to the topic hears of it."""

    def __init__(self, name: str, args: AlarmsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("freelance:monitoring:Alarms", name, None, opts)
        for key, rule in args.rules.items():
            metric = rule.of if isinstance(rule.of, Metric) else None
            aws.cloudwatch.MetricAlarm(
                f"{name}-{key}",
                alarm_actions=[*rule.first, args.topic_arn],
                alarm_description=rule.remedy,
                comparison_operator=rule.comparison,
                dimensions=metric.dimensions if metric else None,
                evaluation_periods=rule.periods,
                metric_name=metric.name if metric else None,
                metric_queries=queries(rule.of, rule.period_seconds) if isinstance(rule.of, Formula) else None,
                name=f"{args.prefix}-{name}-{key}",
                namespace=metric.namespace if metric else None,
                ok_actions=[args.topic_arn],  # who was called out is told that it is over
                period=rule.period_seconds if metric else None,
                statistic=metric.statistic if metric else None,
                tags={**args.tags, "Name": f"{name}-{key}"},
                threshold=rule.threshold,
                treat_missing_data=rule.missing,
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})


def queries(formula: Formula, period_seconds: int) -> list[aws.cloudwatch.MetricAlarmMetricQueryArgsDict]:
    """Return the formula as CloudWatch has it: it alone is what the alarm looks at."""
    metrics: list[aws.cloudwatch.MetricAlarmMetricQueryArgsDict] = [
        {
            "id": identity,
            "metric": {
                "dimensions": metric.dimensions,
                "metric_name": metric.name,
                "namespace": metric.namespace,
                "period": period_seconds,
                "stat": metric.statistic,
            },
        }
        for identity, metric in formula.metrics.items()
    ]
    return [{"id": "result", "expression": formula.text, "label": formula.label, "return_data": True}, *metrics]
