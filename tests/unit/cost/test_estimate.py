"""The estimate counts what the program declares, and says by which prices."""

import dataclasses
import importlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cost import billing, counting, managed, price_file, report
from cost.__main__ import show
from cost.assumptions import Assumptions
from cost.free import FREE
from cost.price_file import Price
from dry_run import Declaration, Resource, declaration
from infra import instance_types

ROOT = Path(__file__).parents[3]
ASSUME = Assumptions()


def extra(kind: str, **inputs: object) -> Resource:
    return Resource(type=kind, name="extra-1", owner="extra", components=(), inputs=inputs)


def with_extra(declared: Declaration, resource: Resource) -> Declaration:
    """The stack's instances and this: what is counted by host counts them."""
    instances = [each for each in declared.resources if each.type == counting.INSTANCE]
    return dataclasses.replace(declared, resources=(*instances, resource))


def quantities(declared: Declaration, component: str) -> dict[str, float]:
    found = billing.charges(declared, ASSUME)
    return {charge.key: charge.quantity for charge in found if charge.component == component}


def test_hosts_and_their_volumes_are_counted_from_the_program(production: Declaration) -> None:
    db = [charge for charge in billing.charges(production, ASSUME) if charge.component == "db"]
    counted = {charge.item: charge.quantity for charge in db if charge.key in ("ebs.gp3.gib", "ec2.m7a.2xlarge")}
    assert counted == {
        "instance m7a.2xlarge": 3 * 730,
        "data volume, gp3": 3 * 500,
        "wal volume, gp3": 3 * 100,
        "etcd volume, gp3": 3 * 20,
        "root volume, gp3": 3 * 20,
    }
    assert not [charge for charge in db if charge.assumed]


def test_a_fourth_host_costs_as_much_as_each_of_the_others(production: Declaration) -> None:
    prices = price_file.read()
    four = declaration("production", database_hosts="4", etcd_members="3")

    def hosts(declared: Declaration) -> dict[str, float]:
        rows = report.priced(billing.charges(declared, ASSUME), prices, "production")
        return {row.charge.item: row.amount for row in rows if row.charge.component == "db"}

    three = hosts(production)
    for item in ("instance m7a.2xlarge", "data volume, gp3"):
        assert hosts(four)[item] == pytest.approx(three[item] * 4 / 3)


def test_a_type_without_a_decision_stops_the_estimate(production: Declaration) -> None:
    with pytest.raises(
        billing.UnknownTypeError, match=r"aws:rds/instance:Instance costs: add each to FREE .*free\.py.* or to BILLED"
    ):
        billing.charges(with_extra(production, extra("aws:rds/instance:Instance")), ASSUME)


@pytest.mark.parametrize("kind", sorted([*FREE, *counting.BILLED]))
def test_each_type_of_the_table_is_one_of_the_provider(kind: str) -> None:
    _, module, name = kind.split(":")
    found = getattr(importlib.import_module(f"pulumi_aws.{module.split('/')[0]}"), name)
    assert found.pulumi_type == kind


@pytest.mark.parametrize(
    ("kind", "inputs", "counted"),
    [
        ("aws:ec2/natGateway:NatGateway", {}, {"nat.hour": 730, "nat.gib": 20}),
        ("aws:ec2/eip:Eip", {}, {"ipv4.hour": 730}),
        ("aws:ec2/vpcEndpoint:VpcEndpoint", {"vpcEndpointType": "Gateway"}, {}),
        (
            "aws:ec2/vpcEndpoint:VpcEndpoint",
            {"vpcEndpointType": "Interface", "subnetIds": ["a", "b"]},
            {"endpoint.hour": 1460, "endpoint.gib": 5},
        ),
        ("aws:lb/loadBalancer:LoadBalancer", {}, {"nlb.hour": 730, "nlb.unit_hour": 730}),
        ("aws:route53/zone:Zone", {}, {"route53.zone": 1, "route53.query": 5_000_000}),
        ("aws:secretsmanager/secret:Secret", {}, {"secret.month": 1}),
        ("aws:cloudwatch/metricAlarm:MetricAlarm", {}, {"alarm.month": 1}),
        (
            "aws:cloudwatch/metricAlarm:MetricAlarm",
            {"metricQueries": [{"metric": {}}, {"metric": {}}, {"expression": "a/b"}]},
            {"alarm.month": 2},
        ),
        ("aws:ec2/flowLog:FlowLog", {}, {"flow_log.gib": 8}),
        ("aws:cloudwatch/logGroup:LogGroup", {"retentionInDays": 60.0}, {"log.gib": pytest.approx(2.4)}),
        (
            "aws:ebs/volume:Volume",
            {"size": 10.0, "iops": 4000.0, "throughput": 250.0},
            {"ebs.gp3.gib": 10, "ebs.gp3.iops": 1000, "ebs.gp3.mibps": 125},
        ),
        ("aws:sns/topic:Topic", {}, {}),
    ],
)
def test_each_kind_is_counted_in_its_own_unit(
    production: Declaration, kind: str, inputs: dict[str, object], counted: dict[str, float]
) -> None:
    assert quantities(with_extra(production, extra(kind, **inputs)), "extra") == counted


@pytest.mark.parametrize(
    ("owner", "component"), [("db1", "db"), ("db10", "db"), ("backup-eu-west-1", "backup-eu-west-1"), ("nlb", "nlb")]
)
def test_hosts_of_a_kind_are_one_component(owner: str, component: str) -> None:
    assert billing.component_of(owner) == component


