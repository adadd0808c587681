"""Names inside the VPC: one for each host, and one for each endpoint, which leads to the balancer.

Hosts don't use the endpoints' names for it: in their own /etc/hosts these lead to the processes on the host itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

HOST_TTL_SECONDS = 300  # a host keeps its address for as long as it exists


@dataclass(frozen=True, kw_only=True)
class PrivateZoneArgs:
    """Inputs. `hosts`: name to address; `endpoints`: endpoint to the first part of its name in `domain`."""

    domain: str
    vpc_id: pulumi.Input[str]
    hosts: Mapping[str, str]
    endpoints: Mapping[str, str]
    balancer_dns_name: pulumi.Input[str]
    balancer_zone_id: pulumi.Input[str]
    tags: Mapping[str, str]


class PrivateZone(pulumi.ComponentResource):
    """Outputs: `zone_id`, `endpoint_names` (full names by endpoint)."""

    def __init__(self, name: str, args: PrivateZoneArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("freelance:network:PrivateZone", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        zone = aws.route53.Zone(
            f"{name}-zone",
            comment="Hosts and endpoints of the database platform",
            force_destroy=False,
            name=args.domain,
            tags={**args.tags, "Name": name},
            vpcs=[{"vpc_id": args.vpc_id}],
            # Clients in other VPCs associate theirs; those are neither removed here nor lost with a new zone.
            opts=pulumi.ResourceOptions(parent=self, protect=True, ignore_changes=["vpcs"]),
        )
        for host, address in args.hosts.items():
            aws.route53.Record(
                f"{name}-{host}",
                name=f"{host}.{args.domain}",
                records=[address],
                ttl=HOST_TTL_SECONDS,
                type="A",
                zone_id=zone.zone_id,
                opts=child,
            )
        self.zone_id: pulumi.Output[str] = zone.zone_id
        self.endpoint_names: dict[str, pulumi.Output[str]] = {
            endpoint: aws.route53.Record(
                f"{name}-{label}",
                aliases=[
                    {
                        "evaluate_target_health": True,
                        "name": args.balancer_dns_name,
                        "zone_id": args.balancer_zone_id,
                    }
                ],
                name=f"{label}.{args.domain}",
                type="A",
                zone_id=zone.zone_id,
                opts=child,
            ).name
            for endpoint, label in args.endpoints.items()
        }
        self.register_outputs({"zone_id": self.zone_id, "endpoint_names": self.endpoint_names})
