"""Alarms on AWS: what is looked at, when it sounds, who hears it and what they are told to do."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from infra.aws.alarm_rules import balancer_rules
from infra.aws.alarms import Metric
from pulumi_recorder import Recording, Resource, record

ALARM, TOPIC = "aws:cloudwatch/metricAlarm:MetricAlarm", "aws:sns/topic:Topic"
INSTANCE_ALARMS = {"system-check", "instance-check", "volumes-check", "io-balance", "byte-balance"}
VOLUME_ALARMS = {"stalled", "queue", "iops", "throughput"}
PREFIX = "freelance-platform-production"
TOPIC_ARN = "arn:aws:sns:eu-central-1:123456789012:"


def of_host(recording: Recording, host: str) -> dict[str, Resource]:
    """Return a host's alarms by the last part of their names."""
    return {alarm.name.removeprefix(f"{host}-"): alarm for alarm in recording.of_type(ALARM) if alarm.parent == host}


def alarm(recording: Recording, name: str) -> Mapping[str, Any]:
    return recording.named(name, ALARM).inputs


def test_each_host_and_each_volume_has_the_same_alarms(production: Recording) -> None:
    contract = production.contract
    for host in (*contract["clusters"]["main"]["hosts"], *contract["services"]):
        purposes = [volume["purpose"] for volume in host["volumes"]]
        expected = INSTANCE_ALARMS | {f"{purpose}-{kind}" for purpose in purposes for kind in VOLUME_ALARMS}
        assert set(of_host(production, host["name"])) == expected


def test_a_further_host_adds_its_own_alarms_and_touches_no_other(production: Recording) -> None:
    grown = record("production", database_hosts=4)
    before = {found.name: found.inputs for found in production.of_type(ALARM)}
    after = {found.name: found.inputs for found in grown.of_type(ALARM)}
    assert {name: after[name] for name in before} == before
    assert {name.split("-")[0] for name in after.keys() - before.keys()} == {"db4"}


def test_every_alarm_is_told_to_the_topic_and_so_is_its_end(production: Recording) -> None:
    for found in production.of_type(ALARM):
        assert found.inputs["alarmActions"][-1].startswith(TOPIC_ARN)
        assert found.inputs["okActions"] == [found.inputs["alarmActions"][-1]]
        assert found.inputs.get("actionsEnabled") is not False


def test_every_alarm_says_whose_it_is_and_what_to_do(production: Recording) -> None:
    for found in production.of_type(ALARM):
        assert found.inputs["name"] == f"{PREFIX}-{found.name}"
        own = {"Project": "freelance-platform", "Environment": "production", "ManagedBy": "pulumi", "Name": found.name}
        assert found.inputs["tags"] == own
        told = found.inputs["alarmDescription"]
        assert found.parent in told or found.parent == "nlb"
        assert any(word in told for word in ("Make sure", "Find", "Switch over", "Look")), told
        assert len(told) <= 1024  # CloudWatch's limit


def test_failing_hardware_is_left_by_recovery_and_nothing_else_acts_by_itself(production: Recording) -> None:
    for found in production.of_type(ALARM):
        acting = found.inputs["alarmActions"][:-1]
        assert acting == (["arn:aws:automate:eu-central-1:ec2:recover"] if found.name.endswith("system-check") else [])


def test_the_recovery_follows_the_partition() -> None:
    zones = [f"cn-north-1{letter}" for letter in "abc"]
    settings: dict[str, Any] = {"aws:region": "cn-north-1", "zones": zones, "image_id": "ami-0123456789abcdef0"}
    settings |= {"reach": "vpn"}
    found = alarm(record("production", **settings), "db1-system-check")
    assert found["alarmActions"][0] == "arn:aws-cn:automate:cn-north-1:ec2:recover"


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("system-check", "StatusCheckFailed_System"),
        ("instance-check", "StatusCheckFailed_Instance"),
        ("volumes-check", "StatusCheckFailed_AttachedEBS"),
    ],
)
def test_a_failing_check_of_an_instance_sounds_within_minutes(production: Recording, name: str, metric: str) -> None:
    found = alarm(production, f"db2-{name}")
    assert (found["namespace"], found["metricName"], found["statistic"]) == ("AWS/EC2", metric, "Maximum")
    assert list(found["dimensions"]) == ["InstanceId"]
    assert found["dimensions"]["InstanceId"].startswith("i-")
    assert (found["comparisonOperator"], found["threshold"]) == ("GreaterThanOrEqualToThreshold", 1)
    assert found["period"] * found["evaluationPeriods"] <= 180


