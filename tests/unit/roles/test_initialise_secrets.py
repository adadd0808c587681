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
