"""Secrets that the program could come across are in nothing that the real engine prints, logs or keeps.

They lie where a deployer has them: in the environment, in the SSH key's file, in the lab's file of secrets. Each is
looked for as it is, in base64 and escaped, in every output, log, and file of the state with its history and backups.
"""

import base64
import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from engine_workspace import Engine, make_engine
from infra.secret_names import SECRETS

AUTHORITY = ("ca_certificate", "ca_private_key")
LOG = ("--logtostderr", "--logflow", "-v=9")
COMMANDS = {
    "preview": ("preview", "--json", *LOG),
    "up": ("up", "--yes", "--skip-preview", "--diff", "--show-config", *LOG),
    "refresh": ("refresh", "--yes", "--diff", *LOG),
    "outputs": ("stack", "output", "--json", "--show-secrets"),
    "export": ("stack", "export", "--show-secrets"),
    "history": ("stack", "history", "--json", "--show-secrets"),
    "config": ("config", "--json", "--show-secrets"),
    "refused destroy": ("destroy", "--yes", "--diff"),
}


def private_key() -> str:
    return (
        Ed25519PrivateKey.generate()
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
        .decode()
    )


@pytest.fixture(scope="module")
def secret_values() -> dict[str, str]:
    """Return every secret by what it is."""
    return {
        **{name: f"value-of-{name}-{os.urandom(12).hex()}" for name in SECRETS},
        "PULUMI_CONFIG_PASSPHRASE": os.urandom(20).hex(),
        "AWS_ACCESS_KEY_ID": f"AKIA{os.urandom(8).hex().upper()}",
        "AWS_SECRET_ACCESS_KEY": os.urandom(20).hex(),
        "AWS_SESSION_TOKEN": os.urandom(40).hex(),
        "ssh_private_key": private_key(),
    }


@pytest.fixture(scope="module")
def engine(home: Path, secret_values: dict[str, str]) -> Engine:
    """An engine with an empty stack, and each secret where it lies when somebody deploys."""
    engine = make_engine(home, "staging")
    del engine.environment["PULUMI_CONFIG_PASSPHRASE_FILE"]
    engine.environment.update({name: value for name, value in secret_values.items() if name.isupper()})
    (home / "operator").write_text(secret_values["ssh_private_key"])
    lab = home / "project/.lab"
    lab.mkdir()
    (lab / "secrets.yml").write_text(json.dumps({name: secret_values[name] for name in SECRETS}))
    engine.run("stack", "init", settings={"ssh_private_key_file": str(home / "operator")})
    return engine


@pytest.fixture(scope="module")
def texts(engine: Engine) -> dict[str, str]:
    """What each command of a stack's life printed, and each file that the engine wrote, by name."""
    found: dict[str, str] = {}
    for name, command in COMMANDS.items():
        done = engine.run(*command, check=False)
        assert (done.returncode == 0) == (name != "refused destroy"), done.stdout[-2000:] + done.stderr[-2000:]
        found |= {name: done.stdout, f"{name}: errors and log": done.stderr}
    for path in (engine.home / "state").rglob("*"):
        if path.is_file():
            found[str(path.relative_to(engine.home))] = path.read_text(encoding="utf-8")
    found["journal"] = engine.journal_file.read_text(encoding="utf-8")
    return found


def forms(value: str) -> list[str]:
    """Return how a value may be written; of a key's file also the lines that no other key has."""
    lines = [line for line in value.splitlines() if len(line) >= 20 and not line.startswith("-----")]
    kept = lines[1:-1] if len(lines) > 2 else lines
    return [value, json.dumps(value)[1:-1], base64.b64encode(value.encode()).decode(), *kept]


def test_no_secret_is_printed_logged_or_kept(texts: dict[str, str], secret_values: dict[str, str]) -> None:
    # What would have to be searched is there.
    assert all(len(texts[f"{name}: errors and log"]) > 100_000 for name in ("preview", "up", "refresh"))
    assert all("stats_password" in texts[name] for name in ("preview", "up", "outputs", "export"))
    found = [
        f"{name} in {place}"
        for name, value in secret_values.items()
        for place, text in texts.items()
        if any(form in text for form in forms(value))
    ]
    assert found == []


def test_the_state_holds_arns_of_secrets_and_nothing_of_their_values(engine: Engine) -> None:
    state = engine.state()
    entries = [resource for resource in state if resource["type"] == "aws:secretsmanager/secret:Secret"]
    assert len(entries) == len(SECRETS) + len(AUTHORITY)
    for entry in entries:
        assert entry["outputs"]["arn"].startswith("arn:aws:secretsmanager:")
        assert not {"secretString", "secretBinary"} & (entry["inputs"].keys() | entry["outputs"].keys())
    assert not [resource["type"] for resource in state if "secretVersion" in resource["type"]]
    cluster = engine.contract()["clusters"]["main"]
    arns = {f"aws-secretsmanager:{entry['outputs']['arn']}" for entry in entries}
    assert {*cluster["secrets"].values(), *cluster["certificate_authority"].values()} == arns
