"""From a stack's configuration (keys and texts, as the engine passes them) to Settings. Nothing of Pulumi.

Types, required keys and defaults are the engine's work (the schema in Pulumi.yaml); unknown keys are refused here,
because the engine accepts them in silence.
"""

import difflib
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Any, cast, get_args

from infra import stack_files
from infra.aws.settings import AwsNetwork, AwsSettings, Backup, Egress, Image, Reach, ReachKind, VolumeSpeed
from infra.config_reader import ConfigReader
from infra.limits import ETCD_SIZES
from infra.problems import Problem, SettingsError
from infra.settings import Architecture, Connections, HostSize, Service, Settings, Ssh, Target
from infra.settings_rules import TARGETS

# Keys of the aws provider that a stack may set; the program itself reads the region alone.
AWS_KEYS = ("region", "profile", "allowedAccountIds", "forbiddenAccountIds", "assumeRoles", "defaultTags", "maxRetries")

# A host of `services`: its settings and what they are where they are left out.
SERVICE_FIELDS = {
    "name": "",
    "serves": (),
    "cores": 2,
    "memory_mib": 8192,
    "repository_volume_gib": 0,
    "metrics_volume_gib": 0,
}

SIZE_FIELDS = {"cores": 0, "memory_mib": 0}  # both are needed: 0 is refused


@cache
def known_keys() -> tuple[str, ...]:
    """Return each key that a stack may set, with its namespace."""
    own = (f"{stack_files.project_name()}:{key}" for key in stack_files.project()["config"])
    return (*own, *(f"aws:{key}" for key in AWS_KEYS))


def unknown_keys(config: Mapping[str, str]) -> Iterator[Problem]:
    """Yield each key that nothing reads, with the nearest one that something does."""
    known = known_keys()
    for key in sorted(set(config) - set(known)):
        if key.startswith("pulumi:"):  # the engine's own, such as pulumi:tags
            continue
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
        yield Problem(key, "no such setting", f"did you mean {near}? (pulumi config rm {key})")


def secret_settings(keys: Collection[str]) -> Iterator[Problem]:
    """Yield each key that is kept as a secret: resources would carry its value into the state in the clear."""
    for key in sorted(keys):
        remedy = f"pulumi config rm {key}; secrets belong into the secret store, the platform names them by reference"
        yield Problem(key, "kept as a secret; a stack's settings are public", remedy)


def read(config: Mapping[str, str], *, project: str, stack: str, secret_keys: Collection[str] = ()) -> Settings:
    """Build the settings. Raises SettingsError for unknown keys, unreadable values and what Settings refuses."""
    reader = ConfigReader(config, project)
    reader.problems.extend(unknown_keys(config))
    reader.problems.extend(secret_settings(secret_keys))
    try:
        settings = _settings(reader, config, project, stack)
    except SettingsError as error:
        # What could not be read stands for its consequences.
        raise SettingsError(reader.problems or [*reader.refused, *error.problems]) from None
    if reader.problems or reader.refused:
        raise SettingsError(reader.problems or reader.refused)
    return settings


def _settings(reader: ConfigReader, config: Mapping[str, str], project: str, stack: str) -> Settings:
    target = cast("Target", reader.choice("target", tuple(TARGETS)))
    network = reader.network("network")
    hosts = reader.integer("database_hosts")
    return Settings(
        project=project,
        environment=stack,
        target=target,
        network=network,
        operator_network=reader.network("operator_network"),
        zones=reader.texts("zones"),
        clients=reader.networks("clients") or (network,),
        database_hosts=hosts,
        retiring_hosts=reader.texts("retiring_hosts"),
        etcd_members=reader.integer("etcd_members") or (ETCD_SIZES[1] if hosts >= ETCD_SIZES[1] else 1),
        database_size=HostSize(
            cores=reader.integer("database_cores"), memory_mib=reader.integer("database_memory_mib")
        ),
        database_host_sizes={
            name: HostSize(**fields)
            for name, fields in reader.objects_by_name("database_host_sizes", SIZE_FIELDS).items()
        },
        services=tuple(_service(**fields) for fields in reader.objects("services", SERVICE_FIELDS)),
        data_volume_gib=reader.integer("data_volume_gib"),
        wal_volume_gib=reader.integer("wal_volume_gib"),
        etcd_volume_gib=reader.integer("etcd_volume_gib"),
        architecture=cast("Architecture", reader.choice("architecture", get_args(Architecture))),
        connections=Connections(
            max_connections=reader.integer("max_connections"),
            pooler_connections=reader.integer("pooler_connections"),
            direct_connections=reader.integer("direct_connections"),
            reserved_connections=reader.integer("reserved_connections"),
        ),
        ssh=Ssh(
            user=reader.text("ssh_user"),
            private_key_file=reader.text("ssh_private_key_file"),
            known_hosts_file=reader.text("ssh_known_hosts_file"),
            proxy_command=reader.text("ssh_proxy_command"),
        ),
        aws=_aws(reader, config.get("aws:region", ""), f"{stack}.{project}.internal") if target == "aws" else None,
    )


def _service(*, cores: int, memory_mib: int, **others: Any) -> Service:
    return Service(size=HostSize(cores=cores, memory_mib=memory_mib), **others)


def _aws(reader: ConfigReader, region: str, private_zone: str) -> AwsSettings | None:
    """Return the settings for AWS; None, with its problems told to the reader, where they are refused."""

    def speed(purpose: str) -> VolumeSpeed:
        return VolumeSpeed(
            iops=reader.integer(f"{purpose}_volume_iops"),
            throughput_mibps=reader.integer(f"{purpose}_volume_throughput_mibps"),
        )

    try:
        return AwsSettings(
            region=region,
            network=AwsNetwork(
                vpc_id=reader.text("vpc_id"),
                internet_gateway_id=reader.text("internet_gateway_id"),
                egress=cast("Egress", reader.choice("egress", get_args(Egress))),
                apt_mirror=reader.text("apt_mirror"),
            ),
            reach=Reach(
                kind=cast("ReachKind", reader.choice("reach", get_args(ReachKind))), bastion=reader.text("bastion")
            ),
            data_speed=speed("data"),
            wal_speed=speed("wal"),
            backup=Backup(
                retention_days=reader.integer("backup_retention_days"),
                lock_days=reader.integer("backup_lock_days"),
                second_region=reader.text("backup_second_region"),
            ),
            image=Image(id=reader.text("image_id"), owner=reader.text("image_owner")),
            replacing_hosts=reader.texts("replacing_hosts"),
            alarm_emails=reader.texts("alarm_emails"),
            public_key=reader.text("ssh_public_key"),
            private_zone=reader.text("private_zone") or private_zone,
        )
    except SettingsError as error:
        reader.refused.extend(error.problems)
        return None
