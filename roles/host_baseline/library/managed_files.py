#!/usr/bin/python3
"""Several whole files in one call: a template task each would cost a second for every file on every run."""

from __future__ import annotations

import os
import shlex
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: managed_files
short_description: Whole files of root, written together
description:
  - Each change leaves a mark in C(pending) before it is made. Whoever has acted on all changes removes the folder, so a
    run that was broken off in between is made good by the next one. A reboot does both.
options:
  files:
    type: list
    elements: dict
    required: true
    description: Path and content of each; mode is 0644 unless given; validate is a command with %s for the new file.
  pending: {type: path, required: true, description: Folder of the marks, below /run.}
"""
RETURN = """
changed_paths: {type: list, description: Files that differed, now or in a run that was broken off., returned: always}
"""

FILE_SPEC = {
    "path": {"type": "path", "required": True},
    "content": {"type": "str", "required": True},
    "mode": {"type": "str", "default": "0644"},
    "validate": {"type": "str"},
}


def difference(path: Path, content: str, mode: int) -> dict[str, str] | None:
    """Return Ansible's diff for the file, None when it is as declared."""
    if path.is_symlink():
        return {"before_header": str(path), "before": f"link to {path.readlink()}\n", "after": content}
    try:
        state, text = path.stat(), path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return {"before_header": f"{path} (absent)", "before": "", "after": content}
    rights = (state.st_uid, state.st_gid, state.st_mode & 0o7777)
    if text == content and rights == (0, 0, mode):
        return None
    header = f"{path} ({rights[0]}:{rights[1]} {rights[2]:04o})"
    return {"before_header": header, "after_header": f"{path} (0:0 {mode:04o})", "before": text, "after": content}


def mark_of(pending: Path, path: Path) -> Path:
    """Return the mark of a file that changed."""
    return pending / str(path).replace("/", "!")


def write(module: AnsibleModule, path: Path, content: str, mode: int, validate: str | None) -> None:
    """Write the file beside its place, have it judged, and move it there, so that no reader sees half of it."""
    descriptor, name = tempfile.mkstemp(dir=module.tmpdir)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
    if validate:
        status, out, err = module.run_command(validate.replace("%s", shlex.quote(name)))
        if status:
            module.fail_json(
                msg=f"{path} was left as it is, {validate} refuses the new one: {err.strip() or out.strip()}"
            )
    pending = Path(module.params["pending"])
    pending.mkdir(mode=0o755, parents=True, exist_ok=True)
    mark_of(pending, path).touch()
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    if path.is_symlink():
        path.unlink()
    # unsafe_writes: a file that is mounted into the host can only be written in place.
    module.atomic_move(name, str(path), unsafe_writes=True)
    os.chown(path, 0, 0)
    path.chmod(mode)


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "required": True, "options": FILE_SPEC},
            "pending": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    changed: list[str] = []
    diffs: list[dict[str, Any]] = []
    for file in module.params["files"]:
        path, mode = Path(file["path"]), int(file["mode"], 8)
        found = difference(path, file["content"], mode)
        if found is None:
            if mark_of(Path(module.params["pending"]), path).exists():
                changed.append(str(path))
            continue
        changed.append(str(path))
        diffs.append(found)
        if not module.check_mode:
            write(module, path, file["content"], mode, file["validate"])
    module.exit_json(changed=bool(changed), changed_paths=changed, diff=diffs)


if __name__ == "__main__":
    main()
