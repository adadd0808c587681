"""Our stand-in for the Python language host ends with its engine, and the program that it runs ends with it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc  # type: ignore[import-untyped]  # has no types of its own
import pytest
from pulumi.runtime.proto import language_pb2, language_pb2_grpc
from pulumi_recorder import ROOT

# Stands for the engine: starts the host, says its process id and port once it serves, and waits to be killed.
ENGINE = """
import subprocess, sys, time
host = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True)
print(host.pid, host.stdout.readline(), flush=True)
time.sleep(3600)
"""
# Stands for a program that would go on for long; in the place of the SDK's launcher.
PROGRAM = "import os, pathlib, sys, time\npathlib.Path(sys.argv[-1]).write_text(str(os.getpid()))\ntime.sleep(3600)\n"


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 30
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(pid)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """An engine that has started the language host as it is built: its files beside the launcher."""
    for name in ("pulumi-language-python", "language_host.py"):
        (tmp_path / name).write_bytes((ROOT / "lab/engine" / name).read_bytes())
    (tmp_path / "pulumi-language-python").chmod(0o755)
    (tmp_path / "pulumi-language-python-exec").write_text(PROGRAM)
    command = [sys.executable, "-c", ENGINE, str(tmp_path / "pulumi-language-python"), "127.0.0.1:1"]
    environment = {**os.environ, "VIRTUAL_ENV": str(ROOT / ".venv")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment) as process:
        yield process
        process.kill()


def test_it_ends_with_an_engine_that_was_killed_and_so_does_the_program(
    engine: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert engine.stdout is not None
    host, port = engine.stdout.readline().split()
    marker = tmp_path / "running"
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        info = language_pb2.ProgramInfo(program_directory=str(tmp_path), entry_point=marker.name)
        call = language_pb2_grpc.LanguageRuntimeStub(channel).Run.future(language_pb2.RunRequest(info=info))
        deadline = time.monotonic() + 30
        while not (marker.exists() and marker.read_text()) and time.monotonic() < deadline:
            time.sleep(0.1)
        program = int(marker.read_text())
        assert alive(program)
        assert alive(int(host))
        engine.kill()
        engine.wait()
        wait_until_gone(program)
        wait_until_gone(int(host))
        call.cancel()
