"""The playbook initialise_secrets.yml, played on the controller into a folder for such things."""

import base64
import os
import subprocess
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from .role_files import ROOT

KEYS = ("field_encryption_key", "blind_index_key")


def play(folder: Path, *words: str) -> str:
    # Without the repository's ansible.cfg: the playbook needs no inventory.
    settings = folder / "ansible.cfg"
    settings.write_text("[defaults]\nnocows = true\n")
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


# Stand-ins for the two collections that speak to Secrets Manager: they keep each secret in a file.
LOOKUP = """
import os, pathlib
from ansible.plugins.lookup import LookupBase

class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        paths = [pathlib.Path(os.environ["KEPT_SECRETS"], arn.rpartition("/")[2]) for arn in terms]
        return [path.read_text() for path in paths if path.exists()]
"""
MODULE = """
import os, pathlib
from ansible.module_utils.basic import AnsibleModule

overwrite = {"type": "bool", "default": True}
module = AnsibleModule({"name": {}, "region": {}, "secret": {"no_log": True}, "overwrite": overwrite})
path = pathlib.Path(os.environ["KEPT_SECRETS"], module.params["name"].rpartition("/")[2])
changed = module.params["overwrite"] or not path.exists()
if changed:
    path.write_text(module.params["secret"])
module.exit_json(changed=changed)
"""


@pytest.fixture
def secrets_manager(tmp_path: Path) -> Path:
    """The folder that stands for Secrets Manager, and the collections that read and write it."""
    for collection, kind, text in (("amazon", "lookup", LOOKUP), ("community", "modules", MODULE)):
        plugin = tmp_path / "ansible_collections" / collection / "aws/plugins" / kind / "secretsmanager_secret.py"
        plugin.parent.mkdir(parents=True)
        plugin.write_text(text)
    kept = tmp_path / "kept"
    kept.mkdir()
    return kept


def play_for_secrets_manager(kept: Path, names: list[str]) -> str:
    """Play the playbook for a host whose secrets of these names lie in Secrets Manager."""
    arn = "aws-secretsmanager:arn:aws:secretsmanager:eu-west-1:123456789012:secret:freelance/production"
    hosts = {
        "db1": {"platform_environment": "production", "platform_secrets": {name: f"{arn}/{name}" for name in names}}
    }
    hosts["db1"]["platform_certificate_authority"] = {
        "certificate": f"{arn}/ca_certificate",
        "private_key": f"{arn}/ca_private_key",
    }
    inventory = kept.parent / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"database": {"hosts": hosts}}))
    settings = kept.parent / "ansible.cfg"
    settings.write_text("[defaults]\nnocows = true\n")
    done = subprocess.run(
        ["ansible-playbook", "-i", inventory, ROOT / "ansible/playbooks/initialise_secrets.yml"],
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(settings),
            "ANSIBLE_FORCE_COLOR": "0",
            "ANSIBLE_COLLECTIONS_PATH": str(kept.parent),
            "KEPT_SECRETS": str(kept),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_secrets_manager_gets_what_is_missing_or_a_placeholder_and_keeps_the_rest(secrets_manager: Path) -> None:
    (secrets_manager / "chosen_password").write_text("chosen")
    (secrets_manager / "placeholder_password").write_text("CHANGE_ME_later")
    (secrets_manager / "blank_password").write_text(" ")
    (secrets_manager / "ca_private_key").write_text("change_me")
    names = ["chosen_password", "placeholder_password", "blank_password", "missing_password", "field_encryption_key"]
    output = play_for_secrets_manager(secrets_manager, names)
    made = {path.name: path.read_text() for path in secrets_manager.iterdir()}
    assert made.pop("chosen_password") == "chosen"
    assert len(base64.b64decode(made.pop("field_encryption_key"))) == 32
    assert made.pop("ca_private_key").startswith("-----BEGIN")
    assert x509.load_pem_x509_certificate(made.pop("ca_certificate").encode())
    assert all(len(value) == 40 and value.isalnum() for value in made.values())
    assert not [value for value in made.values() if value in output]
    assert "changed=0" in play_for_secrets_manager(secrets_manager, names)
