"""Each price by its key: what one unit is, the page that shows it, and how the AWS price list names it.

Source of service codes and attributes: the price list itself ("Price List Query API", GetProducts). Usage types carry a
prefix for the region there (EUC1-NatGateway-Hours); it is left out here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

EC2, EBS = "https://aws.amazon.com/ec2/pricing/on-demand/", "https://aws.amazon.com/ebs/pricing/"
VPC, ELB = "https://aws.amazon.com/vpc/pricing/", "https://aws.amazon.com/elasticloadbalancing/pricing/"
LINK, WATCH = "https://aws.amazon.com/privatelink/pricing/", "https://aws.amazon.com/cloudwatch/pricing/"
S3, KMS = "https://aws.amazon.com/s3/pricing/", "https://aws.amazon.com/kms/pricing/"
DNS, SECRETS = "https://aws.amazon.com/route53/pricing/", "https://aws.amazon.com/secrets-manager/pricing/"
RDS = "https://aws.amazon.com/rds/postgresql/pricing/"

# Attributes by which the list is searched.
NETWORK, STANDARD = {"operation": "LoadBalancing:Network"}, {"volumeType": "Standard"}
POSTGRESQL = {"databaseEngine": "PostgreSQL"}
LINUX = {
    "capacitystatus": "Used",
    "licenseModel": "No License required",
    "operatingSystem": "Linux",
    "preInstalledSw": "NA",
    "tenancy": "Shared",
}
EVERYWHERE = ""  # the price is the same in all regions, so the list names none
SPEED_UNITS = 1 / 1024  # the list counts GiB/s


@dataclass(frozen=True)
class Product:
    """One price. `usage`: a pattern of the usage type without its region; `units` of the list make one of ours."""

    name: str
    unit: str
    page: str
    service: str
    usage: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    units: float = 1.0
    region_attribute: str = "regionCode"


PRODUCTS = {
    "ebs.gp3.gib": Product("gp3 volume", "GiB-month", EBS, "AmazonEC2", "EBS:VolumeUsage.gp3"),
    "ebs.gp3.iops": Product("gp3 IOPS", "IOPS-month", EBS, "AmazonEC2", "EBS:VolumeP-IOPS.gp3"),
    "ebs.gp3.mibps": Product(
        "gp3 throughput", "MiB/s-month", EBS, "AmazonEC2", "EBS:VolumeP-Throughput.gp3", units=SPEED_UNITS
    ),
    "nat.hour": Product("NAT gateway", "hour", VPC, "AmazonEC2", "NatGateway-Hours"),
    "nat.gib": Product("data through a NAT gateway", "GiB", VPC, "AmazonEC2", "NatGateway-Bytes"),
    "ipv4.hour": Product("public IPv4 address", "hour", VPC, "AmazonVPC", "PublicIPv4:InUseAddress"),
    "endpoint.hour": Product("interface endpoint", "hour", LINK, "AmazonVPC", "VpcEndpoint-Hours"),
    "endpoint.gib": Product("data through an interface endpoint", "GiB", LINK, "AmazonVPC", "VpcEndpoint-Bytes"),
    "nlb.hour": Product("network load balancer", "hour", ELB, "AWSELB", "LoadBalancerUsage", NETWORK),
    "nlb.unit_hour": Product("capacity of a network load balancer", "unit-hour", ELB, "AWSELB", "LCUUsage", NETWORK),
    "route53.zone": Product(
        "zone of names", "zone-month", DNS, "AmazonRoute53", "HostedZone", region_attribute=EVERYWHERE
    ),
    "route53.query": Product(
        "lookups of names", "query", DNS, "AmazonRoute53", "DNS-Queries", region_attribute=EVERYWHERE
    ),
    "kms.key": Product("KMS key", "key-month", KMS, "awskms", "KMS-Keys"),
    "kms.request": Product("requests to KMS keys", "request", KMS, "awskms", "KMS-Requests"),
    "secret.month": Product("secret", "secret-month", SECRETS, "AWSSecretsManager", "AWSSecretsManager-Secrets"),
    "alarm.month": Product("alarm", "metric-month", WATCH, "AmazonCloudWatch", "CW:AlarmMonitorUsage"),
    "metric.month": Product("metric", "metric-month", WATCH, "AmazonCloudWatch", "CW:MetricMonitorUsage"),
    "flow_log.gib": Product("flow logs, taken in", "GiB", WATCH, "AmazonCloudWatch", "VendedLog-Bytes"),
    "log.gib": Product("logs, stored", "GiB-month", WATCH, "AmazonCloudWatch", "TimedStorage-ByteHrs"),
    "s3.gib": Product("storage in S3", "GiB-month", S3, "AmazonS3", "TimedStorage-ByteHrs", STANDARD),
    "s3.put": Product("writes to S3", "request", S3, "AmazonS3", "Requests-Tier1"),
    "zone_traffic.gib": Product("data between zones", "GiB", EC2, "AmazonEC2", "DataTransfer-Regional-Bytes"),
    "rds.cluster.gib": Product(
        "storage of an RDS cluster", "GiB-month", RDS, "AmazonRDS", "RDS:Multi-AZCluster-GP3-Storage", POSTGRESQL
    ),
    "rds.single.gib": Product("storage of RDS", "GiB-month", RDS, "AmazonRDS", "RDS:GP3-Storage", POSTGRESQL),
    "rds.backup.gib": Product("backups of RDS", "GiB-month", RDS, "AmazonRDS", "RDS:ChargedBackupUsage", POSTGRESQL),
}


def product(key: str) -> Product:
    """Return the product of a key, of those too that end in a type, a class or a region: `ec2.m7a.2xlarge`."""
    if key in PRODUCTS:
        return PRODUCTS[key]
    kind, _, rest = key.partition(".")
    if kind == "ec2":
        return Product(f"instance {rest}", "hour", EC2, "AmazonEC2", f"BoxUsage:{rest}", LINUX)
    if kind == "region_traffic":
        return Product(
            f"data to {rest}",
            "GiB",
            EC2,
            "AWSDataTransfer",
            r"\w+-AWS-Out-Bytes",
            {"toRegionCode": rest},
            region_attribute="fromRegionCode",
        )
    deployment, _, size = rest.partition(".")
    name, usage = {
        "cluster": ("RDS cluster", "Multi-AZClusterUsage"),
        "single": ("RDS instance", "InstanceUsage"),
    }[deployment]
    return Product(f"{name} {size}", "hour", RDS, "AmazonRDS", f"{usage}:{size}", POSTGRESQL)