def test_a_host_that_reports_nothing_sounds_once(production: Recording) -> None:
    silent = {name: found.inputs["treatMissingData"] for name, found in of_host(production, "db1").items()}
    assert [name for name, missing in silent.items() if missing == "breaching"] == ["instance-check"]
    assert set(silent.values()) == {"breaching", "notBreaching"}


@pytest.mark.parametrize(("name", "metric"), [("io", "EBSIOBalance%"), ("byte", "EBSByteBalance%")])
def test_a_burst_that_runs_out_sounds_before_its_end(production: Recording, name: str, metric: str) -> None:
    found = alarm(production, f"db1-{name}-balance")
    assert (found["metricName"], found["statistic"]) == (metric, "Minimum")
    assert (found["comparisonOperator"], found["threshold"]) == ("LessThanThreshold", 20)


def test_each_hosts_alarms_look_at_its_own_instance_and_volumes(production: Recording) -> None:
    seen: dict[str, set[str]] = {}
    for found in production.of_type(ALARM):
        parts = [query["metric"] for query in found.inputs.get("metricQueries", []) if "metric" in query]
        for part in parts or [found.inputs]:
            seen.setdefault(found.parent, set()).update(part["dimensions"].values())
    assert [len(seen[host]) for host in ("db1", "db2", "db3")] == [4, 4, 4]  # an instance and three volumes
    assert len(set.union(*seen.values())) == sum(map(len, seen.values()))


@pytest.mark.parametrize(
    ("purpose", "iops", "throughput_mibps"), [("data", 12000, 500), ("wal", 6000, 250), ("etcd", 3000, 125)]
)
def test_the_use_of_a_volume_is_measured_against_what_is_provisioned(
    fast: Recording, purpose: str, iops: int, throughput_mibps: int
) -> None:
    volume = fast.named(f"db1-{purpose}", "aws:ebs/volume:Volume").inputs
    assert (volume["iops"], volume["throughput"]) == (iops, throughput_mibps)
    for name, counted, provisioned in (
        ("iops", "Ops", iops),
        ("throughput", "Bytes", throughput_mibps * 1024 * 1024),
    ):
        found = alarm(fast, f"db1-{purpose}-{name}")
        result, *metrics = found["metricQueries"]
        assert result["returnData"] is True
        period_seconds = {query["metric"]["period"] for query in metrics}
        sums = {query["id"]: (query["metric"]["metricName"], query["metric"]["stat"]) for query in metrics}
        assert sums == {"reads": (f"VolumeRead{counted}", "Sum"), "writes": (f"VolumeWrite{counted}", "Sum")}
        # As CloudWatch would: as many as are provisioned, half of them reads, are 100 percent.
        whole = provisioned * period_seconds.pop()
        used = eval(result["expression"], {}, {"reads": whole / 2, "writes": whole / 2})  # noqa: S307 - our own formula
        assert used == pytest.approx(100)
        assert found["threshold"] == 80
        assert not period_seconds


@pytest.fixture(scope="session")
def fast() -> Recording:
    """Production with volumes that are provisioned beyond what gp3 includes."""
    return record(
        "production",
        data_volume_iops=12000,
        data_volume_throughput_mibps=500,
        wal_volume_iops=6000,
        wal_volume_throughput_mibps=250,
    )


