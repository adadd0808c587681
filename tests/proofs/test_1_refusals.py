"""Bad input is refused before anything changes, with value, limit and remedy; the hosts are the same afterwards.

A file of each host stays altered all the while: a run that had begun to configure anything would have repaired it.
"""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from tests.host.environment import Environment
from tests.proofs.tools import SITE, Run, Snapshot, differences, play, script

Alter = Callable[[Callable[[dict[str, Any]], None]], Path]
Refused = Callable[..., Run]
UNUSED_ADDRESS = "10.99.0.99"
ALTERED = "/etc/security/limits.d/60-platform.conf"
MEMORY_MIB = 10_000_000
LESS_MEMORY = f"MiB of memory, {MEMORY_MIB} MiB are declared and at least {MEMORY_MIB * 9 // 10} MiB must be there"


@pytest.fixture(scope="module", autouse=True)
def waiting(everywhere: Callable[[str], dict[str, str]]) -> Iterator[None]:
    """A change that a run would make on each host, were it to come so far."""
    everywhere(f"cp -p {ALTERED} /root/altered.kept; echo '# altered behind the back' >> {ALTERED}")
    yield
    everywhere(f"cp -p /root/altered.kept {ALTERED}; rm /root/altered.kept")


@pytest.fixture(scope="module")
def before(snapshot: Snapshot, waiting: None) -> dict[str, str]:  # noqa: ARG001 - it comes first
    return snapshot()


@pytest.fixture(scope="module")
def refused(before: dict[str, str], snapshot: Snapshot) -> Iterator[Refused]:
    """Run site.yml, which must refuse to begin; after the last of these runs each host has to be as it was."""

    def run(*arguments: str) -> Run:
        done = play(*arguments, SITE)
        assert done.code != 0, f"nothing was refused:\n{done.output[-3000:]}"
        assert done.changed == []
        return done

    yield run
    assert differences(before, snapshot()) == {}


def _other_version(contract: dict[str, Any]) -> None:
    contract["version"] = 1


def _foreign(contract: dict[str, Any]) -> None:
    contract["environment"] = "production"


def _same_address(contract: dict[str, Any]) -> None:
    hosts = contract["clusters"]["main"]["hosts"]
    hosts[1]["address"] = hosts[0]["address"]


def _unreachable(contract: dict[str, Any]) -> None:
    contract["clusters"]["main"]["hosts"][2]["connect"]["host"] = UNUSED_ADDRESS


def _larger(contract: dict[str, Any]) -> None:
    # A container sees the memory of its whole machine, so it is declared to be one.
    contract["clusters"]["main"]["hosts"][1] |= {"virtual": "vm", "memory_mib": MEMORY_MIB}


@pytest.mark.parametrize(
    ("alter", "message", "remedy"),
    [
        (_other_version, "version 1", "make up"),
        (_foreign, "environment 'production'", "make up"),
        (_same_address, "used by more than one host", "make up"),
        (_unreachable, f"db3 ({UNUSED_ADDRESS}:22) can't be reached", "pulumi up --stack lab"),
        (_larger, LESS_MEMORY, "Declare the real memory in the stack, or take a larger machine"),
    ],
    ids=["other-version", "foreign", "same-address", "unreachable", "less-memory"],
)
def test_a_contract_that_does_not_fit_changes_nothing(
    altered_inventory: Alter, refused: Refused, alter: Callable[[dict[str, Any]], None], message: str, remedy: str
) -> None:
    run = refused("-i", str(altered_inventory(alter)))
    assert message in run.text, run.output[-3000:]
    assert remedy in run.text


