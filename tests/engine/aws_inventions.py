"""What AWS would invent for the resource types that the platform declares; used by both recording engines.

Source of the outputs: the aws provider's reference of each type. Whatever is not listed is refused.
In a text `{region}`, `{partition}`, `{dns_suffix}` and `{account_id}` stand for the place that is asked.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

ACCOUNT_ID = "123456789012"
# Regions that the example stacks are in, and the letters of their zones.
# Source: the regions' pages of aws.amazon.com and amazonaws.cn, "Regions and Availability Zones".
REGIONS = {"cn-north-1": "abd", "cn-northwest-1": "abc", "eu-central-1": "abc", "eu-west-1": "abc"}


@dataclass(frozen=True)
class Place:
    """An account seen from one of its regions. KeyError for a region that is not listed above."""

    region: str

    @property
    def zones(self) -> list[str]:
        """The zones that the region has."""
        return [f"{self.region}{letter}" for letter in REGIONS[self.region]]

    @property
    def names(self) -> dict[str, str]:
        """What the place is called, by what stands for it in a text."""
        chinese = self.region.startswith("cn-")
        return {
            "account_id": ACCOUNT_ID,
            "dns_suffix": "amazonaws.com.cn" if chinese else "amazonaws.com",
            "partition": "aws-cn" if chinese else "aws",
            "region": self.region,
        }

    def fill(self, value: Any) -> Any:
        """Return the value with the place's names in its texts."""
        if isinstance(value, str):
            for name, text in self.names.items():
                value = value.replace(f"{{{name}}}", text)
            return value
        if isinstance(value, Mapping):
            return {key: self.fill(item) for key, item in value.items()}
        return [self.fill(item) for item in value] if isinstance(value, list) else value


def digest(text: str, length: int) -> str:
    """Return a stable id."""
    return hashlib.sha256(text.encode()).hexdigest()[:length]


