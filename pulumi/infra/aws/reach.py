"""How SSH reaches hosts that have no open port: an EC2 Instance Connect Endpoint, a jump host, or a network's own way.

The endpoint's limits, source: EC2 user guide, "Quotas for EC2 Instance Connect Endpoint": one in a VPC, 20 connections
at once; a connection ends after an hour (the same guide, condition key maxTunnelDuration, which is its default too).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.aws.settings import Reach
from infra.ports import SSH


@dataclass(frozen=True, kw_only=True)
class ConnectEndpointArgs:
    """Inputs. `host_group_ids`: the security groups of the hosts, by what they are."""

    vpc_id: pulumi.Input[str]
    subnet_id: pulumi.Input[str]
    host_group_ids: Mapping[str, pulumi.Input[str]]
    region: str
    tags: Mapping[str, str]


class ConnectEndpoint(pulumi.ComponentResource):
    """Outputs: `proxy_command` for SSH."""

    def __init__(self, name: str, args: ConnectEndpointArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("freelance:network:ConnectEndpoint", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        tags = {**args.tags, "Name": name}
        group = aws.ec2.SecurityGroup(
            f"{name}-endpoint", description="Endpoint for SSH to hosts", tags=tags, vpc_id=args.vpc_id, opts=child
        )
        for kind, host_group_id in args.host_group_ids.items():
            aws.vpc.SecurityGroupEgressRule(
                f"{name}-{kind}-ssh-out",
                description="SSH to hosts",
                referenced_security_group_id=host_group_id,
                security_group_id=group.id,
                from_port=SSH,
                to_port=SSH,
                ip_protocol="tcp",
                tags=args.tags,
                opts=child,
            )
            aws.vpc.SecurityGroupIngressRule(
                f"{name}-{kind}-ssh-in",
                description="SSH through the endpoint",
                referenced_security_group_id=group.id,
                security_group_id=host_group_id,
                from_port=SSH,
                to_port=SSH,
                ip_protocol="tcp",
                tags=args.tags,
                opts=child,
            )
        endpoint = aws.ec2transitgateway.InstanceConnectEndpoint(
            f"{name}-endpoint",
            # Hosts see the endpoint's address, so its group is their only source; who it was, CloudTrail knows.
            preserve_client_ip=False,
            security_group_ids=[group.id],
            subnet_id=args.subnet_id,
            tags=tags,
            # A VPC has room for one.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        # By address, id and name, so the AWS CLI looks up nothing: it needs no other permission than OpenTunnel, and
        # finds an endpoint that was modified too (https://github.com/aws/aws-cli/issues/9715).
        self.proxy_command: pulumi.Output[str] = pulumi.Output.format(
            "aws ec2-instance-connect open-tunnel --region {0} --instance-connect-endpoint-id {1}"
            " --instance-connect-endpoint-dns-name {2} --private-ip-address %h --remote-port %p",
            args.region,
            endpoint.id,
            endpoint.dns_name,
        )
        self.register_outputs({"proxy_command": self.proxy_command})


@dataclass(frozen=True, kw_only=True)
class Way:
    """How SSH finds the hosts: `proxy_command`, None for directly, and what the hosts need for it."""

    proxy_command: pulumi.Input[str] | None
    needs: Sequence[pulumi.Resource] = ()


def way_to_hosts(reach: Reach, args: ConnectEndpointArgs) -> Way:
    """Make what the settings' way to the hosts needs, which is the endpoint or nothing."""
    if reach.kind == "instance_connect_endpoint":
        endpoint = ConnectEndpoint("reach", args)
        return Way(proxy_command=endpoint.proxy_command, needs=[endpoint])
    return Way(proxy_command=through(reach.bastion) if reach.kind == "bastion" else None)


def through(bastion: str) -> str:
    """Return the ProxyCommand through `user@host` or `user@host:port`; the inventory fills in the files' paths."""
    jump_host, _, port = bastion.partition(":")
    return (
        f"ssh -W %h:%p -p {port or SSH} -i {{private_key_file}} -o UserKnownHostsFile={{known_hosts_file}}"
        " -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes -o BatchMode=yes -o ServerAliveInterval=15"
        f" {jump_host}"
    )