def test_another_certificate_authority_is_refused(altered_inventory: Alter, refused: Refused, tmp_path: Path) -> None:
    certificate, key = tmp_path / "other.crt", tmp_path / "other.key"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=other", "-days", "30"]
    subprocess.run([*request, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    key.chmod(0o600)

    def alter(contract: dict[str, Any]) -> None:
        authority = contract["clusters"]["main"]["certificate_authority"]
        authority |= {"certificate": f"file:{certificate}", "private_key": f"file:{key}"}

    run = refused("-i", str(altered_inventory(alter)))
    assert "trusts another certificate authority" in run.text, run.output[-3000:]
    assert "platform_allow_new_authority=true" in run.text


def test_an_expired_certificate_authority_is_refused(
    lab: Environment, altered_inventory: Alter, refused: Refused, tmp_path: Path
) -> None:
    """The environment's own authority, as it will be on the day after its end."""
    values = lab.declared(lab.hosts("all")[0])
    own = x509.load_pem_x509_certificate(values["tls_certificate_authority_certificate"].encode())
    private = values["tls_certificate_authority_private_key"].encode()
    signing: Any = serialization.load_pem_private_key(private, password=None)
    end = datetime.now(UTC) - timedelta(days=1)
    builder = x509.CertificateBuilder(own.issuer, own.subject, own.public_key(), own.serial_number)
    builder = builder.not_valid_before(end - timedelta(days=365)).not_valid_after(end)
    for extension in own.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    expired, key = tmp_path / "expired.crt", tmp_path / "expired.key"
    expired.write_bytes(builder.sign(signing, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    key.write_bytes(private)
    key.chmod(0o600)

    def alter(contract: dict[str, Any]) -> None:
        authority = contract["clusters"]["main"]["certificate_authority"]
        authority |= {"certificate": f"file:{expired}", "private_key": f"file:{key}"}

    # Even where somebody insists on a new authority.
    run = refused("-i", str(altered_inventory(alter)), "-e", "platform_allow_new_authority=true")
    assert f"its certificate expired on {end:%Y-%m-%d}" in run.text, run.output[-3000:]
    assert "Correct tls_certificate_authority_certificate" in run.text


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("environment_sizing_profil", "environment_sizing_profile"),
        ("backup_cron_retention_dais", "backup_cron_retention_days"),
        ("platform_allow_new_autority", "platform_allow_new_authority"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_nearest_one(refused: Refused, misspelt: str, meant: str) -> None:
    run = refused("-e", f"{misspelt}=1")
    assert f"-e: there is no setting {misspelt}; did you mean {meant}?" in run.text, run.output[-3000:]


def test_a_setting_of_the_inventory_that_the_playbooks_override_is_refused(
    altered_inventory: Alter, refused: Refused
) -> None:
    inventory = altered_inventory(lambda _: None)
    values = inventory / "group_vars/all.yml"
    values.write_text(f"{values.read_text(encoding='utf-8')}pgbouncer_database_connections_max: 5\n", encoding="utf-8")
    run = refused("-i", str(inventory))
    assert f"{values}: pgbouncer_database_connections_max has no effect here" in run.text, run.output[-3000:]
    assert "ansible/playbooks/group_vars/database.yml sets it" in run.text


@pytest.mark.parametrize("value", ["CHANGE_ME", ""], ids=["placeholder", "empty"])
def test_a_placeholder_secret_is_refused_by_name(
    altered_inventory: Alter, refused: Refused, tmp_path: Path, value: str
) -> None:
    secrets = tmp_path / "secrets.yml"
    secrets.write_text(f'monitor_password: "{value}"\n', encoding="utf-8")
    secrets.chmod(0o600)

    def alter(contract: dict[str, Any]) -> None:
        contract["clusters"]["main"]["secrets"]["monitor_password"] = f"file:{secrets}#monitor_password"

    run = refused("-i", str(altered_inventory(alter)))
    assert "monitor_password" in run.text
    assert "initialise_secrets.yml" in run.text


def test_a_role_name_with_a_quote_is_refused(refused: Refused) -> None:
    name = "x'; drop table accounts_user; --"
    run = refused("-e", json.dumps({"postgresql_access_roles": [{"name": name}]}))
    assert f"{name}: a role or database name is 1 to 63 characters of a-z, 0-9 and _" in run.text, run.output[-3000:]
    assert "rename it in postgresql_access_roles" in run.text


def test_pools_that_exceed_max_connections_are_refused(lab: Environment, refused: Refused) -> None:
    values = lab.declared(lab.hosts("database")[0])
    poolers, others = len(lab.hosts("database")), int(values["pgbouncer_postgresql_connections_reserved"])
    maximum = int(values["pgbouncer_postgresql_connections_max"])
    databases, connections = len(values["pgbouncer_databases"]), 500
    wanted = poolers * databases * connections + others
    assert wanted >= maximum, "the figure of this test is no longer too large"
    run = refused("-e", f"pgbouncer_database_connections_max={connections}")
    arithmetic = (
        f"{poolers} poolers x {databases} databases x {connections} connections + {others} for others = {wanted}, "
        f"which must be less than PostgreSQL's max_connections = {maximum}"
    )
    assert arithmetic in run.text, run.output[-3000:]
    assert "lower pgbouncer_database_connections_max or raise max_connections" in run.text


def test_a_disk_that_is_too_small_or_not_empty_is_refused(
    lab: Environment, altered_inventory: Alter, snapshot: Snapshot
) -> None:
    """One run, two hosts: a volume declared larger than its device, and a device that holds somebody else's files."""
    database, repository = lab.hosts("database")[0], lab.hosts("repository")[0]
    small = next(v for v in lab.declared(database)["platform_host"]["volumes"] if v["purpose"] == "data")
    foreign = next(v for v in lab.declared(repository)["platform_host"]["volumes"] if v["purpose"] == "repository")
    device, wanted_gib = foreign["device"], small["size_gib"] + 100
    own = script(lab, repository, f"blkid --match-tag LABEL --output value {device}")

    def alter(contract: dict[str, Any]) -> None:
        for volume in contract["clusters"]["main"]["hosts"][0]["volumes"]:
            if volume["purpose"] == "data":
                volume["size_gib"] = wanted_gib

    unit = script(lab, repository, f"systemd-escape --path --suffix=mount {foreign['mount']}")
    script(lab, repository, f"systemctl stop pgbackrest.service '{unit}'; xfs_admin -L family-fotos {device}")
    try:
        before = snapshot()
        run = play("-i", str(altered_inventory(alter)), SITE)
        assert run.code != 0
        assert run.changed == []
        assert differences(before, snapshot()) == {}
    finally:
        script(
            lab,
            repository,
            f"xfs_admin -L {own} {device}; systemctl start '{unit}'; systemctl start pgbackrest.service",
        )
    assert re.search(rf"{small['device']} has [\d.]+ GiB, {wanted_gib} GiB are declared for data", run.text), run.text
    assert "enlarge the device or declare its real size" in run.text
    assert f"{device} holds xfs 'family-fotos', allowed is an empty device or xfs '{own}'" in run.text, run.text
    assert f"if nobody needs what is on it: wipefs --all {device}" in run.text
    assert run.text.count("nothing was changed") >= 2
