"""The one address of the database for clients: an internal network load balancer in front of the database hosts.

It passes TCP on and ends no TLS, so certificates are the hosts' own. Access logs exist for TLS listeners alone (user
guide of network load balancers, "Access logs"): who connected is in the VPC's flow logs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

# AWS's default. Keepalives of pooler, HAProxy and clients come far more often, so a silent session isn't forgotten.
TCP_IDLE_TIMEOUT_SECONDS = 350
# A dead target gets no new connections after 20 to 30 s; the passive checks, which can't be set, are mostly faster.
CHECK_INTERVAL_SECONDS, CHECK_TIMEOUT_SECONDS, CHECK_THRESHOLD = 10, 5, 2
# A host that leaves: the application renews pooled connections each minute (CONN_MAX_AGE); who keeps one is cut off.
POOLED_DRAIN_SECONDS = 120
# A migration or an export may take hours: the longest delay on offer, and nothing is cut off after it.
DIRECT_DRAIN_SECONDS = 3600


@dataclass(frozen=True, kw_only=True)
class LoadBalancerArgs:
    """Inputs. `subnet_ids`: one in each zone; `ports`: endpoint to port; `targets`: host to instance's id."""

    vpc_id: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]]
    security_group_id: pulumi.Input[str]
    ports: Mapping[str, int]
    targets: Mapping[str, pulumi.Input[str]]
    tags: Mapping[str, str]


class LoadBalancer(pulumi.ComponentResource):
    """Outputs: `dns_name`, `zone_id`; for alarms `arn_suffix` and `target_group_arn_suffixes` (by endpoint)."""

    def __init__(self, name: str, args: LoadBalancerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("freelance:network:LoadBalancer", name, None, opts)
        balancer = aws.lb.LoadBalancer(
            f"{name}-balancer",
            enable_cross_zone_load_balancing=True,  # a zone whose host is down goes on by the others
            enable_deletion_protection=True,
            enforce_security_group_inbound_rules_on_private_link_traffic="on",
            internal=True,
            ip_address_type="ipv4",
            load_balancer_type="network",
            # A balancer that was made without a group never gets one (user guide, "Update the security groups").
            security_groups=[args.security_group_id],
            subnets=args.subnet_ids,
            tags={**args.tags, "Name": name},
            # Refused before anything is changed, where AWS's own protection would stop a `destroy` half-way.
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        groups = {way: self._endpoint(name, way, args, balancer) for way in args.ports}
        self.dns_name: pulumi.Output[str] = balancer.dns_name
        self.zone_id: pulumi.Output[str] = balancer.zone_id
        self.arn_suffix: pulumi.Output[str] = balancer.arn_suffix
        self.target_group_arn_suffixes: dict[str, pulumi.Output[str]] = {
            way: group.arn_suffix for way, group in groups.items()
        }
        self.register_outputs(
            {
                "dns_name": self.dns_name,
                "zone_id": self.zone_id,
                "arn_suffix": self.arn_suffix,
                "target_group_arn_suffixes": self.target_group_arn_suffixes,
            }
        )

    def _endpoint(
        self, name: str, way: str, args: LoadBalancerArgs, balancer: aws.lb.LoadBalancer
    ) -> aws.lb.TargetGroup:
        child = pulumi.ResourceOptions(parent=self)
        pooled = way == "pooled"
        label = f"{name}-{way.replace('_', '-')}"
        group = aws.lb.TargetGroup(
            label,
            connection_termination=pooled,
            deregistration_delay=POOLED_DRAIN_SECONDS if pooled else DIRECT_DRAIN_SECONDS,
            # Whether this host's own process takes connections: PgBouncer, or the HAProxy that finds the leader.
            # Nothing behind it is asked: leaders change, and a target that turns unhealthy has its connections reset.
            health_check={
                "enabled": True,
                "healthy_threshold": CHECK_THRESHOLD,
                "interval": CHECK_INTERVAL_SECONDS,
                "port": "traffic-port",
                "protocol": "TCP",
                "timeout": CHECK_TIMEOUT_SECONDS,
                "unhealthy_threshold": CHECK_THRESHOLD,
            },
            port=args.ports[way],
            # Off: with a client's address a host that reaches itself by the balancer would time out. Hosts see the
            # balancer's address, so clients' networks are held to by its own security group.
            preserve_client_ip="false",
            protocol="TCP",
            proxy_protocol_v2=False,
            tags={**args.tags, "Name": label},
            target_health_states=[{"enable_unhealthy_connection_termination": True}],
            # Not by address: a target that is replaced leaves before its instance stops, and a new one is a new target.
            target_type="instance",
            vpc_id=args.vpc_id,
            opts=child,
        )
        aws.lb.Listener(
            label,
            default_actions=[{"target_group_arn": group.arn, "type": "forward"}],
            load_balancer_arn=balancer.arn,
            port=args.ports[way],
            protocol="TCP",
            tags={**args.tags, "Name": label},
            tcp_idle_timeout_seconds=TCP_IDLE_TIMEOUT_SECONDS,
            opts=child,
        )
        for host, instance_id in args.targets.items():
            aws.lb.TargetGroupAttachment(
                f"{label}-{host}",
                port=args.ports[way],
                target_group_arn=group.arn,
                target_id=instance_id,
                opts=child,
            )
        return group
