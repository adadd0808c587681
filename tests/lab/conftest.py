"""An inner machine with a copy of this repository, in which the lab is brought up, broken, mended and removed."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import machine as outer
from lab import processes

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("inner_machine.sh")
HOSTS = {"lab-db1", "lab-db2", "lab-db3", "lab-service1"}
# Set by `source activate.sh` in the shell that runs the tests: the inner machine sets its own.
FOREIGN = ("FREELANCE_ROOT", "CONTAINER_HOST", "ANSIBLE_CONFIG", "PULUMI_HOME", "PULUMI_BACKEND_URL")


class Machine:
    """Runs shell commands in the inner machine, from the root of the copy."""

    def __init__(self, pid: int, root: Path) -> None:
        self.root = root
        self.declared = (root / "Pulumi.lab.yaml").read_text()
        self._given_up = False
        self._enter = ["nsenter", f"--target={pid}", "--mount", "--net", "--pid", f"--wd={root}", "--"]

    def argv(self, command: str) -> list[str]:
        """The words that run a shell command in there."""
        return [*self._enter, "bash", "-c", f"source activate.sh; {command}"]

    def run(self, command: str, *, check: bool = True, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        """Run a shell command; with `check`, a failure shows everything that was said."""
        environment = {key: value for key, value in os.environ.items() if key not in FOREIGN}
        environment.pop("PULUMI_CONFIG_PASSPHRASE_FILE", None)
        done = subprocess.run(
            self.argv(command), capture_output=True, text=True, check=False, timeout=timeout, env=environment
        )
        if check:
            assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def out(self, command: str) -> str:
        """What a command that succeeds prints."""
        return self.run(command).stdout.strip()

    def up(self) -> str:
        """Sandbox, image, stack, hosts: the first half of `make up`."""
        return self.out("lab/run sandbox up && lab/run image host && lab/run part stack && lab/run part hosts")

    def whole(self) -> None:
        """Bring up again what isn't there. Where that failed once, it isn't tried for each test that follows."""
        assert not self._given_up, "the lab did not come up again after an earlier test"
        # Not `lab/run status`: asked before each test, it would take longer than some of them.
        listed = self.run("timeout 30 podman ps --filter status=running --format '{{.Names}}'", check=False)
        if not listed.returncode and set(listed.stdout.split()) == HOSTS:
            return
        (self.root / "Pulumi.lab.yaml").write_text(self.declared)
        self._given_up = True
        self.up()
        self._given_up = False

    def state(self) -> str:
        """The stack's state, byte for byte."""
        return self.out("pulumi stack export --stack lab")


@pytest.fixture(scope="session")
def empty_machine() -> Iterator[Machine]:
    """The inner machine before the first command of the lab."""
    if os.geteuid():
        pytest.skip("needs root: namespaces, loop devices and routes are made")
    mount = outer.cgroup2_mount()
    if mount is None:
        pytest.skip("needs a cgroup2 tree somewhere on this machine")
    folder = Path(tempfile.mkdtemp(prefix="freelance-lab-"))
    folder.chmod(0o755)  # one test looks at it as somebody who is not root
    root = _copy(folder / "platform")
    group = mount / "freelance-lab-tests"
    group.mkdir(exist_ok=True)
    flags = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    process = subprocess.Popen(["unshare", *flags, SCRIPT, mount, group], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    machine = Machine(processes.children(process.pid)[0], root)
    try:
        yield machine
    finally:
        machine.run("YES=1 lab/run destroy", check=False)
        process.kill()
        process.wait()
        _remove(group)
        shutil.rmtree(folder)


@pytest.fixture
def machine(empty_machine: Machine) -> Machine:
    """The inner machine with the lab's declared hosts running, whatever a test before this one has left."""
    empty_machine.whole()
    return empty_machine


def _copy(target: Path) -> Path:
    """The working tree without what git ignores, and the same virtual environment."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listing.split("\0")):
        source = ROOT / name
        if source.is_file():  # not: removed in the working tree only
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name, follow_symlinks=False)
    (target / ".venv").symlink_to(ROOT / ".venv")
    return target


def _remove(group: Path) -> None:
    for _ in range(100):
        try:
            for folder, _, _ in os.walk(group, topdown=False):
                Path(folder).rmdir()
        except OSError:  # processes that were killed are still on their way out
            time.sleep(0.1)
            continue
        return
