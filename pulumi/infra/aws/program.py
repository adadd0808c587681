"""The target `aws`: keys, network and who may talk to whom, backups and secrets, then hosts and their names."""

from infra.aws import fleet, wiring
from infra.aws.backup_store import backup_store
from infra.aws.stack import Stack
from infra.secret_names import SECRETS
from infra.target import Declared, DeclaredHost, connect_to
from infra.topology import Topology


def declare(topology: Topology) -> Declared:
    """Make the resources and say how the hosts are reached."""
    stack = Stack.of(topology)
    keys = wiring.encryption_keys(stack)
    network = wiring.network(stack, keys)
    groups = wiring.security_groups(stack, network)
    way = wiring.way_to_hosts(stack, network, groups)
    backups = backup_store(stack, keys)
    secrets = wiring.secrets(stack, keys)
    topic = wiring.alarm_topic(stack, keys)

    ground = fleet.Ground(
        keys=keys,
        network=network,
        groups=groups,
        profiles=wiring.instance_profiles(stack, backups),
        topic=topic,
        # Routes, endpoints of services and rules: a host names none of them and can't boot without.
        needs=[network, groups, *way.needs],
    )
    hosts = fleet.declare(stack, ground)
    balancer = wiring.load_balancer(stack, network, groups, hosts)
    wiring.balancer_alarms(stack, balancer, topic)
    names = wiring.private_zone(stack, network, balancer)

    return Declared(
        architecture=stack.settings.architecture,
        virtual="vm",
        hosts={
            plan.name: DeclaredHost(
                connect=connect_to(topology, plan, way.proxy_command), devices=hosts[plan.name].devices
            )
            for plan in topology.hosts
        },
        repository=backups.repository,
        secrets={name: secrets.references[name] for name in SECRETS},
        ca_certificate=secrets.references["ca_certificate"],
        ca_private_key=secrets.references["ca_private_key"],
        endpoint_names=names.endpoint_names,
    )
