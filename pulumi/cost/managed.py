"""An equal managed database: RDS for PostgreSQL with as many readable hosts, the same cores, memory and disks."""

from infra.aws.settings import AwsSettings
from infra.instance_types import SIZES
from infra.settings import Settings

from cost.assumptions import HOURS_PER_MONTH, Assumptions
from cost.billing import Charge

# Source: RDS user guide, "Instance class availability for Multi-AZ DB clusters": classes with local disks. Two virtual
# cores are one physical core in m6id and r6id; a class is chosen by virtual cores, and called like EC2's own sizes.
CLASSES = {("x86_64", 4): "m6id", ("x86_64", 8): "r6id", ("aarch64", 4): "m6gd", ("aarch64", 8): "r6gd"}
CLUSTER_HOSTS = 3  # a Multi-AZ cluster: a writer and two readable standbys, one price for all three
LEFT_OUT = "no pooler (RDS Proxy), no cache, no superuser; versions, extensions and failover are the provider's"


def instance_class(settings: Settings) -> str:
    """Return the class with the cores and memory of a database host."""
    size = settings.database_size
    return f"db.{CLASSES[settings.architecture, size.memory_mib // 1024 // size.cores]}.{SIZES[size.cores]}"


def charges(settings: Settings, aws: AwsSettings, assume: Assumptions) -> list[Charge]:
    """Return what a month of it is made of."""
    kind, hosts = instance_class(settings), settings.database_hosts
    in_cluster = hosts >= CLUSTER_HOSTS
    single = hosts - CLUSTER_HOSTS if in_cluster else hosts
    disk = settings.data_volume_gib + settings.wal_volume_gib
    # Source: RDS pricing page, "Backup storage": as much as the database's own storage is without charge.
    backup = max(0.0, assume.backup_gib(settings, aws.backup.retention_days) - disk)
    rows = [
        (f"Multi-AZ cluster {kind}", f"rds.cluster.{kind}", HOURS_PER_MONTH * in_cluster, False),
        ("its storage, gp3", "rds.cluster.gib", disk * in_cluster, False),
        (f"hosts beside a cluster {kind}", f"rds.single.{kind}", HOURS_PER_MONTH * single, False),
        ("their storage, gp3", "rds.single.gib", disk * single, False),
        ("backups beyond the storage", "rds.backup.gib", backup, True),
    ]
    return [
        Charge(component="managed", item=item, key=key, region=aws.region, quantity=quantity, assumed=assumed)
        for item, key, quantity, assumed in rows
        if quantity
    ]