def test_backups_in_another_region_have_its_prices_and_their_way_there(production: Declaration) -> None:
    second = with_extra(production, extra("aws:s3/bucket:Bucket", region="eu-west-1"))
    found = [charge for charge in billing.charges(second, ASSUME) if charge.component == "extra"]
    assert {charge.key: charge.region for charge in found} == {
        "s3.gib": "eu-west-1",
        "s3.put": "eu-west-1",
        "region_traffic.eu-west-1": "eu-central-1",  # the sender's
    }
    assert report.total(report.priced(found, price_file.read(), "production")) > 0


def test_the_managed_database_has_the_same_hosts_and_disks(production: Declaration) -> None:
    found = {charge.key: charge.quantity for charge in managed.charges(production.settings, production.aws, ASSUME)}
    assert found == {"rds.cluster.db.m6id.2xlarge": 730, "rds.cluster.gib": 600}


@pytest.mark.parametrize("cores", instance_types.SIZES)
def test_each_size_of_a_host_has_an_equal_managed_class(production: Declaration, cores: int) -> None:
    size = dataclasses.replace(production.settings.database_size, cores=cores, memory_mib=cores * 4096)
    settings = dataclasses.replace(production.settings, database_size=size)
    assert managed.instance_class(settings) == f"db.m6id.{instance_types.SIZES[cores]}"


@pytest.fixture(scope="module")
def shown() -> str:
    return show("production")


def test_the_page_says_by_which_prices_it_was_made(
    production: Declaration, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "\nBy illustrative prices, written by hand on 2026-" in shown
    assert "`make prices STACK=production`" in shown
    with_rows(monkeypatch, production, lambda _, row: dataclasses.replace(row, illustrative=False, date="2030-01-02"))
    assert "\nBy prices that the AWS price list had on 2030-01-02.\n" in show("production")


def test_a_price_written_by_hand_is_not_taken_for_one_of_aws(
    production: Declaration, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_but_for_nat(key: str, row: Price) -> Price:
        return row if key == "nat.hour" else dataclasses.replace(row, illustrative=False, date="2030-01-02")

    with_rows(monkeypatch, production, read_but_for_nat)
    assert re.search(
        r"^By prices that the AWS price list had on 2030-01-02, and by illustrative prices, "
        r"written by hand on 2026-[\d-]+, for NAT gateway\.$",
        show("production"),
        re.MULTILINE,
    )


def with_rows(
    monkeypatch: pytest.MonkeyPatch, declared: Declaration, change: Callable[[str, Price], Price | None]
) -> None:
    """Let the file have these rows; a price that becomes None is not there."""
    changed = {}
    for region, block in price_file.read().items():
        rows = {key: change(key, row) for key, row in block.rows.items()}
        changed[region] = dataclasses.replace(block, rows={key: row for key, row in rows.items() if row})
    monkeypatch.setattr(price_file, "read", lambda: changed)
    monkeypatch.setattr("cost.__main__.declaration", lambda _: declared)


def test_without_a_managed_price_our_own_cost_is_shown_with_the_reason(
    production: Declaration, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacks = "rds.cluster.db.m6id.2xlarge"
    with_rows(monkeypatch, production, lambda key, row: None if key == lacks else row)
    page = show("production")
    assert page.split("\n\n")[:2] == shown.split("\n\n")[:2]
    assert "\n\nWithout an equal managed database (RDS for PostgreSQL): the file has no price for RDS cluster" in page
    assert f" db.m6id.2xlarge ({lacks} of eu-central-1, https://aws.amazon.com/rds/postgresql/pricing/)" in page
    assert "the managed one" not in page


def test_each_product_of_our_own_without_a_price_is_named_in_words(
    production: Declaration, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_rows(monkeypatch, production, lambda key, row: None if key in ("nat.hour", "kms.key") else row)
    with pytest.raises(price_file.PriceError) as told:
        show("production")
    assert "KMS key (kms.key of eu-central-1, https://aws.amazon.com/kms/pricing/)" in str(told.value)
    assert "NAT gateway (nat.hour of eu-central-1, https://aws.amazon.com/vpc/pricing/)" in str(told.value)
    assert "run `make prices STACK=production`" in str(told.value)


def test_sums_are_the_sums_of_their_rows(shown: str) -> None:
    rows = [line.split() for line in shown.split("\n\n")[1].splitlines()[1:]]
    months = [float(row[-1].replace(",", "")) for row in rows]
    sums = [month for row, month in zip(rows, months, strict=True) if row[1] == "sum"]
    total = months[-1]
    assert sum(sums) == pytest.approx(total, abs=0.05)
    assert sum(months) == pytest.approx(3 * total, abs=0.2)


def test_columns_are_aligned(shown: str) -> None:
    table = shown.split("\n\n")[1].splitlines()
    assert len({len(line) for line in table}) == 1


def test_a_region_without_prices_names_the_remedy() -> None:
    with pytest.raises(price_file.PriceError, match=r"resources in sa-east-1; .*make prices STACK=south"):
        price_file.select(price_file.read(), [("sa-east-1", "nat.hour")], "south")


@pytest.mark.parametrize(
    ("stack", "message"), [("lab", "target: lab has nothing"), ("nowhere", "No such file or directory")]
)
def test_the_command_refuses_with_a_reason(stack: str, message: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cost", "show", stack],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT / "pulumi")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
