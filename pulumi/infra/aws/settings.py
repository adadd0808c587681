"""The settings that only AWS knows, as frozen dataclasses that refuse what can't work. Needs no provider."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from infra.aws import settings_rules
from infra.aws.partitions import AWS, Partition, partition_of
from infra.ports import WEB
from infra.problems import SettingsError

Egress = Literal["nat_per_zone", "nat_single", "none"]
ReachKind = Literal["instance_connect_endpoint", "bastion", "vpn"]


@dataclass(frozen=True, kw_only=True)
class AwsNetwork:
    """An empty `vpc_id`: the VPC is made. An empty `apt_mirror`: packages come from Debian's own servers."""

    vpc_id: str
    internet_gateway_id: str
    egress: Egress
    apt_mirror: str

    @property
    def mirror_port(self) -> int | None:
        """The port of `apt_mirror`, None without one."""
        url = urlsplit(self.apt_mirror)
        return url.port or WEB.get(url.scheme)


@dataclass(frozen=True, kw_only=True)
class Reach:
    """How SSH finds hosts without open ports; `bastion` is `user@host` or `user@host:port`, else empty."""

    kind: ReachKind
    bastion: str


@dataclass(frozen=True, kw_only=True)
class VolumeSpeed:
    """What a gp3 volume is provisioned for."""

    iops: int
    throughput_mibps: int


@dataclass(frozen=True, kw_only=True)
class Backup:
    """How long backups are kept, and how long they are locked; an empty `second_region`: one repository."""

    retention_days: int
    lock_days: int
    second_region: str


@dataclass(frozen=True, kw_only=True)
class Image:
    """`id` names an image; `owner` is the account whose newest Debian 13 is taken, empty for the Debian project's."""

    id: str
    owner: str


@dataclass(frozen=True, kw_only=True)
class AwsSettings:
    """Everything of one stack on AWS. Raises SettingsError with all problems at once."""

    region: str
    network: AwsNetwork
    reach: Reach
    data_speed: VolumeSpeed
    wal_speed: VolumeSpeed
    backup: Backup
    image: Image
    replacing_hosts: tuple[str, ...]
    alarm_emails: tuple[str, ...]
    public_key: str
    private_zone: str

    def __post_init__(self) -> None:
        problems = list(settings_rules.problems_of(self))
        if problems:
            raise SettingsError(problems)

    @property
    def partition(self) -> Partition:
        """The partition of the region."""
        return partition_of(self.region) or AWS
