"""The machine image of new hosts where the settings name none: the newest Debian 13 of its publisher.

A host keeps the image that it was made from (`infra.aws.host` ignores another answer), so a lookup that finds a newer
one is harmless: it counts for hosts that are made from then on.
"""

import pulumi
import pulumi_aws as aws

from infra.settings import Architecture

# architecture: (Debian's word in the names of its images, EC2's word). Source: Debian wiki, Cloud/AmazonEC2Image/Trixie
ARCHITECTURES: dict[Architecture, tuple[str, str]] = {"x86_64": ("amd64", "x86_64"), "aarch64": ("arm64", "arm64")}


def newest_debian(architecture: Architecture, owner: str) -> pulumi.Output[str]:
    """Return the id. `owner` is the publisher's account: an image that has only the name could be anybody's."""
    debian, ec2 = ARCHITECTURES[architecture]
    filters = {
        "name": f"debian-13-{debian}-*",
        "architecture": ec2,
        "root-device-type": "ebs",
        "virtualization-type": "hvm",
    }
    return aws.ec2.get_ami_output(
        filters=[{"name": name, "values": [value]} for name, value in filters.items()],
        most_recent=True,
        owners=[owner],
    ).id
