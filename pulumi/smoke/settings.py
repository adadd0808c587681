"""The small stack's settings: those of the stack it speaks for, with one small host and a network of its own."""

from pathlib import Path
from typing import Any

import yaml
from infra import stack_config, stack_files, topology
from infra.aws.partitions import partition_of
from infra.settings import Settings

from smoke.commands import StepError

NAME = "smoke"
SMALL: dict[str, Any] = {
    "database_hosts": "1",
    "etcd_members": "1",
    "database_cores": "2",
    "database_memory_mib": "8192",
    "data_volume_gib": "10",
    "wal_volume_gib": "10",
    "etcd_volume_gib": "10",
    "services": [],
    "reach": "instance_connect_endpoint",
    "egress": "nat_single",
    "data_volume_iops": "3000",
    "data_volume_throughput_mibps": "125",
    "wal_volume_iops": "3000",
    "wal_volume_throughput_mibps": "125",
    "backup_retention_days": "7",
    "backup_lock_days": "14",
    "ssh_known_hosts_file": f".ansible/{NAME}/known_hosts",
}
# What is left out has its default. The connections too: those of a large host need more memory than the small one has.
LEFT_OUT = (
    "alarm_emails",
    "backup_second_region",
    "bastion",
    "clients",
    "database_host_sizes",
    "direct_connections",
    "internet_gateway_id",
    "max_connections",
    "pooler_connections",
    "private_zone",
    "replacing_hosts",
    "reserved_connections",
    "retiring_hosts",
    "ssh_proxy_command",
    "vpc_id",
)


def tags() -> dict[str, str]:
    """Return what all of the small stack is tagged with, and nothing of another project's stack of that name."""
    return {"Project": stack_files.project_name(), "Environment": NAME}


def file() -> Path:
    """Return where the small stack's settings are while it is there."""
    return stack_files.file_of(NAME)


def config(stack: str) -> dict[str, Any]:
    """Return what the small stack's file gives. Raises StepError."""
    project = stack_files.project_name()
    given = stack_files.content_of(stack)["config"]
    partition = partition_of(given.get("aws:region", ""))
    if partition is None or not partition.connect_endpoint:
        raise StepError(
            f"{given.get('aws:region')} has no connect endpoint to reach the small host by: name another stack"
        )
    kept = {key: value for key, value in given.items() if key.removeprefix(f"{project}:") not in LEFT_OUT}
    kept |= {f"{project}:{key}": value for key, value in SMALL.items()}
    kept[f"{project}:zones"] = kept[f"{project}:zones"][:1]
    return kept


def write(stack: str) -> Settings:
    """Write the small stack's file. Raises StepError and SettingsError, and leaves none then."""
    kept = config(stack)
    if file().exists():
        raise StepError(f"{file().name} is there from an earlier run: `make smoke-aws-clean` takes it away first")
    file().write_text(yaml.safe_dump({"config": kept}, sort_keys=False), encoding="utf-8")
    try:
        passed, secret = stack_files.from_files(NAME)
        settings = stack_config.read(passed, project=stack_files.project_name(), stack=NAME, secret_keys=secret)
        topology.plan(settings)
    except BaseException:
        file().unlink()
        raise
    return settings


def secrets_provider(stack: str) -> str:
    """Return the provider that the stack's own secrets have. Raises StepError."""
    provider = stack_files.content_of(stack).get("secretsprovider", "")
    if not provider.startswith("awskms:"):
        raise StepError(
            f"Pulumi.{stack}.yaml names no secretsprovider: `pulumi stack init {stack} --secrets-provider awskms://…` "
            "(docs/aws.md) writes it there"
        )
    return str(provider)
