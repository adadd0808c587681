"""What the settings for AWS must hold by themselves: value, limit and remedy."""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from infra.aws.partitions import partition_of
from infra.problems import Problem

if TYPE_CHECKING:
    from infra.aws.settings import AwsSettings

ACCOUNT_DIGITS = 12
RETENTION_DAYS = range(7, 366)  # the guide keeps a week; a year of full backups is an archive's work
# pgBackRest keeps the last full backup from before the retention too, and a full one is made each week.
FULL_BACKUP_DAYS = 7
LOCK_DAYS_MAX = 400
KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
SECURITY_KEY_TYPES = ("sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com")

REGION = re.compile(r"^[a-z]{2}(-[a-z]+)+-\d$")
IMAGE_ID = re.compile(r"^ami-([0-9a-f]{8}|[0-9a-f]{17})$")
VPC_ID = re.compile(r"^vpc-([0-9a-f]{8}|[0-9a-f]{17})$")
GATEWAY_ID = re.compile(r"^igw-([0-9a-f]{8}|[0-9a-f]{17})$")
OWNER = re.compile(rf"^(\d{{{ACCOUNT_DIGITS}}}|self)$")
EMAIL = re.compile(r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$")
LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
DOMAIN = re.compile(rf"^(?=.{{1,200}}$){LABEL}(\.{LABEL})+$")  # names stand in front of it, 253 letters at most
JUMP_HOST = re.compile(r"^[a-z_][a-z0-9_-]{0,31}@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[1-9]\d{0,4})?$")
PORT_MAX = 65_535


def problems_of(settings: "AwsSettings") -> Iterator[Problem]:
    """Yield what is wrong with the settings for AWS by themselves."""
    if partition_of(settings.region) is None or not REGION.fullmatch(settings.region):
        finding = f"{settings.region!r}; a region of AWS or AWS China is needed" if settings.region else "not set"
        yield Problem("aws:region", finding, "pulumi config set aws:region <region>, such as eu-central-1")
        return  # all else depends on it
    for rule in (_image, _key, _network, _reach, _backup, _names):
        yield from rule(settings)


def _image(settings: "AwsSettings") -> Iterator[Problem]:
    image = settings.image
    if image.id and not IMAGE_ID.fullmatch(image.id):
        yield Problem("image_id", f"{image.id!r}; ami- and 8 or 17 hexadecimal digits are needed", "name an image")
    if image.owner and not OWNER.fullmatch(image.owner):
        finding = f"{image.owner!r}; an account of {ACCOUNT_DIGITS} digits, or self, is needed"
        yield Problem("image_owner", finding, "name the account that publishes the image")
    if image.id and image.owner:
        finding = f"{image.owner!r} beside image_id {image.id}; one of both says which image"
        yield Problem("image_owner", finding, "pulumi config rm image_owner")
    if not image.id and not image.owner and settings.partition.debian_owner is None:
        finding = f"not set; who publishes Debian's images in {settings.region} is not known here"
        yield Problem("image_id", finding, "name an image (image_id) or its account (image_owner)")


def _key(settings: "AwsSettings") -> Iterator[Problem]:
    kind, _, rest = settings.public_key.strip().partition(" ")
    body = rest.split(" ")[0]
    try:
        whole = kind.encode() in base64.b64decode(body, validate=True)[:64]
    except (binascii.Error, ValueError):
        whole = False
    if "\n" in settings.public_key.strip() or kind not in KEY_TYPES + SECURITY_KEY_TYPES or not whole:
        finding = f"{settings.public_key!r}; no public key of OpenSSH: new hosts would let nobody in"
        yield Problem("ssh_public_key", finding, "give the public key that belongs to ssh_private_key_file")


def _network(settings: "AwsSettings") -> Iterator[Problem]:
    network, nat = settings.network, settings.network.egress != "none"
    for key, value, pattern, words in (
        ("vpc_id", network.vpc_id, VPC_ID, "vpc-"),
        ("internet_gateway_id", network.internet_gateway_id, GATEWAY_ID, "igw-"),
    ):
        if value and not pattern.fullmatch(value):
            finding = f"{value!r}; {words} and 8 or 17 hexadecimal digits are needed"
            yield Problem(key, finding, "copy it from the console, or leave it empty to have one made")
    if network.internet_gateway_id and not (network.vpc_id and nat):
        finding = f"{network.internet_gateway_id!r}; it is used with vpc_id and an egress by NAT only"
        yield Problem("internet_gateway_id", finding, "pulumi config rm internet_gateway_id")
    if network.vpc_id and nat and not network.internet_gateway_id:
        finding = f"not set; egress {network.egress} in an existing VPC goes out through its gateway"
        yield Problem("internet_gateway_id", finding, "name the VPC's gateway, or take egress none")
    if network.egress == "none" and not network.apt_mirror and not settings.image.id:
        finding = "none; hosts install packages, and would find none"
        yield Problem("egress", finding, "name an apt_mirror inside of your networks, or an image_id with all packages")
    if network.apt_mirror and not _is_archive(network.apt_mirror):
        words = "a URL of http or https that ends with /debian, without account or query"
        finding = f"{network.apt_mirror!r}; {words}, is needed"
        yield Problem("apt_mirror", finding, "write it like http://mirror.example.internal/debian")


def _is_archive(text: str) -> bool:
    try:
        url = urlsplit(text)
        known = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        return False
    return (
        known
        and url.path.rstrip("/").endswith("/debian")
        and not (url.query or url.fragment or "@" in url.netloc or re.search(r"\s", text))
    )


def _reach(settings: "AwsSettings") -> Iterator[Problem]:
    reach = settings.reach
    if reach.kind == "instance_connect_endpoint" and not settings.partition.connect_endpoint:
        finding = f"{reach.kind}; there is none in {settings.region}"
        yield Problem("reach", finding, "take bastion or vpn")
    if reach.kind == "bastion" and not reach.bastion:
        yield Problem("bastion", "not set; reach bastion goes through it", "name your jump host: user@host")
    if reach.kind != "bastion" and reach.bastion:
        finding = f"{reach.bastion!r}; with reach {reach.kind} nothing goes through it"
        yield Problem("bastion", finding, "take reach bastion, or pulumi config rm bastion")
    if reach.bastion:
        port = reach.bastion.rpartition(":")[2]
        if not JUMP_HOST.fullmatch(reach.bastion) or (port.isdigit() and int(port) > PORT_MAX):
            finding = f"{reach.bastion!r}; user@host or user@host:port is needed, the port up to {PORT_MAX}"
            yield Problem("bastion", finding, "write it so")


def _backup(settings: "AwsSettings") -> Iterator[Problem]:
    backup = settings.backup
    if backup.retention_days not in RETENTION_DAYS:
        finding = f"{backup.retention_days}; {RETENTION_DAYS[0]} to {RETENTION_DAYS[-1]} days are possible"
        yield Problem("backup_retention_days", finding, "take a number between them")
    elif not (least := backup.retention_days + FULL_BACKUP_DAYS) <= backup.lock_days <= LOCK_DAYS_MAX:
        finding = (
            f"{backup.lock_days}; {least} (backup_retention_days and the {FULL_BACKUP_DAYS} to the full backup before) "
            f"to {LOCK_DAYS_MAX} days are needed: a backup that is kept must not be deletable"
        )
        yield Problem("backup_lock_days", finding, f"take {least} or a little more")
    second = backup.second_region
    if not second:
        return
    if not REGION.fullmatch(second) or partition_of(second) != settings.partition:
        finding = f"{second!r}; a region of the partition {settings.partition.name} is needed"
        yield Problem("backup_second_region", finding, "name one, or leave it empty")
    elif settings.network.egress == "none":
        finding = f"{second!r} with egress none; hosts reach S3 in their own region alone"
        yield Problem("backup_second_region", finding, "take an egress by NAT, or leave it empty")
    elif second == settings.region:
        finding = f"{second!r}; it is the first repository's: what takes that away takes this as well"
        yield Problem("backup_second_region", finding, "name another region, or leave it empty")


def _names(settings: "AwsSettings") -> Iterator[Problem]:
    wrong = [text for text in settings.alarm_emails if not EMAIL.fullmatch(text)]
    if wrong or len(set(settings.alarm_emails)) != len(settings.alarm_emails):
        finding = f"{wrong or list(settings.alarm_emails)}; addresses like dba@example.com, each once, are needed"
        yield Problem("alarm_emails", finding, "correct them")
    if not DOMAIN.fullmatch(settings.private_zone):
        finding = f"{settings.private_zone!r}; a domain of two or more parts in small letters is needed"
        yield Problem("private_zone", finding, "write it like production.example.internal, or leave it empty")
