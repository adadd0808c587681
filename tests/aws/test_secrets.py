"""Secrets are read from Secrets Manager; a failure is told with secret, cause and remedy, and without a value."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from ansible.errors import AnsibleError
from ansible.plugins.loader import init_plugin_loader

from tests.aws.replay import ROOT, Account
from tests.loading import load

NAME = "freelance-platform/production/monitor_password"
ARN = f"arn:aws:secretsmanager:eu-central-1:123456789012:secret:{NAME}"
VALUE = "s3cret-that-nobody-prints"
Refuse = Callable[[str, str, int], None]


@pytest.fixture(scope="module")
def plugin() -> ModuleType:
    init_plugin_loader()
    return load(ROOT / "ansible/plugins/lookup/platform_secret.py")


def read(plugin: ModuleType, arn: str) -> str:
    (value,) = plugin.LookupModule().run([f"aws-secretsmanager:{arn}"])
    return str(value)


def refusal(plugin: ModuleType, arn: str = ARN) -> str:
    with pytest.raises(AnsibleError) as error:
        read(plugin, arn)
    message = str(error.value)
    assert arn in message
    assert VALUE not in message
    return message


@pytest.fixture
def entry(account: Account) -> Iterator[str]:
    """The ARN of an entry without a value, as the program declares it."""
    arn = str(account.secrets.create_secret(Name=NAME)["ARN"])
    yield arn
    account.secrets.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)


def test_a_value_is_read_by_its_arn(plugin: ModuleType, account: Account, entry: str) -> None:
    account.secrets.put_secret_value(SecretId=entry, SecretString=VALUE)
    assert read(plugin, entry) == VALUE


def test_a_missing_secret_and_one_without_a_value_name_the_playbook_that_makes_them(
    plugin: ModuleType, entry: str
) -> None:
    for arn in (entry, f"{ARN}-absent"):
        assert "it is missing or has no value yet; run: ansible-playbook" in refusal(plugin, arn)


def test_a_secret_that_is_marked_for_deletion_is_brought_back_and_not_made_anew(
    plugin: ModuleType, account: Account, entry: str
) -> None:
    account.secrets.put_secret_value(SecretId=entry, SecretString=VALUE)
    account.secrets.delete_secret(SecretId=entry)
    message = refusal(plugin, entry)
    assert "marked for deletion" in message
    assert f"aws secretsmanager restore-secret --region eu-central-1 --secret-id {entry}" in message
    assert "initialise_secrets" not in message


# Source: Secrets Manager API reference, "Common Error Types" and the errors of GetSecretValue.
DENIED = (
    "User: arn:aws:iam::123456789012:user/operator is not authorized to perform: secretsmanager:GetSecretValue on "
    f"resource: {ARN} because no identity-based policy allows the secretsmanager:GetSecretValue action"
)
TOKEN = "The security token included in the request"


@pytest.mark.parametrize(
    ("error", "cause", "remedy"),
    [
        (("AccessDeniedException", DENIED, 400), "access is denied", "allow it secretsmanager:GetSecretValue"),
        (("AccessDeniedException", "Access to KMS is not allowed", 400), "access is denied", "kms:Decrypt on the key"),
        (("ThrottlingException", "Rate exceeded", 400), "too many requests in a second", "wait a minute"),
        (
            ("ExpiredTokenException", f"{TOKEN} is expired", 400),
            "credentials are expired",
            "renew them: log in (`aws sso",
        ),
        (("UnrecognizedClientException", f"{TOKEN} is invalid.", 400), "credentials are unknown there", "correct them"),
        (
            ("InvalidSignatureException", "Signature expired: 2026", 400),
            "signature is refused",
            "set this machine's clock",
        ),
        (("DecryptionFailure", "KMS key is disabled", 400), "can't be used", "enable that KMS key again"),
        (("InternalServiceError", "An error occurred on the server side.", 500), "itself failed", "wait a minute"),
        (("NewException", "of next year", 400), "refused it (NewException: of next year)", "who asks"),
    ],
    ids=["denied", "denied by the key", "throttled", "expired", "unknown", "clock", "key", "server", "new"],
)
def test_a_refusal_names_secret_cause_and_remedy(
    plugin: ModuleType, refuse: Refuse, error: tuple[str, str, int], cause: str, remedy: str
) -> None:
    refuse(*error)
    told = refusal(plugin)
    assert cause in told
    assert error[1] in told
    assert remedy in told
    assert "initialise_secrets" not in told  # it would be refused just so


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Take the credentials away; returns a file of settings whose profile `sso` was never logged in."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    config = tmp_path / "config"
    config.write_text(
        "[profile sso]\nsso_session = office\nsso_account_id = 123456789012\nsso_role_name = operator\n"
        "[sso-session office]\nsso_region = eu-central-1\nsso_start_url = https://office.example/start\n"
    )
    return config


@pytest.mark.parametrize(
    ("environment", "cause"),
    [
        ({}, "Unable to locate credentials"),
        ({"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE"}, "Partial credentials"),
        ({"AWS_PROFILE": "nowhere"}, "nowhere"),
        ({"AWS_PROFILE": "sso", "AWS_CONFIG_FILE": "{config}"}, "sso"),
    ],
    ids=["none", "half", "no profile", "not logged in"],
)
@pytest.mark.usefixtures("account")
def test_missing_credentials_are_told_as_such(
    plugin: ModuleType, nobody: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], cause: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(config=nobody))
    told = refusal(plugin)
    assert "there are no usable credentials for AWS" in told
    assert cause.lower() in told.lower()
    assert "set AWS_PROFILE" in told


@pytest.mark.parametrize(
    ("partition", "region", "hint"),
    [("aws", "eu-central-1", False), ("aws-cn", "cn-north-1", False), ("aws", "eu-centrl-1", True)],
    ids=["region", "China", "misspelt region"],
)
@pytest.mark.usefixtures("account")
def test_an_endpoint_out_of_reach_is_told_with_its_region(
    plugin: ModuleType, monkeypatch: pytest.MonkeyPatch, partition: str, region: str, hint: bool
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    told = refusal(plugin, ARN.replace("arn:aws:", f"arn:{partition}:").replace("eu-central-1", region))
    assert "Secrets Manager can't be reached" in told
    assert "http://127.0.0.1:9" in told
    assert f"this machine reaches {region} (network, HTTPS_PROXY, AWS_ENDPOINT_URL)" in told
    assert (f"knows no region {region}" in told) == hint


def test_the_site_tells_the_cause_before_a_host_is_asked(
    refuse: Refuse, run: Callable[..., subprocess.CompletedProcess[str]], inventory: Path
) -> None:
    refuse("ExpiredTokenException", "The security token included in the request is expired", 400)
    done = run("ansible-playbook", "-i", inventory, "ansible/playbooks/check_site.yml")
    told = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    assert "the credentials are expired" in told, told[-2000:]
    assert "Reach the hosts" not in told
