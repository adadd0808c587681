"""The network: private subnets for database and applications in each zone, and the ways out that the settings allow.

In a VPC that exists, only what the platform adds is touched: the group and the route table that everything else there
may use by default stay as they are, and the flow logs tell of the platform's own subnets alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Literal

import pulumi
import pulumi_aws as aws

from infra.aws.flow_logs import FlowLogs, FlowLogsArgs
from infra.aws.interface_endpoints import InterfaceEndpoints, InterfaceEndpointsArgs
from infra.aws.internet_access import InternetAccess, InternetAccessArgs
from infra.aws.partitions import Partition
from infra.aws.vpc_endpoints import own_account_alone, service_name
from infra.cidrs import ZoneCidrs


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """Inputs. `cidr`: the VPC's, or the platform's part of the one that exists; `zones`: each zone's subnets inside it.

    `vpc_id` names a VPC that exists (with DNS support and DNS host names on), `internet_gateway_id` its gateway, which
    NAT needs. `log_group` is the name of the flow logs' group, `log_key_arn` the key that encrypts them.
    """

    cidr: str
    zones: Mapping[str, ZoneCidrs]
    egress: Literal["nat_per_zone", "nat_single", "none"]
    vpc_id: str
    internet_gateway_id: str
    region: str
    partition: Partition
    account_id: pulumi.Input[str]
    log_group: str
    log_key_arn: pulumi.Input[str]
    tags: Mapping[str, str]


class Network(pulumi.ComponentResource):
    """Outputs: `vpc_id`, by zone `database_subnet_ids` and `app_subnet_ids`; `s3_prefix_list_id`.

    `service_endpoints` is the security group of the endpoints of AWS's services, None where NAT leads to them.
    """

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("freelance:network:Network", name, None, opts)
        self._name, self._args = name, args
        self.vpc_id: pulumi.Output[str] = pulumi.Output.from_input(args.vpc_id) if args.vpc_id else self._vpc()
        self.database_subnet_ids: dict[str, pulumi.Output[str]] = {}
        self.app_subnet_ids: dict[str, pulumi.Output[str]] = {}
        self._route_table_ids: dict[str, pulumi.Output[str]] = {}
        for zone, cidrs in args.zones.items():
            self._private_subnets(zone, cidrs)
        self.s3_prefix_list_id: pulumi.Output[str] = self._s3_gateway()
        self.service_endpoints: aws.ec2.SecurityGroup | None = self._ways_out()
        self._flow_logs()
        self.register_outputs({"vpc_id": self.vpc_id, "database_subnet_ids": self.database_subnet_ids})

    def _vpc(self) -> pulumi.Output[str]:
        child = pulumi.ResourceOptions(parent=self)
        vpc = aws.ec2.Vpc(
            f"{self._name}-vpc",
            cidr_block=self._args.cidr,
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags=self._tags(self._name),
            opts=child,
        )
        # Nobody gets the group that AWS attaches where none is named: it has no rules here.
        aws.ec2.DefaultSecurityGroup(
            f"{self._name}-default", vpc_id=vpc.id, tags=self._tags(f"{self._name}-default-unused"), opts=child
        )
        return vpc.id

    def _private_subnets(self, zone: str, cidrs: ZoneCidrs) -> None:
        child = pulumi.ResourceOptions(parent=self)
        # A table for each zone, whatever the egress is: another way out is then a changed route, and no subnet is
        # moved to another table. Routes are resources of their own, so that those which others add (to offices, to
        # other VPCs) are left alone.
        routes = aws.ec2.RouteTable(
            f"{self._name}-private-{zone}",
            vpc_id=self.vpc_id,
            tags=self._tags(f"{self._name}-private-{zone}"),
            opts=child,
        )
        database = self._subnet(f"database-{zone}", zone, cidrs.database, routes)
        app = self._subnet(f"app-{zone}", zone, cidrs.app, routes)
        # Balancers and endpoints take any free address: never one that a host has by its number.
        reserved = aws.ec2.SubnetCidrReservation(
            f"{self._name}-hosts-{zone}",
            cidr_block=str(cidrs.hosts),
            description="Fixed addresses of database and service hosts",
            reservation_type="explicit",
            subnet_id=database.id,
            opts=child,
        )
        self._route_table_ids[zone] = routes.id
        self.app_subnet_ids[zone] = app.id
        self.database_subnet_ids[zone] = reserved.subnet_id  # by way of the reservation: it comes before any user

    def _subnet(self, part: str, zone: str, cidr: IPv4Network, routes: aws.ec2.RouteTable) -> aws.ec2.Subnet:
        name, child = f"{self._name}-{part}", pulumi.ResourceOptions(parent=self)
        subnet = aws.ec2.Subnet(
            name,
            availability_zone=zone,
            cidr_block=str(cidr),
            map_public_ip_on_launch=False,
            tags=self._tags(name),
            vpc_id=self.vpc_id,
            opts=child,
        )
        aws.ec2.RouteTableAssociation(name, route_table_id=routes.id, subnet_id=subnet.id, opts=child)
        return subnet

    def _s3_gateway(self) -> pulumi.Output[str]:
        # Backups reach their bucket through this gateway: it costs nothing and needs no way to the internet.
        gateway = aws.ec2.VpcEndpoint(
            f"{self._name}-s3",
            # Hosts need buckets of their own account, which IAM tells apart, and no others: Debian's mirrors are none
            # (deb.debian.org and cdn-aws.deb.debian.org are content delivery networks, reached by NAT).
            policy=own_account_alone(self._args.account_id, "aws:PrincipalAccount", "aws:ResourceAccount"),
            route_table_ids=list(self._route_table_ids.values()),
            service_name=service_name("s3", self._args.region),
            tags=self._tags(f"{self._name}-s3"),
            vpc_endpoint_type="Gateway",
            vpc_id=self.vpc_id,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return gateway.prefix_list_id

    def _ways_out(self) -> aws.ec2.SecurityGroup | None:
        args, child = self._args, pulumi.ResourceOptions(parent=self)
        if args.egress == "none":
            endpoints = InterfaceEndpointsArgs(
                vpc_id=self.vpc_id,
                subnet_ids=list(self.app_subnet_ids.values()),
                cidr=args.cidr,
                region=args.region,
                account_id=args.account_id,
                tags=args.tags,
            )
            return InterfaceEndpoints(f"{self._name}-endpoints", endpoints, child).group
        access = InternetAccessArgs(
            egress=args.egress,
            vpc_id=self.vpc_id,
            internet_gateway_id=args.internet_gateway_id,
            public_cidrs={zone: str(cidrs.public) for zone, cidrs in args.zones.items()},
            private_route_table_ids=self._route_table_ids,
            tags=args.tags,
        )
        InternetAccess(f"{self._name}-internet", access, child)
        return None

    def _flow_logs(self) -> None:
        args = self._args
        subnet_ids = {f"database-{zone}": subnet_id for zone, subnet_id in self.database_subnet_ids.items()}
        subnet_ids |= {f"app-{zone}": subnet_id for zone, subnet_id in self.app_subnet_ids.items()}
        FlowLogs(
            f"{self._name}-flow-logs",
            FlowLogsArgs(
                vpc_id=None if args.vpc_id else self.vpc_id,
                subnet_ids=subnet_ids if args.vpc_id else {},
                log_group=args.log_group,
                kms_key_arn=args.log_key_arn,
                region=args.region,
                partition=args.partition,
                account_id=args.account_id,
                tags=args.tags,
            ),
            pulumi.ResourceOptions(parent=self),
        )

    def _tags(self, name: str) -> dict[str, str]:
        return {**self._args.tags, "Name": name}
