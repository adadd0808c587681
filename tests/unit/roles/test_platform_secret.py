"""The lookup `platform_secret`: what it reads and what it refuses."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible.errors import AnsibleError

from tests.loading import load

ROOT = Path(__file__).resolve().parents[3]
ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:freelance/production/monitor_password-AbCdEf"


@pytest.fixture(scope="module")
def plugin() -> ModuleType:
    return load(ROOT / "ansible/plugins/lookup/platform_secret.py")


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    path = tmp_path / "secrets.yml"
    path.write_text("good: s3cret\nempty: ''\nplaceholder: CHANGE_ME_now\n")
    path.chmod(0o600)
    return path


def read(plugin: ModuleType, *references: str) -> list[str]:
    values: list[str] = plugin.LookupModule().run(list(references))
    return values


def refusal(plugin: ModuleType, reference: str) -> str:
    with pytest.raises(AnsibleError) as error:
        read(plugin, reference)
    return str(error.value)


def test_a_name_in_a_file_is_read(plugin: ModuleType, secrets: Path) -> None:
    assert read(plugin, f"file:{secrets}#good", f"file:{secrets}#good") == ["s3cret", "s3cret"]


def test_a_whole_file_is_read(plugin: ModuleType, tmp_path: Path) -> None:
    key = tmp_path / "ca.key"
    key.write_text("-----BEGIN PRIVATE KEY-----\n")
    key.chmod(0o600)
    assert read(plugin, f"file:{key}") == ["-----BEGIN PRIVATE KEY-----\n"]


def test_a_relative_path_counts_from_the_repository(
    plugin: ModuleType, monkeypatch: pytest.MonkeyPatch, secrets: Path
) -> None:
    monkeypatch.setattr(plugin, "ROOT", secrets.parent)
    monkeypatch.chdir("/")
    assert read(plugin, "file:secrets.yml#good") == ["s3cret"]


@pytest.mark.parametrize("name", ["absent", "empty", "placeholder"])
def test_a_missing_or_placeholder_secret_is_refused_by_name_and_remedy(
    plugin: ModuleType, secrets: Path, name: str
) -> None:
    message = refusal(plugin, f"file:{secrets}#{name}")
    assert f"#{name}" in message
    assert "initialise_secrets.yml" in message


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        ([str(ROOT / "inventories/production")], "-i inventories/production ansible/"),
        (["/elsewhere/hosts", "localhost,"], "-i /elsewhere/hosts -i localhost, ansible/"),
        ([], "ansible-playbook ansible/"),
    ],
)
def test_the_remedy_names_the_inventory_in_use(
    plugin: ModuleType, secrets: Path, sources: list[str], words: str
) -> None:
    with pytest.raises(AnsibleError, match=r"initialise_secrets\.yml") as error:
        plugin.LookupModule().run([f"file:{secrets}#absent"], {"ansible_inventory_sources": sources})
    assert words in str(error.value)


def test_a_missing_file_is_refused_with_the_remedy(plugin: ModuleType, tmp_path: Path) -> None:
    message = refusal(plugin, f"file:{tmp_path}/none.yml#good")
    assert "none.yml" in message
    assert "initialise_secrets.yml" in message


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_file_open_to_others_is_refused(plugin: ModuleType, secrets: Path, mode: int) -> None:
    secrets.chmod(mode)
    message = refusal(plugin, f"file:{secrets}#good")
    assert f"{mode:04o}" in message
    assert "chmod 600" in message
    assert "s3cret" not in message


def test_a_certificate_may_be_open_to_others(plugin: ModuleType, tmp_path: Path) -> None:
    certificate = tmp_path / "ca.crt"
    certificate.write_text("-----BEGIN CERTIFICATE-----\n")
    certificate.chmod(0o644)
    assert read(plugin, f"file:{certificate}") == ["-----BEGIN CERTIFICATE-----\n"]


@pytest.mark.parametrize("text", ["- a list\n", "{unclosed: s3cret", "just text"])
def test_a_broken_file_is_refused_without_its_content(plugin: ModuleType, secrets: Path, text: str) -> None:
    secrets.write_text(text)
    message = refusal(plugin, f"file:{secrets}#good")
    assert "secrets.yml" in message
    assert "s3cret" not in message


@pytest.mark.parametrize("reference", ["", "plain", "vault:x#y", "FILE:x"])
def test_an_unknown_reference_is_refused(plugin: ModuleType, reference: str) -> None:
    assert "aws-secretsmanager:ARN" in refusal(plugin, reference)


class _SecretsManager:
    """Stands in for amazon.aws.secretsmanager_secret: `answers` by ARN."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers, self.regions = answers, [""][:0]

    def run(self, terms: list[str], variables: dict[str, Any], region: str, **kwargs: Any) -> list[str]:  # noqa: ARG002 (as the real one is called)
        self.regions.append(region)
        return [self.answers[arn] for arn in terms if arn in self.answers]


def use(plugin: ModuleType, monkeypatch: pytest.MonkeyPatch, answers: dict[str, str]) -> _SecretsManager:
    manager = _SecretsManager(answers)
    monkeypatch.setattr(
        plugin.lookup_loader, "get", lambda name, **_: {"amazon.aws.secretsmanager_secret": manager}[name]
    )
    return manager


def test_secrets_manager_is_asked_in_the_region_of_the_arn(plugin: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = use(plugin, monkeypatch, {ARN: "s3cret"})
    assert read(plugin, f"aws-secretsmanager:{ARN}") == ["s3cret"]
    assert manager.regions == ["eu-west-1"]


def test_a_key_of_a_json_secret_is_read(plugin: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    use(plugin, monkeypatch, {ARN: '{"password": "s3cret"}'})
    assert read(plugin, f"aws-secretsmanager:{ARN}#password") == ["s3cret"]
    assert "initialise_secrets.yml" in refusal(plugin, f"aws-secretsmanager:{ARN}#other")


@pytest.mark.parametrize("answers", [{}, {ARN: "CHANGE_ME"}, {ARN: " "}])
def test_a_missing_or_placeholder_secret_of_secrets_manager_is_refused(
    plugin: ModuleType, monkeypatch: pytest.MonkeyPatch, answers: dict[str, str]
) -> None:
    use(plugin, monkeypatch, answers)
    message = refusal(plugin, f"aws-secretsmanager:{ARN}")
    assert ARN in message
    assert "initialise_secrets.yml" in message


def test_something_that_is_no_arn_is_refused(plugin: ModuleType) -> None:
    assert "no ARN" in refusal(plugin, "aws-secretsmanager:monitor_password")
