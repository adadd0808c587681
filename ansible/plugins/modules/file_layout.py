#!/usr/bin/python3
"""Ansible module: directories, small files and links of one layout in one call."""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: file_layout
short_description: Keep directories, small files and links as they are declared
description:
  - One call for what would be a loop of C(file) and C(copy); items are handled in their order.
  - A directory is never replaced, nor anything by one; a foreign link is set right.
  - systemd reads its units again when one of them changed.
options:
  items:
    type: list
    elements: dict
    required: true
    description:
      - Items as path, type (directory, file, link), owner, group, mode, content (file), target (link).
      - validate is a command with %s for the new file; when it fails, the old one stays.
"""
EXAMPLES = r"""
- name: Lay out
  file_layout:
    items: [{path: /srv/x, type: directory, owner: root, group: root, mode: "0755"}]
"""

UNITS = "/etc/systemd/system/"
# Runs a command line; returns its exit status, output and errors.
Run = Callable[[list[str]], tuple[int, str, str]]


class LayoutError(Exception):
    """A path cannot be brought to what is declared; the text names it."""


def _describe(path: Path) -> dict[str, str]:
    """Give what stands at a path in the words of an item; empty when nothing does."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return {}
    if stat.S_ISLNK(found.st_mode):
        return {"type": "link", "target": str(path.readlink())}
    described = {
        "type": "directory" if stat.S_ISDIR(found.st_mode) else "file" if stat.S_ISREG(found.st_mode) else "other",
        "owner": str(found.st_uid),
        "group": str(found.st_gid),
        "mode": f"{stat.S_IMODE(found.st_mode):04o}",
    }
    if described["type"] == "file":
        # Bytes: reading text would take another form of line ends for the declared one.
        described["content"] = path.read_bytes().decode("utf-8", "replace")
    return described


def _wanted(item: dict[str, Any]) -> dict[str, str]:
    """Give an item with numbers for its owner and group. Raises KeyError for an unknown one."""
    if item["type"] == "link":
        return {"type": "link", "target": item["target"]}
    wanted = {"type": item["type"], "mode": f"{int(item['mode'], 8):04o}"}
    wanted["owner"] = str(pwd.getpwnam(item["owner"]).pw_uid)
    wanted["group"] = str(grp.getgrnam(item["group"]).gr_gid)
    if item["type"] == "file":
        wanted["content"] = item["content"]
    return wanted


def _write(path: Path, wanted: dict[str, str], validate: str | None, run: Run) -> None:
    """Bring a path to what is wanted; files and links are replaced in one step. Raises LayoutError for a bad file."""
    if wanted["type"] == "directory":
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chown(path, int(wanted["owner"]), int(wanted["group"]))
        path.chmod(int(wanted["mode"], 8))
        return
    # A new file by an open handle: whoever owns the folder could otherwise have a link wait there for root to follow.
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    target = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            if wanted["type"] == "link":
                target.unlink()
                target.symlink_to(wanted["target"])
            else:
                file.write(wanted["content"].encode())
                os.fchown(handle, int(wanted["owner"]), int(wanted["group"]))
                os.fchmod(handle, int(wanted["mode"], 8))
        if wanted["type"] == "file" and validate:
            _validate(path, target, validate, run)
        target.replace(path)
    finally:
        target.unlink(missing_ok=True)


def _validate(path: Path, target: Path, validate: str, run: Run) -> None:
    """Have a program look at the new file. Raises LayoutError with its words."""
    status, output, errors = run(shlex.split(validate.replace("%s", shlex.quote(str(target)))))
    if status:
        said = (errors or output).strip()
        raise LayoutError(f"{path}: `{validate}` refused the new file, the old one stays: {said}")


def apply(item: dict[str, Any], check_mode: bool, run: Run) -> dict[str, Any] | None:
    """Bring one item to what it declares; give its diff, or None when nothing differs. Raises LayoutError."""
    path = Path(item["path"])
    before = _describe(path)
    try:
        wanted = _wanted(item)
    except KeyError as unknown:
        if check_mode:  # A dry run before the users exist.
            return {"before": before, "after": item}
        raise LayoutError(f"{path}: {unknown.args[0]}; make the users first (role host_baseline)") from unknown
    if before == wanted:
        return None
    if before and before["type"] != wanted["type"] and wanted["type"] != "link":
        raise LayoutError(f"{path}: holds a {before['type']}, a {wanted['type']} is declared; move it away")
    if before.get("type") == "directory" and wanted["type"] == "link":
        raise LayoutError(f"{path}: holds a directory, a link is declared; move it away")
    if not check_mode:
        _write(path, wanted, item.get("validate"), run)
    return {"before": before, "after": wanted}


def _shown(side: dict[str, Any]) -> str:
    """Give one side of a difference as `--diff` prints it: what is not content comes first, line by line."""
    about = "".join(f"{key}: {side[key]}\n" for key in ("type", "owner", "group", "mode", "target") if side.get(key))
    return about + (side.get("content") or "")


def main() -> None:
    """Bring all items to what they declare."""
    options = {
        "path": {"type": "path", "required": True},
        "type": {"type": "str", "choices": ["directory", "file", "link"], "required": True},
        "owner": {"type": "str"},
        "group": {"type": "str"},
        "mode": {"type": "str"},
        "content": {"type": "str"},
        "target": {"type": "str"},
        "validate": {"type": "str"},
    }
    module = AnsibleModule(
        argument_spec={"items": {"type": "list", "elements": "dict", "required": True, "options": options}},
        supports_check_mode=True,
    )
    changes: dict[str, dict[str, Any]] = {}
    failed = ""
    try:
        for item in module.params["items"]:
            change = apply(item, module.check_mode, module.run_command)
            if change is not None:
                changes[item["path"]] = change
    except (LayoutError, OSError) as failure:
        failed = str(failure)
    # After a failure too: the next run finds these files as declared and would not do it.
    if not module.check_mode and any(path.startswith(UNITS) for path in changes):
        module.run_command(["systemctl", "daemon-reload"], check_rc=True)
    if failed:
        module.fail_json(msg=failed)
    diff = [
        {"before_header": path, "before": _shown(one["before"]), "after_header": path, "after": _shown(one["after"])}
        for path, one in changes.items()
    ]
    module.exit_json(changed=bool(changes), changes=sorted(changes), diff=diff)


if __name__ == "__main__":
    main()
