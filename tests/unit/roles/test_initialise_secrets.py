"""The playbook initialise_secrets.yml, played on the controller into a folder for such things."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3  # type: ignore[import-untyped]  # it has no types
import pytest
import yaml
from cryptography import x509
from moto.server import ThreadedMotoServer

from .role_files import ROOT

KEYS = ("field_encryption_key", "blind_index_key")
# The repository's own settings but for its inventory, which the playbook needs none of.
PLUGINS = ROOT / "ansible/plugins"
SETTINGS = f"[defaults]\nnocows = true\nlibrary = {PLUGINS}/modules\nmodule_utils = {PLUGINS}/module_utils\n"


def play(folder: Path, *words: str) -> str:
    settings = folder / "ansible.cfg"
    settings.write_text(SETTINGS)
    done = subprocess.run(
        [
            *("ansible-playbook", "-i", "localhost,", ROOT / "ansible/playbooks/initialise_secrets.yml", "--diff"),
            *("-e", f"initialise_secrets_directory={folder}/.lab", *words),
        ],
        env={**os.environ, "ANSIBLE_CONFIG": str(settings), "ANSIBLE_FORCE_COLOR": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one value that somebody chose, a placeholder and an empty value, after one run."""
    path = tmp_path_factory.mktemp("secrets")
    (path / ".lab").mkdir()
    (path / ".lab/secrets.yml").write_text("monitor_password: chosen\nstats_password: CHANGE_ME\nbackup_password:\n")
    output = play(path)
    assert all(value not in output for value in secrets(path).values())
    return path


def secrets(folder: Path) -> dict[str, str]:
    values: dict[str, str] = yaml.safe_load((folder / ".lab/secrets.yml").read_text())
    return values


def test_a_value_that_is_there_is_kept_and_the_others_are_made(folder: Path) -> None:
    made = secrets(folder)
    assert made.pop("monitor_password") == "chosen"
    assert all(len(base64.b64decode(made.pop(name))) == 32 for name in KEYS)
    assert {"stats_password", "backup_password", "replicator_password", "cache_operator_password"} <= set(made)
    assert all(len(value) >= 32 and value.isalnum() for value in made.values())
    assert len(set(made.values())) == len(made)


def test_only_the_owner_can_read_secrets_and_key(folder: Path) -> None:
    assert [(folder / ".lab" / name).stat().st_mode & 0o777 for name in ("secrets.yml", "ca/ca.key")] == [0o600] * 2


