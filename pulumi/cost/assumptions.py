"""What no program can know: how much is stored and moved. Each figure is printed beside the estimate."""

from dataclasses import dataclass, fields

from infra.settings import Settings

HOURS_PER_MONTH = 730  # Source: AWS Pricing Calculator, "730 hours in a month"
DAYS_PER_MONTH = 30


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """A busy month of a marketplace whose disks are half full."""

    data_volume_used_share: float = 0.5
    backup_compressed_share: float = 0.3  # zstd, level 3
    days_between_full_backups: int = 7
    wal_gib_per_day: float = 20.0
    wal_segment_mib: int = 16  # PostgreSQL's own; each is an object in the bucket
    client_gib_per_day: float = 10.0  # between the application and the database, both directions
    nat_gib_per_host: float = 5.0  # packages
    endpoint_gib: float = 5.0  # by each interface endpoint
    balancer_capacity_units: float = 1.0
    flow_log_gib_per_host: float = 2.0
    log_stored_share: float = 0.15  # Source: CloudWatch pricing page, "compressed log size" of the archived logs
    access_log_gib: float = 1.0
    key_requests: int = 100_000
    name_lookups: int = 5_000_000

    def lines(self) -> list[str]:
        """Return each figure with its name in words."""
        return [f"{field.name.replace('_', ' ')}: {getattr(self, field.name):,}" for field in fields(self)]

    def backup_gib(self, settings: Settings, kept_days: int) -> float:
        """Return what the bucket holds: full backups and the log between them, as long as they are kept."""
        full = settings.data_volume_gib * self.data_volume_used_share * self.backup_compressed_share
        fulls = kept_days / self.days_between_full_backups + 1  # one more: retention counts from the next one
        return full * fulls + self.wal_gib_per_day * self.backup_compressed_share * kept_days

    def written_gib(self, settings: Settings) -> float:
        """Return what is written to one repository in a month."""
        full = settings.data_volume_gib * self.data_volume_used_share
        fulls = full * DAYS_PER_MONTH / self.days_between_full_backups
        return (fulls + self.wal_gib_per_day * DAYS_PER_MONTH) * self.backup_compressed_share

    def cross_zone_gib(self, settings: Settings) -> float:
        """Return what crosses zones in a month: the log to each replica elsewhere, and clients of another zone."""
        zones = len(settings.zones)
        replicas_elsewhere = settings.database_hosts - -(-settings.database_hosts // zones)
        clients_elsewhere = 1 - 1 / zones
        daily = self.wal_gib_per_day * replicas_elsewhere + self.client_gib_per_day * clients_elsewhere
        return daily * DAYS_PER_MONTH
