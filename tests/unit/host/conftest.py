"""The host verification without hosts: an environment made of the golden contract, with secrets and a CA of its own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from tests.host.environment import Environment  # noqa: E402  needs the line above

SECRET = "kept-to-itself-{name}-0123456789"


def certificate(folder: Path, name: str, names: str, authority: str | None = None) -> Path:
    """Make a key and a certificate with openssl, signed by an authority or by itself. Returns the certificate."""
    made, key = folder / f"{name}.crt", folder / f"{name}.key"
    words = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "30",
        "-subj",
        f"/CN={name}",
    ]
    signed = ["-CA", str(folder / f"{authority}.crt"), "-CAkey", str(folder / f"{authority}.key")] if authority else []
    extension = ["-addext", f"subjectAltName={names}"] if names else ["-addext", "keyUsage=keyCertSign"]
    argv = ["openssl", "req", "-x509", *words, *signed, *extension, "-keyout", str(key), "-out", str(made)]
    subprocess.run(argv, check=True, capture_output=True)
    return made


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority (ca), a host's certificate by it (db1) and a foreign authority."""
    folder = tmp_path_factory.mktemp("authority")
    certificate(folder, "ca", "")
    certificate(folder, "foreign", "")
    certificate(folder, "db1", "DNS:db1,DNS:direct.lab", authority="ca")
    return folder


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory, authority: Path) -> Environment:
    """The lab as the golden contract has it; nothing of it runs."""
    folder = tmp_path_factory.mktemp("environment")
    shutil.copytree(ROOT / "inventories/lab", folder / "inventory")
    contract = json.loads((ROOT / "tests/golden/lab/contract.json").read_text(encoding="utf-8"))
    secrets: dict[str, Any] = {}
    for cluster in contract["clusters"].values():
        secrets |= {name: SECRET.format(name=name) for name in cluster["secrets"]}
        cluster["secrets"] = {name: f"file:{folder}/secrets.yml#{name}" for name in cluster["secrets"]}
        cluster["certificate_authority"] = {
            "certificate": f"file:{authority}/ca.crt",
            "private_key": f"file:{authority}/ca.key",
        }
    (folder / "secrets.yml").touch(0o600)
    (folder / "secrets.yml").write_text(json.dumps(secrets), encoding="utf-8")
    (folder / "contract.json").write_text(json.dumps(contract), encoding="utf-8")
    source = folder / "inventory/pulumi_stack.yml"
    lines = source.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith(("contract_file:", "state_file:", "remote_state:"))]
    source.write_text("\n".join([*kept, f"contract_file: {folder}/contract.json\n"]), encoding="utf-8")
    return Environment(str(folder / "inventory"))
