"""Who may open a connection to whom: a security group each for database hosts, service hosts and the balancer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.cidrs import ANYWHERE
from infra.endpoints import PORTS
from infra.ports import HTTPS, SSH, WEB

CLUSTER_PORTS = {"postgresql": 5432, "patroni": 8008, "etcd-client": 2379, "etcd-peer": 2380, "pgbackrest": 8432}
CLIENT_PORTS = {way.replace("_", "-"): port for way, port in PORTS.items()}
CACHE_PORT = 6379


@dataclass(frozen=True, kw_only=True)
class SecurityGroupsArgs:
    """Inputs, networks as CIDRs. `clients` and `operator` reach the balancer and the cache.

    `operator_ssh`: whether `operator` reaches SSH, too; otherwise SSH has a way of its own (`infra.aws.reach`).
    """

    vpc_id: pulumi.Input[str]
    network: str
    operator: str
    operator_ssh: bool
    clients: Sequence[str]
    has_service_hosts: bool  # a group that nothing has would be taken by the next who looks for one
    has_repository_host: bool  # a service host has the backups
    s3_prefix_list_id: pulumi.Input[str]
    has_internet: bool  # NAT leads there
    mirror_port: int | None  # of a mirror of packages in `network` or where operators are
    service_endpoints: aws.ec2.SecurityGroup | None  # the group of the endpoints of AWS's services
    tags: Mapping[str, str]


class SecurityGroups(pulumi.ComponentResource):
    """Outputs: `host_ids` by the kind of host, `balancer_id`."""

    def __init__(self, name: str, args: SecurityGroupsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("freelance:network:SecurityGroups", name, None, opts)
        self._name, self._tags = name, args.tags
        database = self._group("database", "PostgreSQL hosts", args.vpc_id)
        balancer = self._group("balancer", "Load balancer of the database", args.vpc_id)
        # A database host is a client of the others too: it migrates and dumps by whichever balancer answers.
        for purpose, port in (CLUSTER_PORTS | CLIENT_PORTS).items():
            self._ingress(database, f"database-{purpose}", port, f"{purpose} between database hosts", group=database)
            self._egress(database, f"database-{purpose}", port, f"{purpose} between database hosts", group=database)
        # Hosts see the balancer's address and not a client's: who may come is decided here, and nobody goes past it.
        for purpose, port in CLIENT_PORTS.items():
            self._egress(balancer, f"balancer-{purpose}", port, f"{purpose} and its health check", group=database)
            self._ingress(database, f"database-{purpose}-balancer", port, f"{purpose} of clients", group=balancer)
        for source in dict.fromkeys((*args.clients, args.operator)):
            for purpose, port in CLIENT_PORTS.items():
                key = f"balancer-{purpose}-{slug(source)}"
                self._ingress(balancer, key, port, f"{purpose} connections", cidr=source)
        hosts = {"database": database}
        if args.has_service_hosts:
            hosts["service"] = self._beside(database, args)
        for kind, group in hosts.items():
            if args.operator_ssh:
                self._ingress(group, f"{kind}-ssh", SSH, "SSH of operators and the controller", cidr=args.operator)
            self._outward(kind, group, args)
        self._egress(database, "database-s3", HTTPS, "backups to S3", prefix_list=args.s3_prefix_list_id)
        self.host_ids: dict[str, pulumi.Output[str]] = {kind: group.id for kind, group in hosts.items()}
        self.balancer_id: pulumi.Output[str] = balancer.id
        self.register_outputs({"host_ids": self.host_ids, "balancer_id": self.balancer_id})

    def _beside(self, database: aws.ec2.SecurityGroup, args: SecurityGroupsArgs) -> aws.ec2.SecurityGroup:
        """Make the group of service hosts, and say what they and the database hosts open to each other."""
        service = self._group("service", "Hosts beside the database", args.vpc_id)
        self._ingress(service, "service-cache-database", CACHE_PORT, "cache of database hosts", group=database)
        self._egress(database, "database-cache", CACHE_PORT, "cache of database hosts", group=service)
        if args.has_repository_host:  # it fetches backups from the hosts, and they bring it their write-ahead log
            port = CLUSTER_PORTS["pgbackrest"]
            for kind, one, other in (("database", database, service), ("service", service, database)):
                self._egress(one, f"{kind}-repository", port, "pgBackRest and its repository", group=other)
                self._ingress(other, f"{kind}-repository", port, "pgBackRest and its repository", group=one)
        for source in dict.fromkeys((*args.clients, args.operator)):
            self._ingress(service, f"service-cache-{slug(source)}", CACHE_PORT, "cache", cidr=source)
        return service

    def _outward(self, kind: str, group: aws.ec2.SecurityGroup, args: SecurityGroupsArgs) -> None:
        if args.has_internet:
            # Packages and their keys. Names and time need no rule: no group filters Amazon's DNS and time servers (VPC
            # user guide, "Control traffic to your AWS resources using security groups").
            for purpose, port in WEB.items():
                self._egress(group, f"{kind}-internet-{purpose}", port, "packages from the internet", cidr=ANYWHERE)
        if args.mirror_port is not None:
            for source in dict.fromkeys((args.network, args.operator)):
                self._egress(group, f"{kind}-mirror-{slug(source)}", args.mirror_port, "package mirror", cidr=source)
        if args.service_endpoints is not None:
            words = "services of AWS inside the network"
            self._egress(group, f"{kind}-services", HTTPS, words, group=args.service_endpoints)

    def _group(self, kind: str, description: str, vpc_id: pulumi.Input[str]) -> aws.ec2.SecurityGroup:
        return aws.ec2.SecurityGroup(
            f"{self._name}-{kind}",
            description=description,
            tags={**self._tags, "Name": f"{self._name}-{kind}"},
            vpc_id=vpc_id,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _ingress(  # noqa: PLR0913 - a rule has this many parts
        self,
        target: aws.ec2.SecurityGroup,
        key: str,
        port: int,
        description: str,
        *,
        cidr: str | None = None,
        group: aws.ec2.SecurityGroup | None = None,
    ) -> None:
        aws.vpc.SecurityGroupIngressRule(
            f"{self._name}-{key}-in",
            cidr_ipv4=cidr,
            description=description,
            from_port=port,
            ip_protocol="tcp",
            referenced_security_group_id=group.id if group else None,
            security_group_id=target.id,
            tags=self._tags,
            to_port=port,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _egress(  # noqa: PLR0913 - a rule has this many parts
        self,
        source: aws.ec2.SecurityGroup,
        key: str,
        port: int,
        description: str,
        *,
        cidr: str | None = None,
        group: aws.ec2.SecurityGroup | None = None,
        prefix_list: pulumi.Input[str] | None = None,
    ) -> None:
        aws.vpc.SecurityGroupEgressRule(
            f"{self._name}-{key}-out",
            cidr_ipv4=cidr,
            description=description,
            from_port=port,
            ip_protocol="tcp",
            prefix_list_id=prefix_list,
            referenced_security_group_id=group.id if group else None,
            security_group_id=source.id,
            tags=self._tags,
            to_port=port,
            opts=pulumi.ResourceOptions(parent=self),
        )


def slug(cidr: str) -> str:
    """Return a network as part of a resource's name."""
    return cidr.replace(".", "-").replace("/", "-")
