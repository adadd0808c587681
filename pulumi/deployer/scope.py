"""What a stack's own resources are called and where they are: that far its policies reach."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from dry_run import ACCOUNT, Declaration

CONNECT_ENDPOINT = "aws:ec2transitgateway/instanceConnectEndpoint:InstanceConnectEndpoint"


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Names and places.

    `vpcs`: where its zone answers, as Route 53 writes it; `principals`: the services that are given a role.
    """

    project: str
    environment: str
    partition: str
    dns_suffix: str
    region: str
    regions: tuple[str, ...]
    roles: tuple[str, ...]
    profiles: tuple[str, ...]
    buckets: tuple[str, ...]
    secrets: tuple[str, ...]
    aliases: tuple[str, ...]
    domains: tuple[str, ...]
    record_types: tuple[str, ...]
    vpcs: tuple[str, ...]
    principals: tuple[str, ...]
    tunnel: bool  # whether a connect endpoint leads to the hosts

    def arn(self, service: str, rest: str, region: str = "", account: str = "*") -> str:
        """Return an ARN; another account's resources are out of reach anyway."""
        return f"arn:{self.partition}:{service}:{region}:{account}:{rest}"

    def host(self, service: str) -> str:
        """Return a service of the region as `kms:ViaService` names it."""
        return f"{service}.{self.region}.{self.dns_suffix}"

    @property
    def tags(self) -> dict[str, str]:
        """Those that tell the stack's resources from all others."""
        return {"Project": self.project, "Environment": self.environment}

    @property
    def here(self) -> dict[str, list[str]]:
        """The condition: in the stack's regions."""
        return {"aws:RequestedRegion": list(self.regions)}

    @property
    def owned(self) -> dict[str, str]:
        """The condition: it has the stack's tags."""
        return {f"aws:ResourceTag/{key}": value for key, value in self.tags.items()}

    @property
    def untagged(self) -> dict[str, str]:
        """The condition: it has none of them, so it is new or nobody's."""
        return {f"aws:ResourceTag/{key}": "true" for key in self.tags}

    @property
    def tagging(self) -> dict[str, str]:
        """The condition: it gets the stack's tags."""
        return {f"aws:RequestTag/{key}": value for key, value in self.tags.items()}


def scope_of(declared: Declaration) -> Scope:
    """Read the names from what the stack declares."""
    settings, aws = declared.settings, declared.aws

    def names(kind: str, key: str) -> tuple[str, ...]:
        given = {str(resource.inputs[key]) for resource in declared.resources if resource.type == kind}
        return tuple(sorted(name.replace(ACCOUNT, "?" * len(ACCOUNT)) for name in given))

    roles = [resource.inputs for resource in declared.resources if resource.type == "aws:iam/role:Role"]
    trusted = [json.loads(role["assumeRolePolicy"])["Statement"] for role in roles]
    return Scope(
        project=settings.project,
        environment=settings.environment,
        partition=aws.partition.name,
        dns_suffix=aws.partition.dns_suffix,
        region=aws.region,
        regions=tuple(sorted({aws.region, *_other_regions(declared)})),
        roles=names("aws:iam/role:Role", "name"),
        profiles=names("aws:iam/instanceProfile:InstanceProfile", "name"),
        buckets=names("aws:s3/bucket:Bucket", "bucket"),
        secrets=(f"{settings.project}/{settings.environment}/*",),
        aliases=names("aws:kms/alias:Alias", "name"),
        domains=names("aws:route53/zone:Zone", "name"),
        record_types=names("aws:route53/record:Record", "type"),
        vpcs=(f"VPCId={aws.network.vpc_id or '*'},VPCRegion={aws.region}",),
        principals=tuple(sorted({each["Principal"]["Service"] for statements in trusted for each in statements})),
        tunnel=CONNECT_ENDPOINT in declared.types,
    )


def _other_regions(declared: Declaration) -> Iterator[str]:
    for resource in declared.resources:
        if isinstance(region := resource.inputs.get("region"), str):
            yield region
