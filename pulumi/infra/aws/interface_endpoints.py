"""Endpoints of AWS's own services inside the network, for hosts that no NAT gateway leads out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.aws.vpc_endpoints import own_account_alone, service_name
from infra.ports import HTTPS

SERVICES = ("ssm", "ssmmessages", "ec2messages", "kms", "secretsmanager", "logs")


@dataclass(frozen=True, kw_only=True)
class InterfaceEndpointsArgs:
    """Inputs. `subnet_ids`: one subnet in each zone; `cidr`: the network that may use the endpoints."""

    vpc_id: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]]
    cidr: str
    region: str
    account_id: pulumi.Input[str]
    tags: Mapping[str, str]


class InterfaceEndpoints(pulumi.ComponentResource):
    """Outputs: `group`, the security group that the endpoints have."""

    def __init__(self, name: str, args: InterfaceEndpointsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("freelance:network:InterfaceEndpoints", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.group = aws.ec2.SecurityGroup(
            name,
            description="Endpoints of AWS services",
            tags={**args.tags, "Name": name},
            vpc_id=args.vpc_id,
            opts=child,
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-https-in",
            cidr_ipv4=args.cidr,
            description="AWS services for the hosts of the network",
            from_port=HTTPS,
            ip_protocol="tcp",
            security_group_id=self.group.id,
            tags=args.tags,
            to_port=HTTPS,
            opts=child,
        )
        for service in SERVICES:
            aws.ec2.VpcEndpoint(
                f"{name}-{service}",
                # Whose resources is left open: some are AWS's own, such as the documents of Systems Manager.
                policy=own_account_alone(args.account_id, "aws:PrincipalAccount"),
                private_dns_enabled=True,  # clients find it under the service's usual name
                security_group_ids=[self.group.id],
                service_name=service_name(service, args.region),
                subnet_ids=args.subnet_ids,
                tags={**args.tags, "Name": f"{name}-{service}"},
                vpc_endpoint_type="Interface",
                vpc_id=args.vpc_id,
                opts=child,
            )
        self.register_outputs({"group_id": self.group.id})
