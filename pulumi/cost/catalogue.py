"""Each price by its key: what one unit is, the page that shows it, and how the AWS price list names it.

Source of service codes and attributes: the price list itself ("Price List Query API", GetProducts). Usage types carry a
prefix for the region there (EUC1-NatGateway-Hours); it is left out here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

EC2, EBS = "https://aws.amazon.com/ec2/pricing/on-demand/", "https://aws.amazon.com/ebs/pricing/"
VPC, ELB = "https://aws.amazon.com/vpc/pricing/", "https://aws.amazon.com/elasticloadbalancing/pricing/"
LINK, CLOUDWATCH = "https://aws.amazon.com/privatelink/pricing/", "https://aws.amazon.com/cloudwatch/pricing/"
S3, KMS = "https://aws.amazon.com/s3/pricing/", "https://aws.amazon.com/kms/pricing/"
ROUTE53, SECRETS = "https://aws.amazon.com/route53/pricing/", "https://aws.amazon.com/secrets-manager/pricing/"
RDS = "https://aws.amazon.com/rds/postgresql/pricing/"
MIB_PER_GIB = 1024


@dataclass(frozen=True, kw_only=True)
class Product:
    """One price. `usage`: a pattern of the usage type without its region; `units` of the list make one of ours."""

    unit: str
    page: str
    service: str
    usage: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    units: float = 1.0
    region_attribute: str = "regionCode"  # empty: the price is the same in all regions, so the list names none


PRODUCTS = {
    "ebs.gp3.gib": Product(unit="GiB-month", page=EBS, service="AmazonEC2", usage="EBS:VolumeUsage.gp3"),
    "ebs.gp3.iops": Product(unit="IOPS-month", page=EBS, service="AmazonEC2", usage="EBS:VolumeP-IOPS.gp3"),
    "ebs.gp3.mibps": Product(
        unit="MiB/s-month",
        page=EBS,
        service="AmazonEC2",
        usage="EBS:VolumeP-Throughput.gp3",
        units=1 / MIB_PER_GIB,  # the list counts GiB/s
    ),
    "nat.hour": Product(unit="hour", page=VPC, service="AmazonEC2", usage="NatGateway-Hours"),
    "nat.gib": Product(unit="GiB", page=VPC, service="AmazonEC2", usage="NatGateway-Bytes"),
    "ipv4.hour": Product(unit="hour", page=VPC, service="AmazonVPC", usage="PublicIPv4:InUseAddress"),
    "endpoint.hour": Product(unit="hour", page=LINK, service="AmazonVPC", usage="VpcEndpoint-Hours"),
    "endpoint.gib": Product(unit="GiB", page=LINK, service="AmazonVPC", usage="VpcEndpoint-Bytes"),
    "nlb.hour": Product(
        unit="hour",
        page=ELB,
        service="AWSELB",
        usage="LoadBalancerUsage",
        attributes={"operation": "LoadBalancing:Network"},
    ),
    "nlb.unit_hour": Product(
        unit="unit-hour",
        page=ELB,
        service="AWSELB",
        usage="LCUUsage",
        attributes={"operation": "LoadBalancing:Network"},
    ),
    "route53.zone": Product(
        unit="zone-month", page=ROUTE53, service="AmazonRoute53", usage="HostedZone", region_attribute=""
    ),
    "route53.query": Product(
        unit="query", page=ROUTE53, service="AmazonRoute53", usage="DNS-Queries", region_attribute=""
    ),
    "kms.key": Product(unit="key-month", page=KMS, service="awskms", usage="KMS-Keys"),
    "kms.request": Product(unit="request", page=KMS, service="awskms", usage="KMS-Requests"),
    "secret.month": Product(
        unit="secret-month", page=SECRETS, service="AWSSecretsManager", usage="AWSSecretsManager-Secrets"
    ),
    "alarm.month": Product(
        unit="metric-month", page=CLOUDWATCH, service="AmazonCloudWatch", usage="CW:AlarmMonitorUsage"
    ),
    "metric.month": Product(
        unit="metric-month", page=CLOUDWATCH, service="AmazonCloudWatch", usage="CW:MetricMonitorUsage"
    ),
    "flow_log.gib": Product(unit="GiB", page=CLOUDWATCH, service="AmazonCloudWatch", usage="VendedLog-Bytes"),
    "log.gib": Product(unit="GiB-month", page=CLOUDWATCH, service="AmazonCloudWatch", usage="TimedStorage-ByteHrs"),
    "s3.gib": Product(
        unit="GiB-month",
        page=S3,
        service="AmazonS3",
        usage="TimedStorage-ByteHrs",
        attributes={"volumeType": "Standard"},
    ),
    "s3.put": Product(unit="request", page=S3, service="AmazonS3", usage="Requests-Tier1"),
    "zone_traffic.gib": Product(unit="GiB", page=EC2, service="AmazonEC2", usage="DataTransfer-Regional-Bytes"),
    "rds.cluster.gib": Product(
        unit="GiB-month",
        page=RDS,
        service="AmazonRDS",
        usage="RDS:Multi-AZCluster-GP3-Storage",
        attributes={"databaseEngine": "PostgreSQL"},
    ),
    "rds.single.gib": Product(
        unit="GiB-month",
        page=RDS,
        service="AmazonRDS",
        usage="RDS:GP3-Storage",
        attributes={"databaseEngine": "PostgreSQL"},
    ),
    "rds.backup.gib": Product(
        unit="GiB-month",
        page=RDS,
        service="AmazonRDS",
        usage="RDS:ChargedBackupUsage",
        attributes={"databaseEngine": "PostgreSQL"},
    ),
}


def product(key: str) -> Product:
    """Return the product of a key, of those too that end in a type, a class or a region: `ec2.m7a.2xlarge`."""
    if key in PRODUCTS:
        return PRODUCTS[key]
    kind, _, size = key.partition(".")
    if kind == "ec2":
        linux = {
            "capacitystatus": "Used",
            "licenseModel": "No License required",
            "operatingSystem": "Linux",
            "preInstalledSw": "NA",
            "tenancy": "Shared",
        }
        return Product(unit="hour", page=EC2, service="AmazonEC2", usage=f"BoxUsage:{size}", attributes=linux)
    if kind == "region_traffic":
        return Product(
            unit="GiB",
            page=EC2,
            service="AWSDataTransfer",
            usage=r"\w+-AWS-Out-Bytes",
            attributes={"toRegionCode": size},
            region_attribute="fromRegionCode",
        )
    deployment, _, class_ = size.partition(".")
    usage = {"cluster": "Multi-AZClusterUsage", "single": "InstanceUsage"}[deployment]
    engine = {"databaseEngine": "PostgreSQL"}
    return Product(unit="hour", page=RDS, service="AmazonRDS", usage=f"{usage}:{class_}", attributes=engine)
