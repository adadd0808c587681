"""The VPC: one private subnet in each zone. Nothing in it has a way to the internet; S3 is reached inside the cloud."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """Inputs. `cidr` of the VPC; `zone_cidrs`: zone to its subnet's CIDR, all inside of `cidr`."""

    cidr: str
    zone_cidrs: Mapping[str, str]
    region: str
    tags: Mapping[str, str]


class Network(pulumi.ComponentResource):
    """Outputs: `vpc_id`, `subnet_ids` (by zone), `s3_prefix_list_id`."""

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("freelance:network:Network", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        vpc = aws.ec2.Vpc(
            f"{name}-vpc",
            cidr_block=args.cidr,
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags={**args.tags, "Name": name},
            opts=child,
        )
        routes = aws.ec2.RouteTable(
            f"{name}-private", vpc_id=vpc.id, tags={**args.tags, "Name": f"{name}-private"}, opts=child
        )
        subnets = {}
        for zone, cidr in args.zone_cidrs.items():
            subnets[zone] = aws.ec2.Subnet(
                f"{name}-private-{zone}",
                availability_zone=zone,
                cidr_block=cidr,
                map_public_ip_on_launch=False,
                tags={**args.tags, "Name": f"{name}-private-{zone}"},
                vpc_id=vpc.id,
                opts=child,
            )
            aws.ec2.RouteTableAssociation(
                f"{name}-private-{zone}", route_table_id=routes.id, subnet_id=subnets[zone].id, opts=child
            )
        # Backups reach their bucket through this gateway: it costs nothing and needs no way to the internet.
        s3 = aws.ec2.VpcEndpoint(
            f"{name}-s3",
            route_table_ids=[routes.id],
            service_name=f"com.amazonaws.{args.region}.s3"
            if not args.region.startswith("cn-")
            else f"cn.com.amazonaws.{args.region}.s3",  # Source: AWS China documentation, VPC endpoints
            tags={**args.tags, "Name": f"{name}-s3"},
            vpc_endpoint_type="Gateway",
            vpc_id=vpc.id,
            opts=child,
        )
        # Nobody gets the group that AWS attaches where none is named: it has no rules here.
        aws.ec2.DefaultSecurityGroup(
            f"{name}-default", vpc_id=vpc.id, tags={**args.tags, "Name": f"{name}-default-unused"}, opts=child
        )
        self.vpc_id: pulumi.Output[str] = vpc.id
        self.subnet_ids: dict[str, pulumi.Output[str]] = {zone: subnet.id for zone, subnet in subnets.items()}
        self.s3_prefix_list_id: pulumi.Output[str] = s3.prefix_list_id
        self.register_outputs({"vpc_id": self.vpc_id, "subnet_ids": self.subnet_ids})
