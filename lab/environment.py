"""The virtual environment `.venv` with exactly what requirements.txt pins."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from lab.errors import LabError
from lab.paths import CACHE, ROOT
from lab.shell import run

UV_VERSION = "0.13.9"
VENV = ROOT / ".venv"
REQUIREMENTS = ROOT / "requirements.txt"
STAMP = VENV / ".requirements"
# There once `python -m venv` has ended: killed in between, the environment has a python and no pip, for ever.
MADE = VENV / ".made"
LOCK = CACHE / "environment.lock"
INSTALL_TIMEOUT_S = 900.0
# Those of the package `ansible` that playbooks and tests name.
COLLECTIONS = ("amazon/aws/", "ansible/posix/", "community/crypto/")


def ensure() -> bool:
    """Make it as pinned; False when it already was. Several callers may ask at once: one makes it."""
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    with LOCK.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _ensure()


def _ensure() -> bool:
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    if STAMP.exists() and STAMP.read_text().strip() == wanted:
        return False
    if not _usable():
        shutil.rmtree(VENV, ignore_errors=True)
        run([sys.executable, "-m", "venv", VENV])
        MADE.touch()
    _install()
    STAMP.write_text(f"{wanted}\n")
    return True


def _usable() -> bool:
    """Whether it was finished once, and its Python is still the one that it was made with."""
    python = VENV / "bin" / "python"
    if not python.exists() or not (MADE.exists() or STAMP.exists()):
        return False
    return run([python, "-m", "pip", "--version"], check=False).returncode == 0


def _install() -> None:
    try:
        program = uv()
        index = run([VENV / "bin" / "pip", "config", "get", "global.index-url"], check=False).stdout.strip()
        environment = {**os.environ, "UV_DEFAULT_INDEX": index} if index else None
        arguments: list[str | Path] = ["pip", "sync", "--quiet", "--python", VENV / "bin" / "python", REQUIREMENTS]
        # An index of one's own may have a certificate that the machine knows and uv does not.
        run([program, *arguments, "--system-certs"], timeout=INSTALL_TIMEOUT_S, env=environment)
    except LabError as error:
        print(f"uv did not do it, pip will: {error}", flush=True)
        _install_by_pip()
    _compile()


def _compile() -> None:
    """Compile what is installed, but for the collections that nobody here asks for: half of all.

    Where PYTHONDONTWRITEBYTECODE is set, each process of Ansible's would compile all that it loads anew, and a playbook
    take three times the seconds to begin.
    """
    packages = sysconfig.get_path("purelib", "venv", {"base": str(VENV)})
    others = f"/ansible_collections/(?!{'|'.join(COLLECTIONS)})"
    python = VENV / "bin" / "python"
    # Templates of programs, which are no Python, are among the packages' files: that they don't compile is no failure.
    compiling = ["-m", "compileall", "-qq", "-j0", "-x", others, packages]
    run([python, *compiling], check=False, timeout=INSTALL_TIMEOUT_S)


def _install_by_pip() -> None:
    pip = [
        str(VENV / "bin" / "python"),
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--quiet",
        "--no-compile",
        "--retries",
        "3",
    ]
    if subprocess.run([*pip, "--requirement", str(REQUIREMENTS)], check=False).returncode:
        raise LabError(
            f"pip can't install {REQUIREMENTS} after 3 tries: is the package index reachable "
            "(`pip config list` shows which)? `make up` goes on from here"
        )


def uv() -> Path:
    """The pinned uv, in a small environment of its own for all clones (`uv pip sync` would remove it from ours)."""
    folder = CACHE / f"uv-{UV_VERSION}"
    if not (folder / "bin" / "uv").exists():
        # Made aside: a uv that is there is whole. Its program does not mind the folder's name.
        part = folder.with_name(f"{folder.name}.part")
        for old in (folder, part):
            shutil.rmtree(old, ignore_errors=True)
        run([sys.executable, "-m", "venv", part])
        run([part / "bin" / "pip", "--disable-pip-version-check", "install", "--quiet", f"uv=={UV_VERSION}"])
        part.rename(folder)
    return folder / "bin" / "uv"