def test_the_authority_is_one_and_lives_ten_years(folder: Path) -> None:
    certificate = x509.load_pem_x509_certificate((folder / ".lab/ca/ca.crt").read_bytes())
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert 3600 < (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days <= 3650


def test_a_second_run_changes_nothing(folder: Path) -> None:
    before = {path: path.read_bytes() for path in (folder / ".lab").rglob("*") if path.is_file()}
    assert "changed=0" in play(folder)
    assert {path: path.read_bytes() for path in before} == before


def test_a_dry_run_on_nothing_makes_nothing(tmp_path: Path) -> None:
    play(tmp_path, "--check")
    assert not (tmp_path / ".lab").exists()


PREFIX = "freelance-platform/production"
NAMES = ["chosen_password", "placeholder_password", "blank_password", "empty_password", "field_encryption_key"]
AUTHORITY = ["ca_certificate", "ca_private_key"]


@pytest.fixture
def secrets_manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Secrets Manager on this machine, with the entries that Pulumi makes: a policy, tags, and no value."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    with urlopen(Request(f"{endpoint}/moto-api/reset", method="POST"), timeout=10):  # noqa: S310 - on this machine
        pass  # what it held is the process's
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    client = boto3.client("secretsmanager", region_name="eu-west-1")
    for name in [*NAMES, *AUTHORITY]:
        client.create_secret(Name=f"{PREFIX}/{name}", Description=name, Tags=[{"Key": "ManagedBy", "Value": "pulumi"}])
        client.put_resource_policy(SecretId=f"{PREFIX}/{name}", ResourcePolicy=POLICY)
    yield client
    server.stop()


POLICY = json.dumps({"Version": "2012-10-17", "Statement": []})


def arn(client: Any, name: str) -> str:
    return str(client.describe_secret(SecretId=f"{PREFIX}/{name}")["ARN"])


def value(client: Any, name: str) -> str:
    return str(client.get_secret_value(SecretId=f"{PREFIX}/{name}")["SecretString"])


def play_for_secrets_manager(folder: Path, references: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Play the playbook for a host whose secrets have these references."""
    authority = {"certificate": references["ca_certificate"], "private_key": references["ca_private_key"]}
    host = {
        "platform_environment": "production",
        "platform_secrets": {name: references[name] for name in NAMES},
        "platform_certificate_authority": authority,
    }
    inventory = folder / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"database": {"hosts": {"db1": host}}}))
    settings = folder / "ansible.cfg"
    settings.write_text(SETTINGS)
    return subprocess.run(
        ["ansible-playbook", "-i", inventory, ROOT / "ansible/playbooks/initialise_secrets.yml", "--diff"],
        env={**os.environ, "ANSIBLE_CONFIG": str(settings), "ANSIBLE_FORCE_COLOR": "0"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_secrets_manager_gets_values_that_are_missing_or_placeholders_and_keeps_the_rest(
    secrets_manager: Any, tmp_path: Path
) -> None:
    there = {"chosen": "chosen", "placeholder": "CHANGE_ME_later", "blank": " "}
    for name, text in there.items():
        secrets_manager.put_secret_value(SecretId=f"{PREFIX}/{name}_password", SecretString=text)
    secrets_manager.put_secret_value(SecretId=f"{PREFIX}/ca_private_key", SecretString="change_me")
    references = {name: f"aws-secretsmanager:{arn(secrets_manager, name)}" for name in [*NAMES, *AUTHORITY]}

    played = play_for_secrets_manager(tmp_path, references)
    assert played.returncode == 0, played.stdout + played.stderr
    made = {name: value(secrets_manager, name) for name in [*NAMES, *AUTHORITY]}
    assert made["chosen_password"] == "chosen"
    assert len(base64.b64decode(made["field_encryption_key"])) == 32
    assert made["ca_private_key"].startswith("-----BEGIN")
    assert x509.load_pem_x509_certificate(made["ca_certificate"].encode())
    passwords = [made[f"{name}_password"] for name in ("placeholder", "blank", "empty")]
    assert all(len(text) == 40 and text.isalnum() for text in passwords)
    assert not [text for text in [*passwords, made["field_encryption_key"]] if text in played.stdout + played.stderr]

    again = play_for_secrets_manager(tmp_path, references)
    assert "changed=0" in again.stdout
    assert {name: value(secrets_manager, name) for name in made} == made
    for name in made:  # what Pulumi made of an entry stays
        entry = secrets_manager.describe_secret(SecretId=f"{PREFIX}/{name}")
        assert (entry["Description"], entry["Tags"]) == (name, [{"Key": "ManagedBy", "Value": "pulumi"}])
        assert secrets_manager.get_resource_policy(SecretId=entry["ARN"])["ResourcePolicy"] == POLICY


def test_an_entry_that_pulumi_did_not_make_is_refused_with_the_remedy(secrets_manager: Any) -> None:
    references = {name: f"aws-secretsmanager:{arn(secrets_manager, name)}" for name in [*NAMES, *AUTHORITY]}
    secrets_manager.delete_secret(SecretId=f"{PREFIX}/empty_password", ForceDeleteWithoutRecovery=True)
    # Its message is hidden with its value otherwise.
    played = subprocess.run(
        [
            *("ansible", "-i", "localhost,", "-c", "local", "localhost", "-m", "platform_secret_value"),
            *("-a", f"arn={references['empty_password'].removeprefix('aws-secretsmanager:')} value=hunter2hunter2"),
        ],
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_PYTHON_INTERPRETER": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert played.returncode != 0
    assert "empty_password" in played.stdout
    assert "run `pulumi up`" in played.stdout
    assert "hunter2" not in played.stdout + played.stderr
