#!/usr/bin/env python3
"""Build one archive with the application and every wheel it needs. Runs on the controller; hosts have no internet.

The release's id is the hash of the application's files and of the target. The requirements pin each wheel by hash, so
the id stands for the wheels too. Prints {"id", "archive", "built", "migrations"} as JSON.
"""

import argparse
import fcntl
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# What tools leave behind, and what must never be shipped.
IGNORED = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".env", ".DS_Store"}
# Debian 13 has glibc 2.41; wheels name the oldest glibc that they run on.
GLIBC_MINORS = (17, 24, 26, 27, 28, 31, 34, 35, 39)
FORMAT = b"release archive 1"


class BuildError(Exception):
    """The release cannot be built; the text says what to do."""


def application_files(app: Path) -> Iterator[Path]:
    """Yield the application's files in a fixed order. Raises BuildError for a folder that is no application."""
    for needed in ("manage.py", "requirements.txt"):
        if not (app / needed).is_file():
            raise BuildError(f"{app} has no {needed}: schema_migrations_app_dir must be the Django project's folder.")
    for path in sorted(app.rglob("*")):
        if path.is_file() and not IGNORED & set(path.relative_to(app).parts) and path.suffix != ".pyc":
            yield path


def release_id(app: Path, python: str, architecture: str) -> str:
    """Return 16 hex digits that change with any file, its executable bit, or the target."""
    digest = hashlib.sha256(FORMAT + f"\0{python}\0{architecture}\0".encode())
    for path in application_files(app):
        name = path.relative_to(app).as_posix()
        executable = b"x" if path.stat().st_mode & 0o100 else b"-"
        digest.update(name.encode() + b"\0" + executable + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def shipped_migrations(app: Path) -> list[str]:
    """Return the project's own migrations as app.name."""
    return sorted(f"{path.parent.parent.name}.{path.stem}" for path in app.glob("apps/*/migrations/0*.py"))


def pip_download(requirements: Path, target: Path, python: str, architecture: str) -> list[str]:
    """Return the command that downloads binary wheels for the hosts, each checked against its pinned hash.

    Nothing is resolved: the requirements are complete for the hosts' Python, and pip would judge markers by its own.
    """
    version = python.replace(".", "")
    platforms = [f"--platform=manylinux_2_{minor}_{architecture}" for minor in GLIBC_MINORS]
    return [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check",
        "--retries=2", "--timeout=30", "--require-hashes", "--no-deps", "--only-binary=:all:",
        f"--python-version={python}", "--implementation=cp", f"--abi=cp{version}", "--abi=abi3", "--abi=none",
        *platforms, f"--platform=manylinux2014_{architecture}", f"--dest={target}", f"--requirement={requirements}",
    ]  # fmt: skip


def wheelhouse(given: argparse.Namespace, cache: Path) -> Path:
    """Return the folder of wheels, downloaded once for these requirements. Raises BuildError when that fails."""
    requirements, attempts = given.app / "requirements.txt", given.attempts
    target = f"\0{given.python}\0{given.architecture}"
    folder = cache / "wheels" / hashlib.sha256(requirements.read_bytes() + target.encode()).hexdigest()[:16]
    if folder.is_dir():
        return folder
    partial = folder.with_suffix(".partial")
    command = pip_download(requirements, partial, given.python, given.architecture)
    for attempt in range(1, attempts + 1):
        partial.mkdir(parents=True, exist_ok=True)
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode == 0:
            # Renamed when whole: an interrupted download is never taken for a wheelhouse.
            partial.rename(folder)
            return folder
        if attempt < attempts:
            print(f"pip download failed, attempt {attempt} of {attempts}", file=sys.stderr)
            time.sleep(given.pause * attempt)
    shutil.rmtree(partial, ignore_errors=True)
    said = [line for line in (result.stderr or result.stdout).splitlines() if line.strip()] or ["no output"]
    reason = [line for line in said if line.startswith("ERROR")] or said
    raise BuildError(
        f"pip could not download the application's wheels in {attempts} attempts: {reason[-1]} "
        "Check that the package index answers (python3 -m pip config list), then run the playbook again; "
        "nothing was changed on any host."
    )


def write_archive(app: Path, wheels: Path, archive: Path) -> None:
    """Write app/ and wheels/ as one tar file, the same bytes for the same content."""
    partial = archive.with_suffix(".partial")
    with tarfile.open(partial, "w", format=tarfile.PAX_FORMAT) as tar:
        entries = [(f"app/{path.relative_to(app).as_posix()}", path) for path in application_files(app)]
        entries += [(f"wheels/{path.name}", path) for path in sorted(wheels.glob("*.whl"))]
        for name, path in entries:
            content = path.read_bytes()
            info = tarfile.TarInfo(name)
            info.size = len(content)
            info.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            tar.addfile(info, io.BytesIO(content))
    partial.rename(archive)


def build(given: argparse.Namespace) -> dict[str, Any]:
    """Return the release; with --plan-only nothing is downloaded or written."""
    app, cache = given.app.resolve(), given.cache.expanduser().resolve()
    identity = release_id(app, given.python, given.architecture)
    archive = cache / "releases" / f"{identity}.tar"
    built = False
    if not given.plan_only and not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        with (cache / "lock").open("w") as lock:
            # Two playbooks at a time build it once.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not archive.exists():
                write_archive(app, wheelhouse(given, cache), archive)
                built = True
    return {"id": identity, "archive": str(archive), "built": built, "migrations": shipped_migrations(app)}


def main() -> int:
    """Command line. Status 1 with one line on standard error when the release cannot be built."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--app", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--python", required=True, help="the hosts' Python, e.g. 3.13")
    parser.add_argument("--architecture", choices=["x86_64", "aarch64"], required=True)
    parser.add_argument("--attempts", type=int, default=3)
    parser.add_argument("--pause", type=float, default=5.0, help="seconds after the first attempt, then longer")
    parser.add_argument("--plan-only", action="store_true")
    try:
        print(json.dumps(build(parser.parse_args())))
    except (BuildError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
