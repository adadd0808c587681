#!/usr/bin/python
"""Ansible module: unpacked releases of a Python application on a host, and the one in use."""

import grp
import hashlib
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: application_release
short_description: Build a release from an archive, use it, keep the newest ones
description:
  - With C(state=present) the release is unpacked, gets its virtual environment from the archive's wheels and a
    manifest of every file with owner, mode and hash. A release that differs from its manifest is built anew.
  - Everybody on the host may read it, for it is code and holds no secret; the folder of its settings is the group's.
  - Where that is needed and the archive is not on the host yet, nothing happens and C(needs_archive) is true.
  - With C(state=current) the link C(current) points to it and old releases are removed.
options:
  root: {description: Folder of the application., type: path, required: true}
  release: {description: Id of the release., type: str, required: true}
  archive: {description: Archive on the host with app/ and wheels/., type: path}
  python: {description: Interpreter of the host., type: path, default: /usr/bin/python3}
  group: {description: Group of the release and of the folder of its settings., type: str, required: true}
  env_file: {description: File that the release reads its settings from., type: path, required: true}
  keep: {description: Releases to keep., type: int, default: 3}
  state: {description: What to reach., type: str, choices: [present, current], default: present}
author: Platform engineering
"""
EXAMPLES = """
- application_release: {root: /opt/app, release: 0a1b, archive: /opt/app/0a1b.tar, group: app, env_file: /etc/app.env}
"""
RETURN = """
needs_archive: {description: The archive has to be shipped first., type: bool, returned: always}
settled: {description: The release is in use and nothing is left to remove., type: bool, returned: always}
path: {description: Folder of the release., type: str, returned: always}
rooted: {description: The application's folder exists., type: bool, returned: always}
"""

MANIFEST = "MANIFEST"
# What everybody reads and runs, and the folder of the settings, which the group alone enters.
FOLDER_MODE, RUN_MODE, READ_MODE = 0o755, 0o755, 0o644
SETTINGS_MODE = 0o750


class Releases:
    """The folder `releases` of an application. Raises OSError, subprocess and tarfile errors to its caller."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.root = Path(params["root"])
        self.folder = self.root / "releases"
        self.path: Path = self.folder / params["release"]
        self.link = self.root / "current"
        self.params = params

    def intact(self) -> bool:
        """Whether the release is complete and each file is as it was built."""
        try:
            mode = self.path.stat().st_mode & 0o7777
            return mode == FOLDER_MODE and (self.path / MANIFEST).read_text() == self.manifest()
        except OSError:
            return False

    def manifest(self) -> str:
        """One line for each file: owner, mode, hash or link target, name. Caches of the interpreter are left out."""
        lines = []
        for path in sorted(self.path.rglob("*")):
            name = path.relative_to(self.path).as_posix()
            if "__pycache__" in path.parts or name == MANIFEST or (path.is_dir() and not path.is_symlink()):
                continue
            info = path.lstat()
            content = str(path.readlink()) if path.is_symlink() else hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(f"{info.st_uid}:{info.st_gid} {info.st_mode:o} {content} {name}")
        return "\n".join(lines) + "\n"

    def build(self) -> None:
        """Build the release where it will stay: a virtual environment cannot be moved. The manifest comes last."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        with tarfile.open(self.params["archive"]) as archive:
            # The filter refuses what would leave the folder.
            archive.extractall(self.path, filter="data")
        venv = self.path / "venv"
        self._run(self.params["python"], "-m", "venv", str(venv))
        self._run(
            str(venv / "bin/python"), "-m", "pip", "install", "--quiet", "--no-index", "--no-cache-dir",
            "--require-hashes", f"--find-links={self.path / 'wheels'}",
            f"--requirement={self.path / 'app/requirements.txt'}",
        )  # fmt: skip
        shutil.rmtree(self.path / "wheels")
        self._run(str(venv / "bin/python"), "-m", "compileall", "-q", str(self.path / "app"))
        (self.path / "app/.env").symlink_to(self.params["env_file"])
        self._give_to_group()
        (self.path / MANIFEST).write_text(self.manifest())
        (self.path / MANIFEST).chmod(READ_MODE)

    def _give_to_group(self) -> None:
        group = grp.getgrnam(self.params["group"]).gr_gid
        for path in [self.path, *self.path.rglob("*")]:
            os.chown(path, 0, group, follow_symlinks=False)
            if not path.is_symlink():
                runnable = path.is_dir() or path.stat().st_mode & 0o100
                path.chmod(RUN_MODE if runnable else READ_MODE)

    @staticmethod
    def _run(*command: str) -> None:
        subprocess.run(command, check=True, capture_output=True, text=True, umask=0o022)

    def folders(self) -> dict[Path, int]:
        """Folders that root owns, of the application's group, with their modes."""
        return {self.root: FOLDER_MODE, self.folder: FOLDER_MODE, Path(self.params["env_file"]).parent: SETTINGS_MODE}

    def folders_in_order(self) -> bool:
        """Whether they are there, with the owner and mode that they should have."""
        try:
            group = grp.getgrnam(self.params["group"]).gr_gid
            found = [(folder.stat(), mode) for folder, mode in self.folders().items()]
        except (FileNotFoundError, KeyError):
            # A check on an empty host: neither the folders nor the group are there yet.
            return False
        return all((info.st_uid, info.st_gid, info.st_mode & 0o7777) == (0, group, mode) for info, mode in found)

    def prepare_folders(self) -> None:
        """Make them so."""
        group = grp.getgrnam(self.params["group"]).gr_gid
        for folder, mode in self.folders().items():
            folder.mkdir(parents=True, exist_ok=True)
            os.chown(folder, 0, group)
            folder.chmod(mode)

    def in_use(self) -> bool:
        """Whether `current` points to the release."""
        return self.link.is_symlink() and self.link.readlink() == self.path

    def superfluous(self) -> list[Path]:
        """Releases beyond the number to keep, never this one or the one in use."""
        kept = {self.path, self.link.resolve()}
        releases = [path for path in self.folder.glob("*") if path.is_dir() and path not in kept]
        releases.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        return releases[max(0, self.params["keep"] - 1) :]

    def use(self) -> None:
        """Point `current` to the release in one step and remove what is superfluous."""
        fresh = self.root / ".current.new"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(self.path)
        fresh.rename(self.link)
        for path in self.superfluous():
            shutil.rmtree(path)


def provide(module: AnsibleModule, releases: Releases) -> dict[str, Any]:
    """Build the release from its archive, or ask for the archive."""
    archive = module.params["archive"]
    if module.check_mode:
        return {"changed": True, "needs_archive": True}
    if not archive or not Path(archive).exists():
        return {"needs_archive": True}
    releases.build()
    Path(archive).unlink()
    return {"changed": True}


def run(module: AnsibleModule) -> dict[str, Any]:
    """Return the module's result; a check changes nothing."""
    releases = Releases(module.params)
    result: dict[str, Any] = {
        "changed": False,
        "needs_archive": False,
        "path": str(releases.path),
        "rooted": releases.root.is_dir(),
    }
    if module.params["state"] == "present":
        result["changed"] = not releases.folders_in_order()
        if result["changed"] and not module.check_mode:
            releases.prepare_folders()
        if not releases.intact():
            result |= provide(module, releases)
    result["settled"] = releases.in_use() and not releases.superfluous()
    if module.params["state"] == "current" and not result["settled"]:
        result["changed"] = True
        if not module.check_mode:
            releases.use()
    return result


def main() -> None:
    """Entry point of Ansible."""
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "required": True},
            "release": {"type": "str", "required": True},
            "archive": {"type": "path"},
            "python": {"type": "path", "default": "/usr/bin/python3"},
            "group": {"type": "str", "required": True},
            "env_file": {"type": "path", "required": True},
            "keep": {"type": "int", "default": 3},
            "state": {"type": "str", "choices": ["present", "current"], "default": "present"},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module)
    except subprocess.CalledProcessError as error:
        module.fail_json(
            msg=f"{' '.join(error.cmd[:4])} failed: {(error.stderr or error.stdout or '').strip()[-2000:]}"
        )
    except KeyError as error:
        module.fail_json(msg=f"{error}: the group must exist before a release is built (role host_baseline makes it).")
    except (OSError, tarfile.TarError) as error:
        module.fail_json(msg=f"The release {module.params['release']} could not be built or used: {error}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
