"""The playbook makes the first values of Secrets Manager's entries, and tells why it could not."""

import base64
import copy
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests.aws.conftest import inventory_of
from tests.aws.replay import Account

PREFIX = "aws-secretsmanager:"
CHOSEN = "chosen-by-somebody"
SECRETS = ("monitor_password", "stats_password", "field_encryption_key")
Run = Callable[..., subprocess.CompletedProcess[str]]


class Entries:
    """Entries of the names above and of the authority, and production's inventory of them."""

    def __init__(self, account: Account, contract: dict[str, Any], folder: Path) -> None:
        self.client = account.secrets
        own = copy.deepcopy(contract)
        cluster = own["clusters"]["main"]
        self.arns = {}
        for name in (*SECRETS, "ca_certificate", "ca_private_key"):
            self.arns[name] = self.client.create_secret(Name=f"initialise/{name}")["ARN"]
        cluster["secrets"] = {name: PREFIX + self.arns[name] for name in SECRETS}
        cluster["certificate_authority"] = {
            key: PREFIX + self.arns[f"ca_{key}"] for key in cluster["certificate_authority"]
        }
        self.inventory = inventory_of(own, folder / "inventory")

    def value(self, name: str) -> str:
        """Return the text of an entry."""
        return str(self.client.get_secret_value(SecretId=self.arns[name])["SecretString"])

    def values(self) -> dict[str, str]:
        """Return the text of each entry."""
        return {name: self.value(name) for name in self.arns}


@pytest.fixture
def entries(account: Account, contract: dict[str, Any], tmp_path: Path) -> Iterator[Entries]:
    made = Entries(account, contract, tmp_path)
    yield made
    for arn in made.arns.values():
        account.secrets.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)


def play(run: Run, entries: Entries, *words: str) -> subprocess.CompletedProcess[str]:
    return run("ansible-playbook", "-i", entries.inventory, "ansible/playbooks/initialise_secrets.yml", *words)


def test_the_first_run_makes_every_value_and_the_authority(entries: Entries, run: Run) -> None:
    done = play(run, entries, "-vvv")
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    made = entries.values()
    assert len(made["monitor_password"]) == len(made["stats_password"]) == 40
    assert len(base64.b64decode(made["field_encryption_key"])) == 32
    certificate = x509.load_pem_x509_certificate(made["ca_certificate"].encode())
    key = serialization.load_pem_private_key(made["ca_private_key"].encode(), password=None)
    assert certificate.public_key() == key.public_key()
    assert not [name for name, value in made.items() if value in done.stdout + done.stderr]
    again = play(run, entries)
    assert "changed=0" in again.stdout, again.stdout[-3000:]
    assert entries.values() == made


def test_a_value_that_is_marked_for_deletion_is_not_made_anew(entries: Entries, run: Run) -> None:
    arn = entries.arns["field_encryption_key"]
    entries.client.put_secret_value(SecretId=arn, SecretString=CHOSEN)
    entries.client.delete_secret(SecretId=arn)
    done = play(run, entries)
    told = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    assert f"secret {arn}: it is marked for deletion" in told, told[-3000:]
    assert f"aws secretsmanager restore-secret --region eu-central-1 --secret-id {arn}" in told
    entries.client.restore_secret(SecretId=arn)
    assert entries.value("field_encryption_key") == CHOSEN


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            ("AccessDeniedException", "User: u is not authorized", 400),
            ("access is denied", "allow it secretsmanager:DescribeSecret, GetSecretValue and PutSecretValue"),
        ),
        (("ThrottlingException", "Rate exceeded", 400), ("too many requests in a second", "wait a minute")),
        (
            ("ExpiredTokenException", "The security token is expired", 400),
            ("the credentials are expired", "renew them: log in"),
        ),
    ],
    ids=["denied", "throttled", "expired"],
)
def test_a_refusal_is_told_although_values_are_not(
    entries: Entries,
    run: Run,
    refuse: Callable[[str, str, int], None],
    error: tuple[str, str, int],
    said: tuple[str, str],
) -> None:
    refuse(*error)
    done = play(run, entries)
    told = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    assert f"secret {entries.arns['monitor_password']}: {said[0]}" in told, told[-3000:]
    assert error[1] in told
    assert said[1] in told
