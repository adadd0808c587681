"""The way out to the internet: NAT gateways in public subnets. Nothing here lets the internet in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_aws as aws

from infra.cidrs import ANYWHERE


@dataclass(frozen=True, kw_only=True)
class InternetAccessArgs:
    """Inputs, by zone: `public_cidrs` and the private route tables, which get their way out.

    With `egress` nat_single the first zone has the one NAT gateway. `internet_gateway_id` names that of a VPC which
    exists; empty: one is made.
    """

    egress: Literal["nat_per_zone", "nat_single"]
    vpc_id: pulumi.Input[str]
    internet_gateway_id: str
    public_cidrs: Mapping[str, str]
    private_route_table_ids: Mapping[str, pulumi.Input[str]]
    tags: Mapping[str, str]


class InternetAccess(pulumi.ComponentResource):
    """Outputs: none; the private route tables lead to the NAT gateways."""

    def __init__(self, name: str, args: InternetAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("freelance:network:InternetAccess", name, None, opts)
        self._name, self._args, self._child = name, args, pulumi.ResourceOptions(parent=self)
        public_id, route = self._public_route()
        zones = list(args.public_cidrs)
        nat_gateways = {
            zone: self._nat_gateway(zone, public_id, route)
            for zone in (zones if args.egress == "nat_per_zone" else zones[:1])
        }
        for zone in zones:
            aws.ec2.Route(
                f"{name}-private-{zone}",
                destination_cidr_block=ANYWHERE,
                nat_gateway_id=nat_gateways.get(zone, nat_gateways[zones[0]]).id,
                route_table_id=args.private_route_table_ids[zone],
                opts=self._child,
            )
        self.register_outputs({})

    def _public_route(self) -> tuple[pulumi.Output[str], aws.ec2.Route]:
        name, args = self._name, self._args
        gateway_id: pulumi.Input[str] = args.internet_gateway_id
        if not gateway_id:
            gateway = aws.ec2.InternetGateway(
                f"{name}-gateway", tags=self._tags("gateway"), vpc_id=args.vpc_id, opts=self._child
            )
            gateway_id = gateway.id
        public = aws.ec2.RouteTable(f"{name}-public", tags=self._tags("public"), vpc_id=args.vpc_id, opts=self._child)
        route = aws.ec2.Route(
            f"{name}-public",
            destination_cidr_block=ANYWHERE,
            gateway_id=gateway_id,
            route_table_id=public.id,
            opts=self._child,
        )
        return public.id, route

    def _nat_gateway(self, zone: str, public_id: pulumi.Input[str], route: aws.ec2.Route) -> aws.ec2.NatGateway:
        name, args = self._name, self._args
        subnet = aws.ec2.Subnet(
            f"{name}-public-{zone}",
            availability_zone=zone,
            cidr_block=args.public_cidrs[zone],
            map_public_ip_on_launch=False,  # a NAT gateway brings its own address; nothing else belongs here
            tags=self._tags(f"public-{zone}"),
            vpc_id=args.vpc_id,
            opts=self._child,
        )
        aws.ec2.RouteTableAssociation(
            f"{name}-public-{zone}", route_table_id=public_id, subnet_id=subnet.id, opts=self._child
        )
        address = aws.ec2.Eip(f"{name}-nat-{zone}", domain="vpc", tags=self._tags(f"nat-{zone}"), opts=self._child)
        return aws.ec2.NatGateway(
            f"{name}-nat-{zone}",
            allocation_id=address.id,
            subnet_id=subnet.id,
            tags=self._tags(f"nat-{zone}"),
            # AWS refuses one as long as the VPC has no internet gateway.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[route]),
        )

    def _tags(self, part: str) -> dict[str, str]:
        return {**self._args.tags, "Name": f"{self._name}-{part}"}