# type: (prefix of its ids, the outputs that AWS adds)
TYPES: dict[str, tuple[str, Callable[[str], dict[str, Any]]]] = {
    "aws:cloudwatch/metricAlarm:MetricAlarm": ("", lambda _: {}),
    "aws:cloudwatch/logGroup:LogGroup": ("", lambda i: {"arn": arn("aws:logs/", f"log-group:{i}")}),
    "aws:ebs/volume:Volume": ("vol-", lambda _: {}),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": ("sg-", lambda _: {}),
    "aws:ec2/eip:Eip": ("eipalloc-", lambda _: {}),
    "aws:ec2/flowLog:FlowLog": ("fl-", lambda _: {}),
    "aws:ec2/instance:Instance": ("i-", lambda _: {"instanceState": "running"}),
    "aws:ec2/internetGateway:InternetGateway": ("igw-", lambda _: {}),
    "aws:ec2/natGateway:NatGateway": ("nat-", lambda _: {}),
    "aws:ec2/route:Route": ("r-", lambda _: {}),
    "aws:ec2/routeTable:RouteTable": ("rtb-", lambda _: {}),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": ("rtbassoc-", lambda _: {}),
    "aws:ec2/securityGroup:SecurityGroup": ("sg-", lambda _: {}),
    "aws:ec2/subnet:Subnet": ("subnet-", lambda _: {}),
    "aws:ec2/subnetCidrReservation:SubnetCidrReservation": ("scr-", lambda _: {}),
    "aws:ec2/volumeAttachment:VolumeAttachment": ("vai-", lambda _: {}),
    "aws:ec2/vpc:Vpc": ("vpc-", lambda _: {}),
    "aws:ec2/vpcEndpoint:VpcEndpoint": ("vpce-", lambda i: {"prefixListId": "pl-" + digest(i, 8)}),
    "aws:ec2transitgateway/instanceConnectEndpoint:InstanceConnectEndpoint": (
        "eice-",
        lambda i: {"dnsName": f"{i}.endpoint.example"},
    ),
    "aws:iam/instanceProfile:InstanceProfile": ("", lambda i: {"name": i}),
    "aws:iam/role:Role": ("", lambda i: {"name": i}),
    "aws:iam/rolePolicy:RolePolicy": ("", lambda _: {}),
    "aws:kms/alias:Alias": ("", lambda _: {}),
    "aws:kms/key:Key": ("", lambda i: {"keyId": i}),
    "aws:lb/listener:Listener": ("", lambda _: {}),
    "aws:lb/loadBalancer:LoadBalancer": (
        "net/",
        lambda i: {"arnSuffix": i, "dnsName": i[4:] + ".elb.{region}.{dns_suffix}", "zoneId": "Z" + digest(i, 13)},
    ),
    "aws:lb/targetGroup:TargetGroup": ("targetgroup/", lambda i: {"arnSuffix": i}),
    "aws:lb/targetGroupAttachment:TargetGroupAttachment": ("", lambda _: {}),
    "aws:route53/record:Record": ("", lambda _: {}),
    "aws:route53/zone:Zone": ("Z", lambda i: {"zoneId": i}),
    "aws:s3/bucket:Bucket": ("", lambda _: {}),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": ("", lambda _: {}),
    "aws:s3/bucketLogging:BucketLogging": ("", lambda _: {}),
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": ("", lambda _: {}),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": ("", lambda _: {}),
    "aws:s3/bucketPolicy:BucketPolicy": ("", lambda _: {}),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": ("", lambda _: {}),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": ("", lambda _: {}),
    "aws:s3/bucketVersioning:BucketVersioning": ("", lambda _: {}),
    "aws:sns/topic:Topic": ("", lambda _: {}),
    "aws:sns/topicPolicy:TopicPolicy": ("", lambda _: {}),
    "aws:sns/topicSubscription:TopicSubscription": ("", lambda _: {}),
    "aws:secretsmanager/secret:Secret": ("secret:", lambda _: {}),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": ("sgr-", lambda _: {}),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": ("sgr-", lambda _: {}),
}
# Source: AWS service authorization reference, "Resource types defined by" each service.
ARN_PREFIXES = {
    "ebs/volume": "volume/",
    "ec2/instance": "instance/",
    "iam/instanceProfile": "instance-profile/",
    "iam/role": "role/",
    "kms/key": "key/",
    "lb/loadBalancer": "loadbalancer/",
}
ARN_SERVICES = {"ebs": "ec2", "lb": "elasticloadbalancing"}  # where the provider's word is another one
GLOBAL_SERVICES = ("iam", "route53")  # whose ARNs name no region
ANSWERS: dict[str, dict[str, Any]] = {
    "aws:ec2/getAmi:getAmi": {"id": "ami-" + digest("debian-13", 17), "architecture": "x86_64"},
    "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": "{account_id}", "id": "{account_id}"},
    "aws:index/getPartition:getPartition": {
        "partition": "{partition}",
        "dnsSuffix": "{dns_suffix}",
        "id": "{partition}",
    },
}


def arn(kind: str, identity: str) -> str:
    """Return the ARN of a resource of this type."""
    path = kind.split(":")[1]
    service = path.split("/", maxsplit=1)[0]
    service = ARN_SERVICES.get(service, service)
    if service == "s3":
        return f"arn:{{partition}}:s3:::{identity}"
    region = "" if service in GLOBAL_SERVICES else "{region}"
    return f"arn:{{partition}}:{service}:{region}:{{account_id}}:{ARN_PREFIXES.get(path, '')}{identity}"


def new_id(kind: str, urn: str, bucket: str | None, made_before: int = 0) -> str:
    """Return the id of a new resource: the same for the same URN, unless it was made before."""
    seed = urn + "again" * made_before
    if kind == "aws:secretsmanager/secret:Secret":  # its ARN ends with its name and six letters
        return f"secret:{urn.rsplit('::', 1)[-1]}-{digest(seed, 6)}"
    return bucket or TYPES[kind][0] + digest(seed, 17)


def made_by_aws(kind: str, identity: str, place: Place) -> dict[str, Any]:
    """Return the outputs that are no inputs."""
    made = {"arn": arn(kind, identity), "region": "{region}", **TYPES[kind][1](identity)}
    return {key: place.fill(value) for key, value in made.items()}


def answer(token: str, place: Place) -> dict[str, Any]:
    """Return what a lookup finds. KeyError for one that nobody announced."""
    return {key: place.fill(value) for key, value in ANSWERS[token].items()}
