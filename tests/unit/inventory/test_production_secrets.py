"""A production without all of its secrets is refused by name, by the user's own command, before a host is asked."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SITE = "ansible/playbooks/site.yml"
MISSING = "monitor_password"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("CHANGE_ME_LATER", "it is still the placeholder"),
        ("", "it is missing or empty"),
        (None, "it is missing or empty"),
    ],
    ids=["placeholder", "empty", "missing"],
)
def test_a_secret_that_is_not_there_is_refused(
    tmp_path: Path, production: Callable[[object], Path], value: str | None, reason: str
) -> None:
    contract = json.loads((ROOT / "tests/golden/production/contract.json").read_text(encoding="utf-8"))
    names = contract["clusters"]["main"]["secrets"]
    secrets = tmp_path / "secrets.yml"
    values = {name: "a-value-that-is-there" for name in names if name != MISSING}
    secrets.write_text(json.dumps(values | ({} if value is None else {MISSING: value})), encoding="utf-8")
    secrets.chmod(0o600)
    # Secrets Manager is beyond reach here: what it would answer is in a file.
    contract["clusters"]["main"]["secrets"] = {name: f"file:{secrets}#{name}" for name in names}
    for host in [*contract["clusters"]["main"]["hosts"], *contract["services"]]:
        host["connect"]["proxy_command"] = None  # a controller whose AWS CLI opens no tunnel is refused first
    inventory = production(contract)

    done = subprocess.run(
        ["ansible-playbook", "-i", str(inventory), SITE],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        check=False,
    )

    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    assert f"{secrets}#{MISSING}: {reason}" in said, said[-3000:]
    assert "initialise_secrets.yml" in said
    assert "a-value-that-is-there" not in said
    assert "changed=0" in said
    assert "Reach the hosts" not in said
