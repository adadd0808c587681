"""A server of the AWS API on loopback, and production's stack in it. No request leaves this machine."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml
from moto.server import ThreadedMotoServer

from tests.aws.replay import ROOT, Account, record

REGION = "eu-central-1"
# An own account without this machine's: no credentials, settings or metadata of whoever runs the tests.
ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "an-example",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    # One try: what is tested is what is said afterwards.
    "AWS_MAX_ATTEMPTS": "1",
}


def pytest_configure(config: pytest.Config) -> None:
    """The aws package warns of its own old modules when it imports them."""
    config.addinivalue_line("filterwarnings", "ignore::DeprecationWarning:pulumi_aws")


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """An empty account, which this process and all that it starts talk to."""
    aws_cli = tmp_path_factory.mktemp("bin") / "aws"
    aws_cli.write_text("#!/bin/sh\necho aws-cli/2.12.0\n")  # new enough; no test here opens a tunnel
    aws_cli.chmod(0o755)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "BOTO"))]:
            patch.delenv(name)
        url = f"http://{host}:{port}"
        for name, value in {**ACCOUNT, "AWS_ENDPOINT_URL": url}.items():
            patch.setenv(name, value)
        patch.setenv("PATH", str(aws_cli.parent), prepend=os.pathsep)
        yield Account(REGION, url)
    server.stop()


@pytest.fixture(scope="session")
def contract(account: Account) -> dict[str, Any]:
    """Production's contract after its resources were made: four database hosts, of which one retires."""
    return account.make(record("production", database_hosts=4, retiring_hosts=["db4"]))


def inventory_of(contract: dict[str, Any], folder: Path) -> Path:
    """Write production's inventory of a contract into a folder."""
    shutil.copytree(ROOT / "inventories/production/group_vars", folder / "group_vars")
    (folder / "contract.json").write_text(json.dumps(contract), encoding="utf-8")
    source = yaml.safe_load((ROOT / "inventories/production/pulumi_stack.yml").read_text(encoding="utf-8"))
    source |= {"contract_file": str(folder / "contract.json"), "remote_state": False}
    (folder / "pulumi_stack.yml").write_text(yaml.safe_dump(source), encoding="utf-8")
    return folder / "pulumi_stack.yml"


@pytest.fixture(scope="session")
def inventory(contract: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The inventory of this contract."""
    return inventory_of(contract, tmp_path_factory.mktemp("contract"))


@pytest.fixture(scope="session")
def run(account: Account) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs a program in the repository's root, in the account's environment."""

    assert os.environ["AWS_ENDPOINT_URL"] == account.url

    def call(*argv: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_FORCE_COLOR": "0", **environment},
            check=False,
        )

    return call


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch, account: Account) -> Iterator[Callable[[str, str, int], None]]:
    """Return a function that makes AWS refuse everything with an error code, a message and an HTTP status."""
    assert account.url
    error: dict[str, Any] = {}

    class Refusing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps({"__type": error["code"], "message": error["message"]}).encode()
            self.send_response(error["status"])
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: the tests read what the lookup says."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        yield lambda code, message, status: error.update(code=code, message=message, status=status)
        server.shutdown()
