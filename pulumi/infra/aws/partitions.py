"""What differs between the partitions of AWS. What is not known is None, and a setting asks for it.

Sources, by column:
- name, DNS suffix: IAM user guide, "Amazon Resource Names (ARNs)"; AWS SDK's endpoints file (partition `aws-cn`).
- EC2's principal: "Amazon EC2 in China", service principals.
- Debian's account: Debian wiki, Cloud/AmazonEC2Image/Trixie; who publishes in China is not written there.
- connect endpoint: "Feature availability and implementation differences" of Amazon EC2 in China.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Partition:
    """One partition. `debian_owner` is the account that publishes Debian's images, None where it is not known."""

    name: str
    dns_suffix: str
    ec2_principal: str
    debian_owner: str | None
    connect_endpoint: bool
    pricing_region: str

    def arn(self, service: str, rest: str, *, region: str = "", account_id: str = "") -> str:
        """Return an ARN, such as `arn:aws:iam::123456789012:root`."""
        return f"arn:{self.name}:{service}:{region}:{account_id}:{rest}"

    def host(self, service: str, region: str) -> str:
        """Return the name under which a service of a region is reached, as `kms:ViaService` has it too."""
        return f"{service}.{region}.{self.dns_suffix}"

    def principal(self, service: str) -> str:
        """Return a service as IAM's policies name it: without China's suffix, but for EC2."""
        return self.ec2_principal if service == "ec2" else f"{service}.amazonaws.com"


AWS = Partition(
    name="aws",
    dns_suffix="amazonaws.com",
    ec2_principal="ec2.amazonaws.com",
    debian_owner="136693071363",
    connect_endpoint=True,
    pricing_region="us-east-1",
)
AWS_CN = Partition(
    name="aws-cn",
    dns_suffix="amazonaws.com.cn",
    ec2_principal="ec2.amazonaws.com.cn",
    debian_owner=None,
    connect_endpoint=False,
    pricing_region="cn-northwest-1",
)
CHINA = "cn-"
# Regions of partitions that nobody here has ever used: refused rather than guessed.
FOREIGN = ("us-gov-", "us-iso", "eu-isoe-", "eusc-")


def partition_of(region: str) -> Partition | None:
    """Return the partition of a region, None for one that the platform does not know."""
    if region.startswith(FOREIGN):
        return None
    return AWS_CN if region.startswith(CHINA) else AWS