@pytest.mark.parametrize(("purpose", "waiting"), [("data", 48), ("wal", 24), ("etcd", 12)])
def test_a_queue_is_measured_against_what_is_provisioned(fast: Recording, purpose: str, waiting: int) -> None:
    found = alarm(fast, f"db1-{purpose}-queue")
    assert (found["metricName"], found["statistic"]) == ("VolumeQueueLength", "Average")
    assert found["threshold"] == pytest.approx(waiting)
    assert found["period"] * found["evaluationPeriods"] == 900


def test_only_a_setting_that_exists_is_advised(production: Recording) -> None:
    for found in production.of_type(ALARM):
        for purpose in ("data", "wal", "etcd", "metrics", "repository"):
            for setting in ("iops", "throughput_mibps"):
                advised = f"{purpose}_volume_{setting}" in found.inputs["alarmDescription"]
                assert not advised or purpose in ("data", "wal"), found.name


def test_the_topic_is_encrypted_with_the_platforms_key(production: Recording) -> None:
    (topic,) = production.of_type(TOPIC)
    assert topic.inputs["kmsMasterKeyId"].startswith("arn:aws:kms:eu-central-1:123456789012:key/")
    assert topic.inputs["tags"]["Project"] == "freelance-platform"


def test_only_this_environments_alarms_may_write_to_the_topic(production: Recording) -> None:
    (policy,) = production.of_type("aws:sns/topicPolicy:TopicPolicy")
    allowed, denied = json.loads(policy.inputs["policy"])["Statement"]
    assert (allowed["Effect"], allowed["Action"]) == ("Allow", "sns:Publish")
    assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert allowed["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "123456789012"},
        "ArnLike": {"aws:SourceArn": f"arn:aws:cloudwatch:eu-central-1:123456789012:alarm:{PREFIX}-*"},
    }
    assert (denied["Effect"], denied["Principal"], denied["Action"]) == ("Deny", "*", "sns:Publish")
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert allowed["Resource"] == denied["Resource"] == policy.inputs["arn"]
    assert allowed["Resource"].startswith(TOPIC_ARN)


def test_alarms_are_mailed_to_whom_the_settings_name() -> None:
    recording = record("production", alarm_emails=["oncall@example.com", "dba@example.com"])
    mails = recording.of_type("aws:sns/topicSubscription:TopicSubscription")
    assert [(mail.inputs["protocol"], mail.inputs["endpoint"]) for mail in mails] == [
        ("email", "oncall@example.com"),
        ("email", "dba@example.com"),
    ]
    assert {mail.name for mail in mails} == {"alarms-oncall@example.com", "alarms-dba@example.com"}


def test_a_balancer_without_healthy_targets_sounds_also_when_it_reports_nothing() -> None:
    rules = balancer_rules("net/main/0123", {"pooled": "targetgroup/pooled/4567", "direct": "targetgroup/direct/89ab"})
    assert set(rules) == {f"{name}-{kind}" for name in ("pooled", "direct") for kind in ("none-healthy", "unhealthy")}
    none_healthy, unhealthy = rules["pooled-none-healthy"], rules["pooled-unhealthy"]
    assert isinstance(none_healthy.of, Metric)
    assert isinstance(unhealthy.of, Metric)
    dimensions = {"LoadBalancer": "net/main/0123", "TargetGroup": "targetgroup/pooled/4567"}
    assert none_healthy.of.dimensions == unhealthy.of.dimensions == dimensions
    assert (none_healthy.of.name, none_healthy.of.statistic) == ("HealthyHostCount", "Maximum")
    assert (none_healthy.comparison, none_healthy.threshold) == ("LessThanThreshold", 1)
    assert none_healthy.missing == "breaching"
    assert (unhealthy.of.name, unhealthy.of.statistic) == ("UnHealthyHostCount", "Maximum")
    assert (unhealthy.comparison, unhealthy.threshold) == ("GreaterThanOrEqualToThreshold", 1)
    assert "pooled" in none_healthy.remedy
